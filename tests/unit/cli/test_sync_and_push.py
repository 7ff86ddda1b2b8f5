"""`sync`: what it refuses before anything is sent, what it sends, and how it tells of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.emulator import Emulator, Merchant
from tests.unit.cli.conftest import Merchantctl

MANIFEST = """\
apiVersion: merchantctl/v1
kind: Merchant
metadata: {name: m-00000}
spec: {connection: {platform: xero}}
"""
LATEST = "POST /companies/{companyId}/sync/commerce/latest"
SOLD = (datetime.now(UTC) - timedelta(days=2)).strftime("%Y-%m-%dT10:00:00Z")
SALES = {
    "orders": [{"id": "o1", "createdDate": SOLD, "totalAmount": 12.5}],
    "payments": [{"id": "p1", "createdDate": SOLD, "amount": 12.5, "type": "Card", "status": "Paid"}],
    "transactions": [
        {
            "id": "p1",
            "createdDate": SOLD,
            "type": "Payment",
            "totalAmount": 12.5,
            "transactionSourceRef": {"id": "o1", "type": "Order"},
        }
    ],
}


@pytest.fixture
def ann(served: Emulator, folder: Path) -> Merchant:
    """A merchant in sync whose sales were never synchronised."""
    (folder / "manifests").mkdir()
    (folder / "manifests" / "ann.yaml").write_text(MANIFEST)
    (folder / "sales.json").write_text(json.dumps(SALES))
    (merchant,) = served.seed(1, "configured")
    return merchant


def sent(served: Emulator, call: str) -> int:
    return served.counts().get(call, 0)


def test_sales_are_pushed_and_synchronised_and_the_status_tells_how_it_went(
    merchantctl: Merchantctl, served: Emulator, ann: Merchant
) -> None:
    assert merchantctl("sync", "m-00000", "--status").out == "m-00000 was never synchronised.\n"
    pushed = merchantctl("push", "m-00000", "sales.json", "-o", "json")
    assert pushed.code == 0
    assert [(each["dataType"], each["records"]) for each in pushed.json["uploads"]] == [
        ("commerce-orders", 1),
        ("commerce-payments", 1),
        ("commerce-transactions", 1),
    ]
    begun = merchantctl("sync", "m-00000", "--yes")
    assert begun.code == 0
    assert "sales go into the merchant's books" in begun.err
    assert "Scheduled syncs are on" in begun.err
    served.advance("PT1M")
    ended = merchantctl("sync", "m-00000", "--status", "--wait", "-o", "json").json["sync"]
    assert (ended["progress"], ended["code"], ended["dataPushed"]) == ("success", 2000, True)


def test_without_a_terminal_a_sync_wants_yes(merchantctl: Merchantctl, served: Emulator, ann: Merchant) -> None:
    ended = merchantctl("sync", "m-00000")
    assert (ended.code, sent(served, LATEST)) == (64, 0)
    assert "--yes" in ended.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("--start", "2026-11-01"),
        ("--start", "2026-11-02", "--finish", "2026-11-01"),
        ("--to", "2026-11-02", "--start", "2026-11-01", "--finish", "2026-11-02"),
        ("--to", "tomorrow"),
        ("--status", "--to", "2026-11-01"),
    ],
)
def test_times_that_make_no_sense_are_wrong_usage(
    merchantctl: Merchantctl, served: Emulator, ann: Merchant, arguments: tuple[str, ...]
) -> None:
    assert merchantctl("sync", "m-00000", "--yes", *arguments).code == 64


def test_a_sync_that_would_book_twice_or_before_its_time_is_not_sent(
    merchantctl: Merchantctl, served: Emulator, ann: Merchant
) -> None:
    early = merchantctl("sync", "m-00000", "--yes", "--to", "2020-01-01")
    assert early.code == 1
    assert "its startDate" in early.err
    served.control("POST", f"/companies/{ann['companyId']}/syncs/next", {"code": 2040})
    assert merchantctl("sync", "m-00000", "--yes").code == 0
    start, finish = (f"{datetime.now(UTC) - timedelta(days=days):%Y-%m-%d}" for days in (10, 9))
    twice = merchantctl("sync", "m-00000", "--yes", "--start", start, "--finish", finish)
    assert (twice.code, sent(served, LATEST)) == (1, 1)
    assert "books the same sales twice" in twice.err


def test_a_failed_sync_is_3_and_says_what_to_do(merchantctl: Merchantctl, served: Emulator, ann: Merchant) -> None:
    served.control("POST", f"/companies/{ann['companyId']}/syncs/next", {"code": 4260, "message": "Lapsed."})
    ended = merchantctl("sync", "m-00000", "--yes")
    assert ended.code == 3
    assert "expired (4260)" in ended.out
    assert "Lapsed." in ended.out
    assert "> ask the merchant to renew it" in ended.out


def test_a_sync_whose_answer_was_lost_is_not_sent_again_and_the_way_to_look_is_told(
    merchantctl: Merchantctl, served: Emulator, ann: Merchant
) -> None:
    served.fault(LATEST, "lose-answer")
    ended = merchantctl("sync", "m-00000", "--yes")
    assert (ended.code, sent(served, LATEST)) == (1, 1)
    assert "merchantctl sync m-00000 --status" in ended.err


def test_a_merchant_who_is_not_linked_or_unknown_cannot_sync(
    merchantctl: Merchantctl, served: Emulator, ann: Merchant
) -> None:
    served.deauthorize(ann)
    ended = merchantctl("sync", "m-00000", "--yes")
    assert (ended.code, sent(served, LATEST)) == (1, 0)
    assert "not both linked" in ended.err
    assert merchantctl("sync", "nobody", "--yes").code == 64
