"""A till's day: it exports everything every hour, and in the end the merchant's books have each sale once."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from controller.model.commerce_records import COMMERCE_DATA_TYPES
from controller.model.pushes import PushReport
from controller.push.operations import PushRequest, push
from state import ProcessIdentity, open_state
from tests.emulator import Emulator
from tests.end_to_end.place import Place

UPLOAD = "POST /data/companies/{companyId}/sync/{dataType}"
YESTERDAY = datetime.now(UTC) - timedelta(days=1)


@pytest.fixture
def emulator(emulator_in_process: Emulator) -> Emulator:
    """No socket is the subject here."""
    return emulator_in_process


def sale(number: int, amount: float) -> tuple[dict[str, Any], ...]:
    """An order, its payment, and that the one belongs to the other."""
    created = {"createdDate": f"{YESTERDAY:%Y-%m-%dT%H:%M:%SZ}"}
    order = {"id": f"o{number}", **created, "totalAmount": amount, "totalTaxAmount": 0}
    payment = {"id": f"p{number}", **created, "amount": amount, "type": "Card", "status": "Paid"}
    reference = {"id": f"o{number}", "type": "Order"}
    linked = {
        "id": f"p{number}",
        **created,
        "type": "Payment",
        "totalAmount": amount,
        "transactionSourceRef": reference,
    }
    return order | {"orderLineItems": [{"id": "1", "taxPercentage": 0, "totalAmount": amount}]}, payment, linked


def test_exports_overlap_a_sale_is_corrected_another_voided_and_the_books_have_each_once(place: Place) -> None:
    place.merchant("m-00000", profile=None, connection={"platform": "xero"}, enabled=True)
    (merchant,) = place.emulator.seed(1, "configured")
    place.apply()

    def export(*sales: tuple[dict[str, Any], ...]) -> dict[str, list[dict[str, Any]]]:
        return dict(zip(("orders", "payments", "transactions"), map(list, zip(*sales, strict=True)), strict=True))

    def push(document: dict[str, Any]) -> dict[str, Any]:
        (place.folder / "export.json").write_text(json.dumps(document))
        done = place.run_in_process("push", "m-00000", "export.json", "-o", "json")
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)["records"]

    push(export(sale(1, 10), sale(2, 20)))
    at_eleven = push(export(sale(1, 10), sale(2, 25), sale(3, 30)))
    assert {each["new"] for each in at_eleven.values()} == {1}
    assert {each["changed"] for each in at_eleven.values()} == {1}, "sale 2 was corrected"
    whole_day = export(sale(1, 10), sale(2, 25), sale(3, 30))
    voided = {key: [*records, {"id": records[0]["id"], "deleted": True}] for key, records in whole_day.items()}
    push(voided)
    with place.count_requests() as counts:
        push(voided)
    assert counts[UPLOAD] == 0, "nothing has changed"

    place.skip_waits()
    assert place.run_in_process("sync", "m-00000", "--yes").returncode == 0
    entries = place.emulator.control("GET", f"/companies/{merchant['companyId']}/entries")
    totals = {each["kind"]: each["total"] for each in entries["results"]}
    assert (totals["payment"], entries["duplicates"]) == (55, 0), "25 and 30, each once"
    assert place.emulator.configuration(merchant)["enabled"] is True

    late = place.run_in_process("push", "m-00000", "export.json")
    assert "nothing of m-00000 to send" in late.stdout
    (place.folder / "export.json").write_text(json.dumps(export(sale(3, 31))))
    too_late = place.run_in_process("push", "m-00000", "export.json")
    assert too_late.returncode == 3
    assert "that the books have already: o3, p3, p3" in too_late.stdout


def test_what_is_booked_while_a_push_waits_for_another_one_is_not_sent_changed(place: Place) -> None:
    place.merchant("m-00000", profile=None, connection={"platform": "xero"}, enabled=True)
    (merchant,) = place.emulator.seed(1, "configured")
    place.apply()
    source = place.folder / "export.json"
    latest_sync = f"/companies/{merchant['companyId']}/sync/commerce/latest"

    def document(amount: float) -> str:
        return json.dumps({key: [record] for key, record in zip(COMMERCE_DATA_TYPES, sale(1, amount), strict=True)})

    async def push_while_booked() -> PushReport:
        async def pushed(**terms: Any) -> PushReport:
            return await push(place.settings, "m-00000", PushRequest(str(source), **terms), environment=real)

        source.write_text(document(10))
        await pushed()
        source.write_text(document(15))
        waits = asyncio.Event()
        async with open_state(place.settings.state) as store:
            async with store.uploads.lease(
                merchant["companyId"], COMMERCE_DATA_TYPES["orders"], ProcessIdentity.current("push"), timeout_s=0
            ):
                waiting = asyncio.create_task(pushed(lock_timeout=60, on_message=lambda said: waits.set()))
                await waits.wait()
                place.emulator.control("POST", "/clock", {"advance": "PT1M"})
                place.emulator.api.post(latest_sync).raise_for_status()
                place.emulator.control("POST", "/clock", {"advance": "PT1M"})
            return await waiting

    real = replace(place.environment, sleep=asyncio.sleep)
    report = asyncio.run(push_while_booked())
    assert (report.total.changed, report.total.in_books) == (0, 3)
