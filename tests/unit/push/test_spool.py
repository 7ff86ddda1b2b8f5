"""The records of one push, each as it was said last; the disk may be full."""

from __future__ import annotations

import pytest

from controller.model.commerce_records import CommerceRecord, complaints, parse_record
from controller.model.errors import MerchantctlError
from controller.push.spool import PORTION, Spool


def add(spool: Spool, *numbers: int, amount: float = 1) -> None:
    for number in numbers:
        spool.add(parse_record("orders", {"id": f"o{number}", "createdDate": "2026-11-28", "totalAmount": amount}))


def bodies(spool: Spool) -> list[CommerceRecord]:
    return [record for portion in spool.record_portions("orders") for record in portion]


def test_a_record_counts_as_it_came_last_and_a_deletion_ends_what_came_before_it() -> None:
    with Spool() as spool:
        add(spool, 1, 2, 3)
        add(spool, 1, amount=9)
        spool.add(parse_record("orders", {"id": "o2"}))
        spool.add(parse_record("orders", {"id": "o3", "deleted": True, "createdDate": "2026-11-28"}))
        add(spool, 3)
        assert [record.record_id for record in bodies(spool)] == ["o1", "o3"]
        assert '"totalAmount":9' in bodies(spool)[0].body
        assert list(spool.deletion_portions("orders")) == [["o2", "o3"]]
        assert spool.kinds_by_id("orders", ["o2", "o3"]) == {"o3": {""}}
        assert spool.ids_to_delete_among("orders", ["o1", "o2"]) == {"o2"}
        assert spool.type_keys == ("orders",)


def test_many_records_come_in_portions() -> None:
    with Spool() as spool:
        add(spool, *range(PORTION + 1))
        assert [len(portion) for portion in spool.record_portions("orders")] == [PORTION, 1]


def test_a_full_disk_is_told_of_with_the_way_out() -> None:
    def fill_a_small_disk() -> None:
        with Spool() as spool:
            spool._database.execute("PRAGMA max_page_count = 8")
            add(spool, *range(5000))

    with pytest.raises(MerchantctlError, match="SQLITE_TMPDIR"):
        fill_a_small_disk()


def test_documents_of_two_versions_are_no_push() -> None:
    with Spool() as spool:
        found = [[*spool.note_contract_version(version)] for version in ("9", None, "9", "10", 3)]
    assert [len(each) for each in found] == [0, 0, 0, 1, 1]


def test_a_complaint_shows_a_little_of_what_is_wrong() -> None:
    (complaint,) = complaints("payments", {"id": "p", "createdDate": "2026-11-28", "type": "x" * 10_000})
    assert len(complaint) < 400
