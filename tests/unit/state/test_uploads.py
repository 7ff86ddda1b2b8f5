"""Uploads: one process at a time sends, and what was sent is remembered in the commit that records the answer."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import delete

from state import ProcessIdentity, PushedRecord, RememberedRecord, Store, open_state
from state.errors import UploadLeaseLost, UploadUnderWay
from state.tables import upload_leases, uploads
from state.uploads import DELETED, NOT_SENT, SENDING, UNCERTAIN, Uploads

AT = datetime(2026, 11, 28, 12, tzinfo=UTC)
COMPANY, ORDERS, TRANSACTIONS = "c-1", "commerce-orders", "commerce-transactions"
US = ProcessIdentity.current("merchantctl push")
ELSEWHERE = replace(US, host="another", started="pid:[1]/another-boot 7")


async def send(store: Store, *records: PushedRecord, data_type: str = ORDERS, dataset: str = "d-1") -> None:
    async with store.uploads.lease(COMPANY, data_type, US, timeout_s=0) as lease:
        number = await store.uploads.begin(lease, records, AT)
    await store.uploads.record_sent(number, dataset)


async def remembered(store: Store, *ids: str, data_type: str = ORDERS) -> dict[tuple[str, str], str]:
    return {key: row.digest for key, row in (await store.uploads.load_remembered(COMPANY, data_type, ids)).items()}


async def test_what_was_sent_is_remembered_once_the_answer_is_there_and_not_before(store: Store) -> None:
    async with store.uploads.lease(COMPANY, ORDERS, US, timeout_s=0) as lease:
        number = await store.uploads.begin(lease, [PushedRecord("o-1", "", "h")], AT)
        (unanswered,) = await store.uploads.load_open(COMPANY, ORDERS)
        assert (unanswered.status, unanswered.dataset_id, unanswered.records) == (SENDING, None, 1)
        assert await remembered(store, "o-1") == {}
        await store.uploads.record_sent(number, "d-1")
    known = await store.uploads.load_remembered(COMPANY, ORDERS, ["o-1"])
    assert known == {("o-1", ""): RememberedRecord("h", AT)}
    assert await store.uploads.load_dataset_ids(COMPANY, ["d-1", "d-2"]) == {"d-1"}
    assert (await store.uploads.load_latest(COMPANY, 5))[0].status == "Queued"


async def test_a_deletion_takes_every_kind_of_a_record_and_is_remembered_itself(store: Store) -> None:
    both = PushedRecord("p-1", "Payment", "a"), PushedRecord("p-1", "PaymentFee", "b")
    await send(store, *both, data_type=TRANSACTIONS)
    assert await store.uploads.count_present(COMPANY, TRANSACTIONS) == 2
    await send(store, PushedRecord("p-1", "", DELETED), data_type=TRANSACTIONS, dataset="d-2")
    assert await remembered(store, "p-1", data_type=TRANSACTIONS) == {("p-1", ""): DELETED}
    assert await store.uploads.load_present_ids(COMPANY, TRANSACTIONS, "", 10) == []


async def test_the_records_of_an_upload_that_failed_later_are_uncertain_and_those_of_others_stay(store: Store) -> None:
    await send(store, PushedRecord("o-1", "", "old"), PushedRecord("o-2", "", "old"))
    await send(store, PushedRecord("o-2", "", "new"), dataset="d-2")
    await store.uploads.record_status(COMPANY, "d-2", "InternalError", "", closed_at=AT, failed=True)
    assert await remembered(store, "o-1", "o-2") == {("o-1", ""): "old", ("o-2", ""): UNCERTAIN}
    assert await store.uploads.load_present_ids(COMPANY, ORDERS, "", 10) == ["o-1", "o-2"], "so that it can be deleted"
    await store.uploads.record_status(COMPANY, "d-2", "Complete", "", closed_at=AT, failed=False)
    assert (await store.uploads.load_latest(COMPANY, 1))[0].status == "InternalError", "what is closed stays as it is"


async def test_two_requests_that_were_answered_with_one_dataset_stop_no_later_push(store: Store) -> None:
    await send(store, PushedRecord("o-1", "", "h"), dataset="d")
    await send(store, PushedRecord("o-2", "", "h"), dataset="d")
    await store.uploads.record_status(COMPANY, "d", "InternalError", "", closed_at=AT, failed=True)
    assert await remembered(store, "o-1", "o-2") == {("o-1", ""): UNCERTAIN, ("o-2", ""): UNCERTAIN}
    assert await store.uploads.load_open(COMPANY) == []


async def test_one_that_did_not_arrive_changes_nothing(store: Store) -> None:
    async with store.uploads.lease(COMPANY, ORDERS, US, timeout_s=0) as lease:
        number = await store.uploads.begin(lease, [PushedRecord("o-1", "", "h")], AT)
    await store.uploads.record_not_sent(number, AT)
    await store.uploads.record_sent(number, "d-1")
    assert await remembered(store, "o-1") == {}
    assert [each.status for each in await store.uploads.load_latest(COMPANY, 5)] == [NOT_SENT]


async def test_ids_are_read_in_portions_and_in_order(store: Store) -> None:
    await send(store, *(PushedRecord(f"o-{number:04}", "", "h") for number in range(1200)))
    assert len(await remembered(store, *(f"o-{number:04}" for number in range(1200)))) == 1200
    assert await store.uploads.load_present_ids(COMPANY, ORDERS, "o-0003", 2) == ["o-0004", "o-0005"]


async def test_two_processes_never_send_the_same_type_of_a_company_at_once(store: Store) -> None:
    async with store.uploads.lease(COMPANY, ORDERS, US, timeout_s=0):
        with pytest.raises(UploadUnderWay, match="pushing commerce-orders of the same company"):
            async with store.uploads.lease(COMPANY, ORDERS, ELSEWHERE, timeout_s=0):
                raise AssertionError
        for other in ((COMPANY, TRANSACTIONS), ("c-2", ORDERS)):
            async with store.uploads.lease(*other, ELSEWHERE, timeout_s=0):
                pass
    async with store.uploads.lease(COMPANY, ORDERS, ELSEWHERE, timeout_s=0):
        pass


async def leave_lease(store: Store, owner: ProcessIdentity, until: datetime) -> None:
    """As a process that was killed leaves it."""
    row = {"company_id": COMPANY, "data_type": ORDERS, "token": "theirs", "until": until, "command": owner.command}
    row |= {"host": owner.host, "pid": owner.pid, "started": owner.started}
    async with store._database.writing() as transaction:
        await transaction.execute(upload_leases.insert().values(row))


@pytest.mark.parametrize(
    ("owner", "seconds"),
    [
        (replace(US, pid=2**22 + 1), 30),  # killed here
        (replace(US, started=US.started + "1"), 30),  # killed here, and its pid is another's by now
        (ELSEWHERE, -1),  # has lapsed
        (ELSEWHERE, 36_000),  # the clock was put back
    ],
)
async def test_the_lease_of_the_dead_is_free(store: Store, owner: ProcessIdentity, seconds: float) -> None:
    await leave_lease(store, owner, datetime.now(UTC) + timedelta(seconds=seconds))
    async with store.uploads.lease(COMPANY, ORDERS, US, timeout_s=0):
        pass


@pytest.mark.parametrize("seconds", [30, 120])
async def test_the_lease_of_who_may_live_elsewhere_is_not_also_where_theirs_lasts_longer_than_ours(
    store: Store, seconds: float
) -> None:
    await leave_lease(store, ELSEWHERE, datetime.now(UTC) + timedelta(seconds=seconds))
    with pytest.raises(UploadUnderWay, match="on another"):
        async with store.uploads.lease(COMPANY, ORDERS, US, timeout_s=0):
            raise AssertionError


async def test_whoever_waits_long_for_the_turn_to_write_has_the_lease_still(store: Store) -> None:
    uploads = Uploads(store._database, lease_s=0.9)
    async with uploads.lease(COMPANY, ORDERS, US, timeout_s=0) as lease:
        async with store._database.writing():
            begun = asyncio.create_task(uploads.begin(lease, [PushedRecord("o-1", "", "h")], AT))
            await asyncio.sleep(0.4)  # more than a third of the lease
        assert await begun


async def test_whoever_lost_the_lease_sends_nothing(store: Store) -> None:
    async with store.uploads.lease(COMPANY, ORDERS, US, timeout_s=0) as lease:
        async with store._database.writing() as transaction:
            await transaction.execute(upload_leases.update().values(token="theirs"))
        with pytest.raises(UploadLeaseLost):
            await store.uploads.begin(lease, [PushedRecord("o-1", "", "h")], AT)
    assert await store.uploads.load_open(COMPANY) == []


def test_a_living_process_has_not_ended() -> None:
    assert not US.has_surely_ended()
    assert not replace(ELSEWHERE, pid=os.getpid()).has_surely_ended()


async def test_an_import_gives_no_upload_the_number_of_one_that_has_expired(store: Store, tmp_path: Path) -> None:
    """Else what becomes of the new one would be said of the records of the old one, too."""
    async with open_state(f"sqlite:///{tmp_path}/moved.db") as moved:
        await send(moved, PushedRecord("o-1", "", "h"))
        async with moved._database.writing() as transaction:
            await transaction.execute(delete(uploads))
        document = await moved.export()
    await store.import_(document)
    await send(store, PushedRecord("o-2", "", "h"), dataset="d-2")
    await store.uploads.record_status(COMPANY, "d-2", "Error", "", closed_at=AT, failed=True)
    assert await remembered(store, "o-1", "o-2") == {("o-1", ""): "h", ("o-2", ""): UNCERTAIN}
