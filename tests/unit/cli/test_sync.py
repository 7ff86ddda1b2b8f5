"""`sync`: what it refuses before anything is sent, what it sends, and how it tells of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.emulator import Emulator, Merchant, in_process_emulator
from tests.end_to_end.place import SAVE_CONFIGURATION, JumpingClock
from tests.intercept import Forward, intercepted
from tests.unit.cli.conftest import Ended, Merchantctl

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
def served(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Emulator:
    """An emulator without a socket, whose clock jumps where a command waits, and settings that lead to it."""
    emulator = in_process_emulator()
    emulator.environment = JumpingClock(emulator).environment(emulator.environment)
    monkeypatch.setenv("CODAT_BASE_URL", emulator.url)
    monkeypatch.setenv("CODAT_API_KEY", emulator.api_key)
    monkeypatch.setenv("MERCHANTCTL_REQUESTS_PER_MINUTE", "0")
    return emulator


@pytest.fixture
def ann(served: Emulator, folder: Path) -> Merchant:
    """A merchant in sync whose sales were never synchronised; its manifest does not say whether it is enabled."""
    (folder / "manifests").mkdir()
    (folder / "manifests" / "ann.yaml").write_text(MANIFEST)
    (merchant,) = served.seed(1, "configured")
    return merchant


@pytest.fixture
def sync(merchantctl: Merchantctl, served: Emulator, ann: Merchant) -> Any:
    def call(*arguments: str) -> Ended:
        return merchantctl("sync", "m-00000", *arguments, environment=served.environment)

    return call


def sent(served: Emulator, call: str = LATEST) -> int:
    return served.counts().get(call, 0)


def test_sales_are_synchronised_while_the_merchant_is_off_and_it_is_on_again_then(
    sync: Any, merchantctl: Merchantctl, served: Emulator, ann: Merchant, folder: Path
) -> None:
    assert sync("--status").out == "m-00000 was never synchronised.\n"
    (folder / "sales.json").write_text(json.dumps(SALES))
    assert merchantctl("push", "m-00000", "sales.json", environment=served.environment).code == 0
    switched: list[bool] = []

    async def noted(request: httpx.Request, onward: Forward) -> httpx.Response:
        if request.url.path.endswith("/sync/commerce/latest"):
            switched.append(served.configuration(ann)["enabled"])
        return await onward(request)

    served.environment = intercepted(served.environment, noted)
    ended = sync("--yes", "-o", "json")
    assert (ended.code, switched, served.configuration(ann)["enabled"]) == (0, [False], True)
    assert (ended.json["sync"]["code"], ended.json["sync"]["dataPushed"]) == (2000, True)
    said = ("sales go into the merchant's books", "switched off meanwhile", "is switched off", "is switched on again")
    assert [each for each in said if each not in ended.err] == []
    assert sync("--status", "--wait", "-o", "json").json["sync"] == ended.json["sync"]
    history = merchantctl("history", "m-00000").out
    for words in ("switched off", "for a manual sync", "ended with 2000; switched on again", "sync"):
        assert words in history


def test_what_became_of_a_sync_is_told_though_nothing_can_be_asked_any_more(sync: Any, served: Emulator) -> None:
    """It is remembered for reports, too; where that is not to be had, the next reading does it."""
    saves: list[str] = []

    async def refused_in_the_end(request: httpx.Request, onward: Forward) -> httpx.Response:
        is_of_document = request.url.path.startswith("/config/")
        saves.extend([request.url.path] if is_of_document and request.method == "POST" else [])
        if len(saves) == 2 and not is_of_document:
            return httpx.Response(401, json={"error": "No."})
        return await onward(request)

    served.environment = intercepted(served.environment, refused_in_the_end)
    ended = sync("--yes", "-o", "json")
    assert (ended.code, ended.json["sync"]["code"]) == (0, 2040), ended.err


def test_a_fault_of_ours_while_it_is_switched_on_again_hides_neither_how_the_sync_ended_nor_that_it_is_off(
    sync: Any, served: Emulator, ann: Merchant
) -> None:
    saves: list[str] = []

    async def nobody_foresaw(request: httpx.Request, onward: Forward) -> httpx.Response:
        if request.url.path.startswith("/config/") and request.method == "POST":
            saves.append(request.url.path)
            if len(saves) == 2:
                raise ZeroDivisionError("nobody foresaw this")
        return await onward(request)

    served.environment = intercepted(served.environment, nobody_foresaw)
    ended = sync("--yes", "-o", "json")
    assert (ended.code, ended.json["sync"]["code"]) == (3, 2040), ended.err
    assert "m-00000 is still switched off: a fault of merchantctl itself: ZeroDivisionError" in ended.err
    assert served.configuration(ann)["enabled"] is False


def test_a_look_that_codat_does_not_answer_ends_no_waiting(
    sync: Any, merchantctl: Merchantctl, served: Emulator, ann: Merchant, folder: Path
) -> None:
    (folder / "sales.json").write_text(json.dumps(SALES))
    assert merchantctl("push", "m-00000", "sales.json", environment=served.environment).code == 0
    is_begun, failures = False, 12

    async def down_for_a_while(request: httpx.Request, onward: Forward) -> httpx.Response:
        nonlocal is_begun, failures
        is_begun |= request.method == "POST" and request.url.path.endswith("/sync/commerce/latest")
        if is_begun and failures and request.method == "GET":
            failures -= 1
            return httpx.Response(503)
        return await onward(request)

    served.environment = intercepted(served.environment, down_for_a_while)
    ended = sync("--yes", "-o", "json")
    assert (ended.code, failures, ended.json["sync"]["code"]) == (0, 0, 2000), ended.err
    assert served.configuration(ann)["enabled"] is True


def test_who_was_off_stays_off(sync: Any, served: Emulator, ann: Merchant) -> None:
    served.control("PATCH", f"/companies/{ann['companyId']}/configuration", {"enabled": False})
    assert sync("--yes").code == 0
    assert (served.configuration(ann)["enabled"], sent(served, SAVE_CONFIGURATION)) == (False, 0)


def test_without_a_terminal_a_sync_wants_yes(sync: Any, served: Emulator) -> None:
    ended = sync()
    assert (ended.code, sent(served)) == (64, 0)
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
def test_times_that_make_no_sense_are_wrong_usage(sync: Any, arguments: tuple[str, ...]) -> None:
    assert sync("--yes", *arguments).code == 64


def test_a_sync_that_would_book_twice_or_before_its_time_is_not_sent(
    sync: Any, served: Emulator, ann: Merchant
) -> None:
    early = sync("--yes", "--to", "2020-01-01")
    assert early.code == 1
    assert "its startDate" in early.err
    served.control("POST", f"/companies/{ann['companyId']}/syncs/next", {"code": 2040})
    assert sync("--yes").code == 0
    start, finish = (f"{datetime.now(UTC) - timedelta(days=days):%Y-%m-%d}" for days in (10, 9))
    twice = sync("--yes", "--start", start, "--finish", finish)
    assert (twice.code, sent(served), sent(served, SAVE_CONFIGURATION)) == (1, 1, 2)
    assert "books the same sales twice" in twice.err
    for until, why in ((start, "nothing is left"), (f"{datetime.now(UTC) + timedelta(days=3):%Y-%m-%d}", "is to come")):
        refused = sync("--yes", "--to", until)
        assert (refused.code, sent(served), sent(served, SAVE_CONFIGURATION)) == (1, 1, 2)
        assert why in refused.err


def test_a_range_that_leaves_out_sales_says_so(sync: Any, served: Emulator) -> None:
    start, finish = (f"{datetime.now(UTC) - timedelta(days=days):%Y-%m-%d}" for days in (3, 2))
    assert f"to {start} 00:00 UTC are left out for good" in sync("--yes", "--start", start, "--finish", finish).err


def test_a_failed_sync_is_3_and_says_what_to_do_and_a_report_tells_of_it(
    sync: Any, merchantctl: Merchantctl, served: Emulator, ann: Merchant
) -> None:
    assert merchantctl("apply", "--yes", environment=served.environment).code == 0
    served.control("POST", f"/companies/{ann['companyId']}/syncs/next", {"code": 4260, "message": "Lapsed."})
    ended = sync("--yes")
    assert (ended.code, served.configuration(ann)["enabled"]) == (3, True)
    for words in ("expired (4260)", "Lapsed.", "> ask the merchant to renew it"):
        assert words in ended.out
    status = merchantctl("status", "m-00000", environment=served.environment)
    assert "failed (4260)" in status.out, "without anybody reading it anew"
    report = merchantctl("report", "-o", "json", environment=served.environment)
    assert report.json["notBooked"]["merchants"] == 1


def test_a_sync_whose_answer_was_lost_is_looked_for_and_not_sent_again(
    sync: Any, served: Emulator, ann: Merchant
) -> None:
    served.fault(LATEST, "lose-answer")
    ended = sync("--yes")
    assert (ended.code, sent(served), served.configuration(ann)["enabled"]) == (0, 1, True)
    served.fault(LATEST, "status", code=500)
    failed = sync("--yes")
    assert (failed.code, sent(served), served.configuration(ann)["enabled"]) == (1, 2, True)
    assert "the sync of m-00000 did not begin" in failed.err


def test_a_switch_whose_answer_was_lost_is_looked_at(sync: Any, served: Emulator, ann: Merchant) -> None:
    served.fault(SAVE_CONFIGURATION, "lose-answer", times=2)
    assert sync("--yes").code == 0
    assert (served.configuration(ann)["enabled"], sent(served, SAVE_CONFIGURATION)) == (True, 2)


def test_while_another_sync_runs_none_is_begun(sync: Any, served: Emulator, ann: Merchant) -> None:
    for key, records in SALES.items():
        path = f"/data/companies/{ann['companyId']}/sync/commerce-{key}"
        assert served.api.post(path, json={key: records}).status_code == 200
    assert served.api.post(f"/companies/{ann['companyId']}/sync/commerce/latest", json={}).status_code == 200
    ended = sync("--yes")
    assert (ended.code, sent(served), served.configuration(ann)["enabled"]) == (1, 1, True)
    assert "merchantctl sync m-00000 --status --wait" in ended.err


def test_a_merchant_who_is_not_linked_or_unknown_cannot_sync(
    sync: Any, merchantctl: Merchantctl, served: Emulator, ann: Merchant
) -> None:
    served.deauthorize(ann)
    ended = sync("--yes")
    assert (ended.code, sent(served)) == (1, 0)
    assert "not both linked" in ended.err
    assert merchantctl("sync", "nobody", "--yes", environment=served.environment).code == 64
