"""`push`: what is sent, what is not sent again, what it refuses before anything is sent, and how it tells of it."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.emulator import Emulator, Merchant, in_process_emulator
from tests.end_to_end.place import JumpingClock
from tests.intercept import Forward, intercepted
from tests.unit.cli.conftest import Ended, Merchantctl

MANIFEST = """\
apiVersion: merchantctl/v1
kind: Merchant
metadata: {name: m-00000}
spec: {connection: {platform: xero}}
"""
UPLOAD = "POST /data/companies/{companyId}/sync/{dataType}"
NOW = datetime.now(UTC)
SOLD = f"{NOW - timedelta(days=2):%Y-%m-%dT10:00:00Z}"
LONG_AGO = f"{NOW - timedelta(days=300):%Y-%m-%dT10:00:00Z}"


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Emulator:
    """An emulator without a socket, and settings that lead to it."""
    emulator = in_process_emulator()
    monkeypatch.setenv("CODAT_BASE_URL", emulator.url)
    monkeypatch.setenv("CODAT_API_KEY", emulator.api_key)
    monkeypatch.setenv("MERCHANTCTL_REQUESTS_PER_MINUTE", "0")
    monkeypatch.setenv("MERCHANTCTL_CREATE_SETTLE_LATE", "0")
    return emulator


@pytest.fixture
def ann(served: Emulator, folder: Path) -> Merchant:
    """A merchant in sync whose sales were never synchronised."""
    (folder / "manifests").mkdir()
    (folder / "manifests" / "ann.yaml").write_text(MANIFEST)
    (merchant,) = served.seed(1, "configured")
    return merchant


@pytest.fixture
def push(merchantctl: Merchantctl, served: Emulator, ann: Merchant) -> Any:
    def call(*arguments: str) -> Ended:
        return merchantctl("push", "m-00000", *arguments, environment=served.environment)

    return call


def order(number: int, **more: Any) -> dict[str, Any]:
    return {"id": f"o{number}", "createdDate": SOLD, "totalAmount": 12.5} | more


def payment(number: int, **more: Any) -> dict[str, Any]:
    return {"id": f"p{number}", "createdDate": SOLD, "amount": 12.5, "type": "Card", "status": "Paid"} | more


def write(folder: Path, name: str, **lists: Any) -> str:
    (folder / name).write_text(json.dumps(lists))
    return name


def sent(served: Emulator) -> int:
    return served.counts().get(UPLOAD, 0)


def counts(ended: Ended, data_type: str = "commerce-orders") -> tuple[int, ...]:
    of_type = ended.json["records"][data_type]
    return tuple(of_type[word] for word in ("new", "changed", "deleted", "unchanged", "inBooks"))


def test_a_second_push_of_a_file_that_grew_sends_what_is_new_or_changed_and_nothing_else(
    push: Any, served: Emulator, folder: Path
) -> None:
    first = push(write(folder, "sales.json", orders=[order(1), order(2)], payments=[payment(1)]))
    assert first.code == 0
    assert first.out.splitlines()[-1] == "Push: 3 records of m-00000 sent (3 new)."
    again = push("sales.json")
    assert (again.code, sent(served)) == (0, 2)
    assert again.out == "Push: nothing of m-00000 to send; 3 as before.\n"
    grown = [order(1), order(2, totalAmount=13), {**order(3), "note": None}]
    ended = push(write(folder, "sales.json", orders=grown, payments=[payment(1)]), "-o", "json")
    assert (counts(ended), counts(ended, "commerce-payments"), sent(served)) == ((1, 1, 0, 1, 0), (0, 0, 0, 1, 0), 3)


def test_what_was_sent_is_told_though_the_key_is_refused_then(push: Any, served: Emulator, folder: Path) -> None:
    uploads: list[str] = []

    async def refused_then(request: httpx.Request, onward: Forward) -> httpx.Response:
        if request.method == "POST":
            uploads.append(request.url.path)
        return await onward(request) if len(uploads) < 2 else httpx.Response(401, json={"error": "No."})

    served.environment = intercepted(served.environment, refused_then)
    ended = push(write(folder, "sales.json", orders=[order(1)], payments=[payment(1)]), "-o", "json")
    told = [(each["dataType"], each["records"], each["progress"]) for each in ended.json["uploads"]]
    assert (ended.code, told[0][:2], told[1:]) == (3, ("commerce-orders", 1), [("commerce-payments", 0, "failed")])
    assert "key" in ended.json["uploads"][1]["message"]


def test_the_order_of_fields_is_no_change(push: Any, served: Emulator, folder: Path) -> None:
    push(write(folder, "sales.json", orders=[order(1)]))
    push(write(folder, "sales.json", orders=[dict(reversed(order(1).items()))]))
    assert sent(served) == 1


def test_a_folder_of_files_is_one_push_in_which_the_later_file_counts(
    push: Any, served: Emulator, folder: Path
) -> None:
    (folder / "days").mkdir()
    write(folder / "days", "2026-11-01.json", orders=[order(1), order(2)])
    lines = [order(2, totalAmount=99), order(3)]
    (folder / "days" / "2026-11-02-orders.ndjson").write_text("\n".join(json.dumps(line) for line in lines))
    (folder / "days" / "notes.txt").write_text("no data")
    for _ in range(2):
        ended = push("days", "-o", "json")
    assert (counts(ended), sent(served)) == ((0, 0, 0, 3, 0), 1)


def test_stdin_has_records_of_the_type_that_is_said(
    push: Any, served: Emulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for arguments, code in ((("-",), 64), (("-", "--type", "orders"), 0)):
        (tmp_path / "piped").write_text("".join(json.dumps(order(number)) + "\n" for number in range(3)))
        with (tmp_path / "piped").open() as piped:
            monkeypatch.setattr("sys.stdin", piped)
            ended = push(*arguments)
            assert ended.code == code
    assert "3 records of m-00000 sent" in ended.out
    assert sent(served) == 1


def test_a_record_is_deleted_by_its_id_and_only_once(push: Any, served: Emulator, folder: Path) -> None:
    push(write(folder, "sales.json", orders=[order(1), order(2), order(3)]))
    gone = write(folder, "gone.json", orders=[{"id": "o1"}, {**order(2), "deleted": True}])
    assert counts(push(gone, "-o", "json")) == (0, 0, 2, 0, 0)
    assert counts(push(gone, "-o", "json")) == (0, 0, 0, 2, 0)
    assert sent(served) == 2
    assert counts(push("sales.json", "-o", "json")) == (2, 0, 0, 1, 0), "they come back as they were"


def test_of_a_payment_and_its_fee_with_one_id_both_are_kept_apart_and_deleted_together(
    push: Any, served: Emulator, folder: Path
) -> None:
    both = [
        {"id": "p1", "createdDate": SOLD, "type": word, "totalAmount": amount}
        for word, amount in (("Payment", 10), ("PaymentFee", -1))
    ]
    push(write(folder, "sales.json", transactions=both))
    transactions = "commerce-transactions"
    left = write(folder, "left.json", transactions=both[:1])
    assert counts(push(left, "--delete-missing", "-o", "json"), transactions) == (0, 0, 0, 1, 0), "one bears the id"
    replaced = write(folder, "replaced.json", transactions=[{"id": "p1"}, both[0]])
    ended = push(replaced, "-o", "json")
    assert counts(ended, transactions) == (1, 0, 1, 0, 0), "what is kept is sent anew, since the id takes both"
    assert counts(push(replaced, "-o", "json"), transactions) == (0, 0, 0, 2, 0)
    assert sent(served) == 3


def test_what_a_whole_file_lacks_is_deleted_where_that_is_said_but_not_half_of_all(
    push: Any, served: Emulator, folder: Path
) -> None:
    everything = [order(number) for number in range(30)]
    push(write(folder, "sales.json", orders=everything, payments=[payment(1)]))
    write(folder, "less.json", orders=everything[:25])
    assert counts(push("less.json", "-o", "json")) == (0, 0, 0, 25, 0)
    ended = push("less.json", "--delete-missing", "-o", "json")
    assert (counts(ended), list(ended.json["records"])) == ((0, 0, 5, 25, 0), ["commerce-orders"])
    half = write(folder, "half.json", orders=everything[:12])
    refused = push(half, "--delete-missing")
    assert (refused.code, sent(served)) == (4, 3)
    assert "13 of the 25 orders that were sent before are missing" in refused.out
    assert "--allow shrink" in refused.out
    assert push(half, "--delete-missing", "--allow", "shrink").code == 0


def test_a_payment_without_an_account_is_refused_before_anything_is_sent_and_the_remedy_named(
    push: Any, served: Emulator, folder: Path
) -> None:
    write(folder, "sales.json", orders=[order(1)], payments=[payment(1), payment(2, type="Swish")])
    refused = push("sales.json")
    assert (refused.code, sent(served)) == (4, 0)
    assert "no account is chosen for Swish (1 record): the syncs of m-00000 would stop" in refused.out
    assert "> declare mapping.payments.accounts.swish, then merchantctl apply --target m-00000" in refused.out
    assert "Push: nothing of m-00000 was sent (3 new)." in refused.out
    assert push("sales.json", "--allow", "unmapped").code == 0


def test_what_is_dated_before_the_start_date_is_refused_and_once_sent_no_more(
    push: Any, served: Emulator, folder: Path
) -> None:
    write(folder, "sales.json", orders=[order(1, createdDate=LONG_AGO), order(2)])
    refused = push("sales.json", "-o", "json")
    assert (refused.code, sent(served)) == (4, 0)
    assert [each["limit"] for each in refused.json["refusals"]] == ["before-start"]
    assert push("sales.json", "--allow", "before-start").code == 0
    assert push("sales.json").code == 0


def test_a_changed_record_that_the_books_have_is_not_sent_unless_that_is_said(
    push: Any, served: Emulator, ann: Merchant, folder: Path
) -> None:
    push(write(folder, "sales.json", orders=[order(1), order(2)]))
    served.advance("PT10S")
    served.control("POST", f"/companies/{ann['companyId']}/syncs/next", {"code": 2040})
    assert served.api.post(f"/companies/{ann['companyId']}/sync/commerce/latest", json={}).status_code == 200
    served.advance("PT1M")
    later = f"{NOW + timedelta(days=1):%Y-%m-%dT10:00:00Z}"
    changed = [order(1, totalAmount=13), {"id": "o2"}, order(3), order(4, createdDate=later)]
    ended = push(write(folder, "sales.json", orders=changed))
    assert ended.code == 3
    assert "2 records that changed, and that the books have already: o2, o1" in ended.out
    assert "Push: 2 records of m-00000 sent (2 new)." in ended.out
    after = push(write(folder, "sales.json", orders=[order(4, createdDate=later, totalAmount=1)]), "-o", "json")
    assert counts(after) == (0, 1, 0, 0, 0), "what came after that sync can be changed"
    write(folder, "sales.json", orders=changed)
    assert counts(push("sales.json", "--resend", "-o", "json")) == (0, 2, 1, 1, 0)


def test_a_first_push_for_books_that_are_synchronised_already_says_what_it_cannot_know(
    push: Any, served: Emulator, ann: Merchant, folder: Path
) -> None:
    served.control("POST", f"/companies/{ann['companyId']}/syncs/next", {"code": 2040})
    assert served.api.post(f"/companies/{ann['companyId']}/sync/commerce/latest", json={}).status_code == 200
    write(folder, "sales.json", orders=[order(1)])
    assert "what they have of 1 record dated before that is booked twice" in push("sales.json").err
    write(folder, "sales.json", orders=[order(1), order(2)])
    assert "booked twice" not in push("sales.json").err


def test_a_dry_run_says_what_would_be_sent_and_sends_nothing(push: Any, served: Emulator, folder: Path) -> None:
    ended = push(write(folder, "sales.json", orders=[order(1)]), "--dry-run")
    assert ended.out == "Push: 1 record of m-00000 would be sent (1 new).\n"
    assert (ended.code, sent(served)) == (0, 0)


def test_what_was_pushed_is_told_by_dataset_with_what_became_of_it(push: Any, served: Emulator, folder: Path) -> None:
    assert push("--status").out == "Nothing of m-00000 was pushed yet.\n"
    push(write(folder, "sales.json", orders=[order(1)], payments=[payment(1)]))
    served.advance("PT1M")
    head, newest, oldest = push("--status").out.splitlines()
    assert head.split() == ["dataset", "type", "records", "status", "when"]
    assert [newest.split()[1:4], oldest.split()[1:4]] == [
        ["commerce-payments", "1", "Complete"],
        ["commerce-orders", "1", "Complete"],
    ]
    shown = push("--status", "-o", "json").json["datasets"]
    assert {each["status"] for each in shown} == {"Complete"}
    assert (push("--status", "sales.json").code, push().code) == (64, 64)


async def failing_to_process(request: httpx.Request, onward: Forward) -> httpx.Response:
    answer = await onward(request)
    is_status = "/pull/history/" in request.url.path
    return httpx.Response(200, json=answer.json() | {"status": "InternalError"}) if is_status else answer


def test_what_codat_took_and_the_state_could_not_note_is_told_and_found_by_the_next_push(
    push: Any, served: Emulator, folder: Path
) -> None:
    state = folder / "var" / "merchantctl.db"

    async def state_goes_meanwhile(request: httpx.Request, onward: Forward) -> httpx.Response:
        answer = await onward(request)
        if request.url.path.endswith("/commerce-orders"):
            state.rename(folder / "away.db")
        return answer

    healthy = served.environment
    served.environment = intercepted(healthy, state_goes_meanwhile)
    ended = push(write(folder, "sales.json", orders=[order(1)]))
    assert ended.code != 0
    assert "the next push looks" in ended.out
    (folder / "away.db").rename(state)
    served.environment = healthy
    assert push("sales.json").code == 0
    assert sent(served) == 1


def test_what_codat_failed_to_process_is_sent_again(push: Any, served: Emulator, folder: Path) -> None:
    healthy = served.environment
    served.environment = intercepted(healthy, failing_to_process)
    failed = push(write(folder, "sales.json", orders=[order(1)]))
    assert failed.code == 3
    assert "InternalError" in failed.out
    served.environment = healthy
    assert (push("sales.json").code, sent(served)) == (0, 2)
    assert (push("sales.json").code, sent(served)) == (0, 2)


async def pass_two_hours(served: Emulator) -> None:
    await served.environment.sleep(7200)


def test_a_status_that_cannot_be_read_stops_no_push_and_what_codat_has_forgotten_is_not_sent_again(
    push: Any, served: Emulator, folder: Path
) -> None:
    write(folder, "sales.json", orders=[order(1)])
    status = "GET /meta/companies/{companyId}/pull/history/{datasetId}"
    served.fault(status, "status", code=503, retryAfter="0", times=20)
    assert push("sales.json").code == 0
    served.control("DELETE", "/faults")
    served.fault(status, "status", code=404, times=2)
    assert (push("sales.json").code, sent(served)) == (0, 1)
    known = push("--status").out
    assert "Queued" in known or "Fetching" in known, "a read may be answered from an older copy"
    served.environment = JumpingClock(served).environment(served.environment)
    asyncio.run(pass_two_hours(served))
    served.fault(status, "status", code=404)
    assert "NotInHistory" in push("--status").out
    assert (push("sales.json").code, sent(served)) == (0, 1)


def test_an_answer_that_was_lost_is_looked_up_and_nothing_is_sent_twice(
    push: Any, served: Emulator, folder: Path
) -> None:
    served.fault(UPLOAD, "lose-answer")
    ended = push(write(folder, "sales.json", orders=[order(1)], payments=[payment(1)]))
    assert (ended.code, sent(served)) == (0, 2)
    assert "the answer to 1 records of commerce-orders was lost" not in ended.out
    assert push("sales.json").out == "Push: nothing of m-00000 to send; 2 as before.\n"


def test_what_did_not_arrive_is_sent_once_more(push: Any, served: Emulator, folder: Path) -> None:
    served.fault(UPLOAD, "status", code=500)
    ended = push(write(folder, "sales.json", orders=[order(1)]))
    assert (ended.code, sent(served)) == (0, 2)


def test_a_file_with_mistakes_is_not_sent_and_each_mistake_has_its_place(
    push: Any, served: Emulator, folder: Path
) -> None:
    bad = {
        "orders": [{"id": "o1"}, {"createdDate": "yesterday"}],
        "payments": [{"id": "p", "createdDate": SOLD, "type": "Crad", "amount": "12"}],
        "refunds": [],
    }
    (folder / "bad.json").write_text(json.dumps(bad))
    ended = push("bad.json")
    assert (ended.code, sent(served)) == (64, 0)
    places = ("line 1: not JSON that can be pushed: refunds: unknown", "orders[1].id:", "orders[1].createdDate:")
    for place in (*places, "payments[0].type: 'Crad' is none of"):
        assert f"bad.json: {place}" in ended.err
    assert "orders[0]" not in ended.err, "a record that holds only an id deletes"
    too_early = '{"orders": [{"id": "o", "createdDate": "0001-01-01"}]}'
    infinite = '{"orders": [{"id": "o", "createdDate": "2026-01-01", "note": 1e999}]}'
    for content in (
        too_early,
        infinite,
        "{",
        "",
        "{}",
        "[]",
        "[3]",
        '{"orders": null}',
        '{"orders": [{"id": " ", "createdDate": "2026-01-01"}]}',
        f'{{"orders": [{{"id": "o", "createdDate": "2026-01-01", "note": {"9" * 5000}}}]}}',
        '{"orders": [{"id": "o", "createdDate": "2026-01-01", "note": "\\ud800"}]}',
        '{"orders": [{"id": "a\\u0000"}]}',
        '{"orders": 1}',
    ):
        (folder / "bad.json").write_text(content)
        assert push("bad.json").code == 64, content
    (folder / "bad.json").write_bytes(b'{"orders": [{"id": "\xff"}]}')
    assert "not UTF-8" in push("bad.json").err


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("createdDate", "2026-W47-6"),
        ("createdDate", "20261121"),
        ("createdDate", "2026-11-21 10:00:00"),
        ("currency", 826),
        ("totalAmount", 12345678901234567.89),
        ("orderLineItems", [{"taxPercentage": "20 %"}]),
        ("orderLineItems", {"taxPercentage": 20}),
        ("serviceCharges", [{"type": "Tip"}]),
        ("locationRef", "London"),
    ],
)
def test_what_codat_would_refuse_in_one_record_of_thousands_is_told_before_any_is_sent(
    push: Any, served: Emulator, folder: Path, field: str, value: object
) -> None:
    ended = push(write(folder, "sales.json", orders=[order(1, **{field: value})]))
    assert (ended.code, sent(served)) == (64, 0)
    assert f"orders[0].{field}" in ended.err


def test_a_till_that_sold_nothing_is_no_mistake(push: Any, served: Emulator, folder: Path) -> None:
    ended = push(write(folder, "sales.json", orders=[], payments=[]))
    assert (ended.code, ended.out, sent(served)) == (0, "Push: nothing of m-00000 to send.\n", 0)


def test_what_went_with_a_deleted_connection_is_pushed_again(
    push: Any, merchantctl: Merchantctl, served: Emulator, ann: Merchant, folder: Path
) -> None:
    push(write(folder, "sales.json", orders=[order(1), order(2)]))
    document = served.configuration(ann)
    company = served.api.get(f"/companies/{ann['companyId']}").json()
    (books,) = [each["id"] for each in company["dataConnections"] if each["sourceType"] == "Accounting"]
    served.api.delete(f"/companies/{ann['companyId']}/connections/{books}")
    made = served.api.post(f"/meta/companies/{ann['companyId']}/connections", json="gbol").json()
    anew = ann | {"accountingConnectionId": made["id"]}
    served.authorize(anew)
    served.advance("PT1M")
    assert served.save(anew, document).is_success
    again = push("sales.json", "-o", "json")
    assert (counts(again), sent(served)) == ((2, 0, 0, 0, 0), 2)
    assert "a connection was deleted since, and what was pushed with it, so all records are new" in again.err
    assert counts(push("sales.json", "-o", "json")) == (0, 0, 0, 2, 0), "and once is enough"


def test_a_deletion_that_codat_failed_to_process_is_sent_again(push: Any, served: Emulator, folder: Path) -> None:
    push(write(folder, "sales.json", orders=[order(1), order(2)]))
    served.advance("PT1M")
    push("--status")
    healthy = served.environment
    served.environment = intercepted(healthy, failing_to_process)
    assert push(write(folder, "sales.json", orders=[order(1)]), "--delete-missing").code == 3
    served.environment = healthy
    assert counts(push("sales.json", "--delete-missing", "-o", "json")) == (0, 0, 1, 1, 0)
    assert counts(push("sales.json", "--delete-missing", "-o", "json")) == (0, 0, 0, 1, 0)


def test_what_comes_after_an_upload_that_failed_is_not_sent(
    push: Any, served: Emulator, ann: Merchant, folder: Path
) -> None:
    served.fault(f"POST /data/companies/{ann['companyId']}/sync/commerce-payments", "status", code=400)
    transaction = {"id": "t1", "createdDate": SOLD, "type": "Refund", "totalAmount": 1}
    write(folder, "sales.json", orders=[order(1)], payments=[payment(1)], transactions=[transaction])
    ended = push("sales.json")
    assert (ended.code, sent(served)) == (3, 2)
    assert ended.out.splitlines()[0].split()[:4] == ["commerce-orders", "1", "record", "running"]
    assert "Push: 1 record of 2 of m-00000 sent" in ended.out
    assert push("sales.json").code == 0
    assert sent(served) == 4
