"""What an in-sync verdict rests on: whatever can change a plan without changing a byte must change its key."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType

import pytest

from controller.codat import answer_parsing, dates, from_wire, raw_json
from controller.model import field_values
from controller.model.desired import DesiredMerchant
from controller.model.field_values import START_DATE_PATH, SYNC_HOUR_PATH, DeclaredValue, LocalTime
from controller.model.observed import Company, Connection, RecordedState
from controller.planning import plan
from controller.reconcile import in_sync_cache, observe, plan_merchant
from controller.reconcile.in_sync_cache import cache_key, judging_sources
from controller.reconcile.observe import BasicObservation
from controller.reconcile.snapshot import RunSnapshot
from tests.unit.reconcile.run_of_values import run_at

WINTER = datetime(2027, 3, 27, 12, tzinfo=UTC)
SUMMER = datetime(2027, 3, 29, 12, tzinfo=UTC)
UTC_DOCUMENT = b'{"schedule":{"syncHourUtc":0,"timeZone":null}}'
NO_FIELDS: Mapping[str, DeclaredValue] = {}
CLOCK: Mapping[str, DeclaredValue] = {
    "schedule.time": LocalTime("00:00", "Europe/London"),
    START_DATE_PATH: datetime(2026, 12, 1, tzinfo=UTC),
}
ZONED_DOCUMENT = b'{"schedule":{"syncHourUtc":0,"timeZone":"Europe/London"}}'


def key(
    now: datetime,
    fields: Mapping[str, DeclaredValue] = NO_FIELDS,
    *,
    document: bytes = UTC_DOCUMENT,
    last_sync: datetime | None = None,
    skew: timedelta | None = None,
) -> str | None:
    connection = Connection("con", "gbol", "Accounting", "Linked", last_pulled_at=last_sync)
    snapshot = RunSnapshot(
        run=run_at(now, skew),
        desired={"acme": DesiredMerchant("acme", "acme", fields=fields, digest=repr(fields))},
        recorded={"acme": RecordedState("company", "con")},
        records={},
        company_index=None,
        merchant_by_company_id={},
        quarantined={},
    )
    return cache_key("acme", BasicObservation(Company("company", "acme", (connection,)), (), document), snapshot)


def test_a_day_later_the_key_is_the_same() -> None:
    assert key(WINTER, {SYNC_HOUR_PATH: 0}) == key(WINTER + timedelta(days=1), {SYNC_HOUR_PATH: 0}) is not None


def test_summer_time_changes_the_key_of_a_wall_clock() -> None:
    assert key(WINTER, CLOCK) != key(SUMMER, CLOCK)


@pytest.mark.parametrize("document", [ZONED_DOCUMENT, ZONED_DOCUMENT.replace(b":", b": ")])
def test_summer_time_changes_the_key_where_live_has_a_zone_and_the_manifest_an_hour_of_utc(document: bytes) -> None:
    assert key(WINTER, {SYNC_HOUR_PATH: 0}, document=document) != key(SUMMER, {SYNC_HOUR_PATH: 0}, document=document)


def test_data_that_grows_stale_changes_the_key() -> None:
    pulled = WINTER - timedelta(days=30)
    assert key(WINTER, last_sync=pulled) != key(WINTER + timedelta(hours=1), last_sync=pulled)


@pytest.mark.parametrize(
    "module", [field_values, plan, from_wire, dates, answer_parsing, raw_json, observe, plan_merchant, in_sync_cache]
)
def test_a_verdict_is_void_once_what_reads_or_judges_is_other_code(module: ModuleType) -> None:
    assert Path(str(module.__file__)) in judging_sources()


def test_in_sync_by_one_clock_is_not_in_sync_by_two_that_disagree() -> None:
    assert key(WINTER, CLOCK) != key(WINTER, CLOCK, skew=SUMMER - WINTER)
    assert key(WINTER, CLOCK) == key(WINTER, CLOCK, skew=timedelta(seconds=1))
