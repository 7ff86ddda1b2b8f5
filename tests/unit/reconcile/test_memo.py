"""What an in-sync verdict rests on: whatever can change a plan without changing a byte must change its key."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from controller.model.merchant import Wanted
from controller.model.observed import Company, Connection, Memory
from controller.model.values import START_DATE, SYNC_HOUR, Clock
from controller.reconcile.memo import key_of
from controller.reconcile.observe import Glimpse
from controller.reconcile.world import Stop, World

WINTER = datetime(2027, 3, 27, 12, tzinfo=UTC)
SUMMER = datetime(2027, 3, 29, 12, tzinfo=UTC)
UTC_DOCUMENT = b'{"schedule":{"syncHourUtc":0,"timeZone":null}}'
ZONED_DOCUMENT = b'{"schedule":{"syncHourUtc":0,"timeZone":"Europe/London"}}'


def key(now: datetime, *, document: bytes = UTC_DOCUMENT, last_sync: datetime | None = None, **fields) -> str | None:
    connection = Connection("con", "gbol", "Accounting", "Linked", last_sync=last_sync)
    world = World(
        api=None,
        store=None,
        wanted={"acme": Wanted("acme", "acme", fields=fields, digest=repr(fields))},
        memories={"acme": Memory("company", "con")},
        inventory=None,
        claimed={},
        now=lambda: now,
        quarantined={},
        stopping=Stop(),
    )
    return key_of("acme", Glimpse(Company("company", "acme", (connection,)), (), document), world)


def test_a_day_later_the_key_is_the_same():
    assert key(WINTER, **{SYNC_HOUR: 0}) == key(WINTER + timedelta(days=1), **{SYNC_HOUR: 0}) is not None


def test_summer_time_changes_the_key_of_a_wall_clock():
    clock = {"schedule.time": Clock("00:00", "Europe/London"), START_DATE: datetime(2026, 12, 1, tzinfo=UTC)}
    assert key(WINTER, **clock) != key(SUMMER, **clock)


@pytest.mark.parametrize("document", [ZONED_DOCUMENT, ZONED_DOCUMENT.replace(b":", b": ")])
def test_summer_time_changes_the_key_where_live_has_a_zone_and_the_manifest_an_hour_of_utc(document):
    assert key(WINTER, document=document, **{SYNC_HOUR: 0}) != key(SUMMER, document=document, **{SYNC_HOUR: 0})


def test_data_that_grows_stale_changes_the_key():
    pulled = WINTER - timedelta(days=30)
    assert key(WINTER, last_sync=pulled) != key(WINTER + timedelta(hours=1), last_sync=pulled)
