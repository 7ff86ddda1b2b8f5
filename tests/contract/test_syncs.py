"""Commerce syncs: endpoints 36 to 42 and what they do in the books (API notes 3.12, 3.13, 4.7, 5.5)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.emulator import Emulator

CASH_AND_CARD = [("c1", "Card", 20.0), ("c2", "Cash", 6.0)]


class Till:
    """One configured merchant whose sales are uploaded and synchronised."""

    def __init__(self, emulator: Emulator, platform: str = "gbol") -> None:
        self.emulator, self.api = emulator, emulator.api
        self.at_noon()  # before the merchant is there: the way to the next noon may lead over a sync hour
        (self.merchant,) = emulator.seed(1, "configured", platform=platform)
        self.company = self.merchant["companyId"]

    @property
    def now(self) -> datetime:
        return datetime.fromisoformat(self.emulator.control("GET", "/clock")["now"])

    def at_noon(self) -> None:
        """Move to the next noon, well away from the sync hour, whatever time the tests run at."""
        now = self.now
        noon = now.replace(hour=12, minute=0, second=0, microsecond=0)
        noon = noon if noon > now else noon + timedelta(days=1)
        self.emulator.advance(f"PT{(noon - now).total_seconds():f}S")

    def ago(self, **span: Any) -> str:
        return (self.now - timedelta(**span)).strftime("%Y-%m-%dT%H:%M:%SZ")

    def upload(self, data_type: str, *records: Any) -> httpx.Response:
        member = data_type.removeprefix("commerce-")
        return self.api.post(f"/data/companies/{self.company}/sync/{data_type}", json={member: list(records)})

    def sell(self, order_id: str = "o1", date: str | None = None, **order: Any) -> None:
        """An order of 24.00 at 20 % with 2.50 for the staff, paid by card, with a fee of 0.40."""
        date = date or self.ago(minutes=5)
        line = {"id": "l1", "quantity": 2, "taxPercentage": 20, "totalAmount": 24.0, "totalTaxAmount": 4.0}
        usual = {"totalAmount": 24.0, "totalTaxAmount": 4.0, "totalGratuity": 2.5, "orderLineItems": [line]}
        common = {"currency": "GBP", "createdDate": date}
        self.upload("commerce-orders", {"id": order_id, **common, **usual, **order})
        self.upload(
            "commerce-payments",
            {"id": f"p-{order_id}", "amount": 26.5, "type": "Card", "status": "Paid", **common},
        )
        self.upload(
            "commerce-transactions",
            {"id": f"p-{order_id}", "type": "Payment", "totalAmount": 26.5, **common},
            {"id": f"p-{order_id}", "type": "PaymentFee", "totalAmount": -0.4, **common},
        )

    def latest(self, **body: Any) -> Any:
        return self.api.post(f"/companies/{self.company}/sync/commerce/latest", json=body or None).json()

    def historic(self, start: str, finish: str) -> httpx.Response:
        body = {"dateRange": {"start": start, "finish": finish}}
        return self.api.post(f"/companies/{self.company}/sync/historic", json=body)

    def status(self) -> dict[str, Any]:
        return self.api.get(f"/meta/companies/{self.company}/sync/commerce/status").json()

    def all(self) -> list[dict[str, Any]]:
        return self.api.get(f"/companies/{self.company}/sync/commerce/syncs/list/status").json()

    def entries(self, kind: str | None = None) -> list[dict[str, Any]]:
        rows = self.emulator.control("GET", f"/companies/{self.company}/entries")["results"]
        return [row for row in rows if kind in (None, row["kind"])]

    def document(self) -> dict[str, Any]:
        return self.emulator.configuration(self.merchant)

    def selected(self, section: str, row: str) -> str:
        return self.document()["configuration"][section]["accounts"][row]["selectedAccountId"]

    def edit_configuration(self, patch: dict[str, Any]) -> None:
        self.emulator.control("PATCH", f"/companies/{self.company}/configuration", patch)


@pytest.fixture
def till(emulator: Emulator) -> Till:
    return Till(emulator)


def test_a_sync_takes_a_moment_and_ends_with_data_pushed(till: Till) -> None:
    till.sell()
    begun = till.latest()
    assert (begun["syncStatusCode"], begun["dataPushed"]) == (1000, False)
    assert begun["commerceSyncId"] == begun["syncId"]
    till.emulator.advance("PT10S")
    done = till.status()
    assert (done["syncStatusCode"], done["dataPushed"], done["syncId"]) == (2000, True, begun["syncId"])
    assert done["companyId"] == till.company
    assert len(done["dataConnections"]) == 2


def test_a_sync_that_lasts_longer_than_ten_minutes_says_so(till: Till) -> None:
    till.emulator.control("PATCH", "/settings", {"syncSeconds": 3600})
    try:
        till.sell()
        till.latest()
        till.emulator.advance("PT11M")
        assert till.status()["syncStatusCode"] == 1010
        till.emulator.advance("PT50M")
        assert till.status()["syncStatusCode"] == 2000
    finally:
        till.emulator.control("PATCH", "/settings", {"syncSeconds": 5})


def test_a_day_becomes_one_invoice_one_payment_per_type_and_one_bill(till: Till) -> None:
    till.sell("o1")
    till.sell("o2")
    till.upload(
        "commerce-payments",
        {
            "id": "c",
            "amount": 7.0,
            "type": "Cash",
            "status": "Paid",
            "currency": "GBP",
            "createdDate": till.ago(minutes=4),
        },
        {
            "id": "f",
            "amount": 9.0,
            "type": "Cash",
            "status": "Failed",
            "currency": "GBP",
            "createdDate": till.ago(minutes=4),
        },
    )
    till.latest()
    till.emulator.advance("PT10S")
    (invoice,) = till.entries("invoice")
    assert invoice["lines"] == [
        {
            "accountId": till.selected("sales", "sales"),
            "description": "Sales 20%",
            "amount": 48.0,
            "taxRateId": "OUTPUT2",
        },
        {"accountId": till.selected("sales", "gratuity"), "description": "Gratuity", "amount": 5.0},
    ]
    assert (invoice["total"], invoice["status"]) == (53.0, "Submitted")
    assert [(each["lines"][0]["accountId"], each["total"]) for each in till.entries("payment")] == [
        (till.selected("payments", "card"), 53.0),
        (till.selected("payments", "cash"), 7.0),
    ]
    (bill,) = till.entries("bill")
    assert (bill["lines"][0]["accountId"], bill["total"]) == (till.selected("fees", "paymentFee"), 0.8)


def test_refunds_become_one_credit_note_and_days_stay_apart(till: Till) -> None:
    till.sell("o1", till.ago(days=2), totalRefund=6.0)
    till.sell("o2", till.ago(days=1), totalRefund=4.0)
    till.latest()
    till.emulator.advance("PT10S")
    notes = till.entries("creditNote")
    assert [each["total"] for each in notes] == [6.0, 4.0]
    assert notes[0]["lines"][0]["accountId"] == till.selected("sales", "refund")
    assert len({each["date"] for each in till.entries("invoice")}) == 2


def test_invoices_are_grouped_by_what_the_merchant_selected(till: Till) -> None:
    till.sell("o1", locationRef={"id": "north"})
    till.sell("o2", locationRef={"id": "south"})
    till.latest()
    till.emulator.advance("PT10S")
    assert sorted(each["groupedBy"] for each in till.entries("invoice")) == [["north"], ["south"]]


def test_nothing_to_push_is_a_success(till: Till) -> None:
    ended = till.latest()
    assert (ended["syncStatusCode"], ended["dataPushed"]) == (2040, False)


def test_a_data_type_that_was_never_uploaded_fails_the_sync(till: Till) -> None:
    till.upload("commerce-orders", {"id": "o1", "createdDate": till.ago(minutes=5)})
    ended = till.latest()
    assert ended["syncStatusCode"] == 5120
    assert "commerce-payments" in ended["errorMessage"]


@pytest.mark.parametrize(
    ("path", "chosen", "edit", "message"),
    [
        ("accounts", "account", "delete", "Accounts are not found."),
        ("accounts", "account", "archive", "Account {id} is not in an Active state."),
        ("customers", "customer", "delete", "Customer {id} does not exist."),
        ("customers", "customer", "archive", "Customer {id} is not in an Active state. (Archived)"),
        ("suppliers", "supplier", "delete", "Supplier does not exist."),
        ("suppliers", "supplier", "archive", "Supplier is not in an Active state."),
        ("taxRates", "tax", "delete", "Tax Rate {id} does not exist."),
        ("taxRates", "tax", "archive", "The following Tax Rates are invalid: {id}."),
    ],
)
def test_what_is_gone_from_the_books_stops_the_sync_in_its_own_words(
    till: Till, path: str, chosen: str, edit: str, message: str
) -> None:
    configuration = till.document()["configuration"]
    row_id = {
        "account": till.selected("sales", "refund"),
        "customer": configuration["sales"]["salesCustomer"]["selectedCustomerId"],
        "supplier": configuration["fees"]["feesSupplier"]["selectedSupplierId"],
        "tax": configuration["sales"]["taxRates"]["20"]["selectedTaxRateId"],
    }[chosen]
    where = f"/companies/{till.company}/{path}/{row_id}?pull=false"
    if edit == "delete":
        till.emulator.control("DELETE", where)
    else:
        till.emulator.control("PATCH", where, {"status": "Archived"})
    till.sell()
    ended = till.latest()
    assert (ended["syncStatusCode"], ended["syncStatus"]) == (4000, "ValidateError")
    assert ended["errorMessage"] == message.format(id=row_id)
    assert till.entries() == []


def test_a_deleted_account_is_named_in_the_raw_text(till: Till) -> None:
    gone = till.selected("payments", "cash")
    till.emulator.control("DELETE", f"/companies/{till.company}/accounts/{gone}")
    raw = till.latest()["syncExceptionMessage"]
    assert raw.startswith("The following account(s) were not found (Payment account - Account Id): ")
    assert gone in raw


def test_what_the_portal_put_there_unchecked_is_found_by_the_sync(till: Till) -> None:
    till.edit_configuration({"configuration": {"sales": {"invoiceStatus": {"selectedInvoiceStatus": "Draft"}}}})
    ended = till.latest()
    assert ended["syncStatusCode"] == 4000
    assert ended["errorMessage"] == "Payments cannot be enabled if invoice status is set to 'draft'."


def test_a_payment_type_that_is_not_mapped_stops_syncing_until_it_is(till: Till) -> None:
    till.sell()
    swish = {"id": "s", "amount": 5.0, "type": "Swish", "status": "Paid", "createdDate": till.ago(minutes=4)}
    till.upload("commerce-payments", swish)
    assert till.latest()["syncStatusCode"] == 4000
    till.upload("commerce-payments", {"id": "s"})
    assert till.latest()["syncStatusCode"] == 1000


def test_a_severed_connection_is_4040_with_the_first_message(till: Till) -> None:
    till.emulator.deauthorize(till.merchant)
    ended = till.latest()
    assert ended["syncStatusCode"] == 4040
    assert ended["errorMessage"] == "Company needs to have two valid data connections."


def test_a_company_that_was_never_linked_is_a_configuration_error(emulator: Emulator) -> None:
    merchant = emulator.merchant("acme")
    ended = emulator.api.post(f"/companies/{merchant['companyId']}/sync/commerce/latest").json()
    assert ended["syncStatusCode"] == 4000
    assert ended["errorMessage"] == "Company needs to have two valid data connections."


def test_a_manual_range_that_overlaps_what_was_synchronised_is_refused(till: Till) -> None:
    till.sell()
    till.latest()
    till.emulator.advance("PT10S")
    ended = till.historic(till.ago(hours=2), till.ago(minutes=1)).json()
    assert ended["syncStatusCode"] == 5080
    assert ended["errorMessage"] == "Date overlaps with a previous sync date range."


def test_a_failed_range_may_be_asked_for_again(till: Till) -> None:
    till.emulator.control("POST", f"/companies/{till.company}/syncs/next", {"code": 5130})
    assert till.latest()["syncStatusCode"] == 5130
    assert till.historic(till.ago(hours=2), till.ago(hours=1)).json()["syncStatusCode"] == 2040


@pytest.mark.parametrize("shape", ["dateRange", "start-finish", "start-end"])
def test_a_range_is_accepted_in_its_three_shapes_on_both_paths(till: Till, shape: str) -> None:
    start, finish = till.ago(hours=4), till.ago(hours=2)
    body = {
        "dateRange": {"dateRange": {"start": start, "finish": finish}},
        "start-finish": {"start": start, "finish": finish},
        "start-end": {"start": start, "end": finish},
    }[shape]
    path = "/sync/historic" if shape == "dateRange" else "/sync/commerce/historic"
    prefix = "" if shape == "dateRange" else "/meta"
    answer = till.api.post(f"{prefix}/companies/{till.company}{path}", json=body)
    assert answer.status_code == 200
    assert answer.json()["syncDateRangeUtc"] == {"start": start, "finish": finish}


def test_the_latest_sync_begins_where_the_last_success_ended(till: Till) -> None:
    first = till.latest(syncTo=till.ago(hours=3))
    second = till.latest()
    assert first["syncDateRangeUtc"]["start"] == till.document()["schedule"]["startDate"]
    assert second["syncDateRangeUtc"]["start"] == first["syncDateRangeUtc"]["finish"]


def test_a_sync_before_the_start_date_is_a_server_error(till: Till) -> None:
    later = (till.now + timedelta(days=3)).strftime("%Y-%m-%dT00:00:00Z")
    till.edit_configuration({"schedule": {"startDate": later}})
    answer = till.api.post(f"/companies/{till.company}/sync/commerce/latest")
    assert answer.status_code == 500
    assert answer.json()["error"] == "There is a problem with our server. Please try again later."
    assert till.historic(till.ago(days=2), till.ago(days=1)).status_code == 500


def test_records_from_before_the_start_date_are_not_mapped(till: Till) -> None:
    till.sell("old", till.ago(days=60))
    assert till.latest()["syncStatusCode"] == 2040


def test_the_scheduled_sync_runs_at_its_hour_over_the_time_since_the_last(till: Till) -> None:
    till.sell()
    till.emulator.advance("P1D")
    (sync,) = till.all()
    assert (sync["syncStatusCode"], sync["syncUtc"][11:19]) == (2000, "00:00:00")
    assert len(till.entries("invoice")) == 1
    till.emulator.advance("P1D")
    assert [each["syncStatusCode"] for each in till.all()] == [2040, 2000]


def test_the_sync_hour_is_local_where_a_time_zone_is_set(till: Till) -> None:
    till.edit_configuration({"schedule": {"syncHourUtc": 3, "timeZone": "Asia/Tokyo"}})
    till.emulator.advance("P1D")
    (sync,) = till.all()
    assert sync["syncUtc"][11:19] == "18:00:00"


def test_a_disabled_merchant_is_not_synchronised_on_schedule_but_on_request(till: Till) -> None:
    till.edit_configuration({"enabled": False})
    till.sell()
    till.emulator.advance("P2D")
    assert till.all() == []
    assert till.latest()["syncStatusCode"] == 1000


def test_a_scheduled_run_after_a_manual_one_repeats_it_in_the_books(till: Till) -> None:
    till.sell()
    till.latest()
    till.emulator.advance("P1D")
    assert [each["syncStatusCode"] for each in till.all()] == [2000, 2000]
    assert len(till.entries("invoice")) == 2
    assert till.emulator.control("GET", f"/companies/{till.company}/entries")["duplicates"] == 4


def test_by_a_switch_the_repetition_is_refused(till: Till) -> None:
    till.emulator.control("PATCH", "/settings", {"refuseDuplicates": True})
    try:
        till.sell()
        till.latest()
        till.emulator.advance("P1D")
        assert [each["syncStatusCode"] for each in till.all()] == [5080, 2000]
        assert len(till.entries("invoice")) == 1
    finally:
        till.emulator.control("PATCH", "/settings", {"refuseDuplicates": False})


def test_updating_a_synchronised_record_duplicates_it(till: Till) -> None:
    till.sell()
    till.emulator.advance("P1D")
    till.sell("o1", till.ago(days=1, minutes=5), sourceModifiedDate=till.ago(minutes=1))
    till.emulator.advance("P1D")
    assert len(till.entries("invoice")) == 2


def test_a_failed_day_is_made_up_for_by_the_next_run(till: Till) -> None:
    refund = till.selected("sales", "refund")
    account = f"/companies/{till.company}/accounts/{refund}"
    till.emulator.control("PATCH", account, {"status": "Archived"})
    till.sell()
    till.emulator.advance("P1D")
    till.emulator.control("PATCH", account, {"status": "Active"})
    till.emulator.advance("P1D")
    assert [each["syncStatusCode"] for each in till.all()] == [2000, 4000]
    assert len(till.entries("invoice")) == 1


def test_the_first_scheduled_failure_on_a_severed_connection_switches_off(till: Till) -> None:
    till.emulator.deauthorize(till.merchant)
    assert till.document()["enabled"] is True
    till.emulator.advance("P1D")
    assert till.document()["enabled"] is False
    till.emulator.advance("P3D")
    assert [each["syncStatusCode"] for each in till.all()] == [4040]
    till.emulator.authorize(till.merchant)
    till.emulator.advance("P1D")
    assert len(till.all()) == 1
    assert till.document()["configured"] is True


def test_a_connection_that_is_back_before_the_run_keeps_its_schedule(till: Till) -> None:
    till.emulator.deauthorize(till.merchant)
    till.emulator.authorize(till.merchant)
    till.emulator.advance("P1D")
    assert till.all()[0]["syncStatusCode"] == 2040
    assert till.document()["enabled"] is True


def test_after_31_failed_days_the_server_gives_up(till: Till) -> None:
    till.edit_configuration({"configuration": {"sales": {"invoiceStatus": {"selectedInvoiceStatus": "Draft"}}}})
    till.emulator.advance("P30D")
    assert till.document()["enabled"] is True
    till.emulator.advance("P2D")
    assert till.document()["enabled"] is False
    assert len(till.all()) == 31


def test_the_last_success_is_told_by_both_paths_and_404_before_there_is_one(till: Till) -> None:
    paths = ("/sync/status/lastSuccessful", "/sync/commerce/syncs/lastSuccessful/status")
    assert [till.api.get(f"/companies/{till.company}{path}").status_code for path in paths] == [404, 404]
    assert till.api.get(f"/meta/companies/{till.company}/sync/commerce/status").status_code == 404
    done = till.latest()
    till.emulator.control("POST", f"/companies/{till.company}/syncs/next", {"code": 4260, "message": "expired"})
    failed = till.latest()
    for path in paths:
        assert till.api.get(f"/companies/{till.company}{path}").json()["syncId"] == done["syncId"]
    base = f"/companies/{till.company}/sync/commerce/syncs"
    assert till.api.get(f"{base}/latest/status").json()["syncStatusCode"] == 4260
    assert till.api.get(f"{base}/{failed['syncId']}/status").json()["errorMessage"] == "expired"
    assert till.api.get(f"{base}/00000000-0000-0000-0000-000000000000/status").status_code == 404


def test_deleting_a_connection_takes_the_uploaded_data_along(till: Till) -> None:
    till.sell()
    path = f"/companies/{till.company}/connections/{till.merchant['accountingConnectionId']}"
    assert till.api.delete(path).status_code == 200
    connection = till.api.post(f"/meta/companies/{till.company}/connections", json="gbol").json()
    till.merchant["accountingConnectionId"] = connection["id"]
    till.emulator.authorize(till.merchant)
    till.emulator.advance("PT1M")
    ended = till.latest()
    assert (ended["syncStatusCode"], ended["errorMessage"]) == (4000, "No schedule selected frequency.")


def test_quickbooks_fees_and_rates_follow_its_own_books(emulator: Emulator) -> None:
    till = Till(emulator, "qhyg")
    line = {"id": "l", "quantity": 1, "taxPercentage": 8.875, "totalAmount": 24.0}
    till.sell("o1", orderLineItems=[line])
    till.latest()
    till.emulator.advance("PT10S")
    assert till.entries("invoice")[0]["lines"][0]["taxRateId"] == "11_Invoices"


def test_an_upload_answers_with_its_data_and_a_dataset_to_track(till: Till) -> None:
    order = {"id": "o1", "createdDate": till.ago(minutes=1), "totalAmount": 3.5}
    answer = till.upload("commerce-orders", order)
    assert answer.status_code == 200
    assert answer.json()["data"] == {"orders": [order]}
    path = f"/meta/companies/{till.company}/pull/history/{answer.json()['datasetId']}"
    pull = till.api.get(path).json()
    assert (pull["dataType"], pull["isCompleted"]) == ("commerce-orders", False)
    assert pull["connectionId"] == till.merchant["commerceConnectionId"]
    till.emulator.advance("PT1M")
    assert till.api.get(path).json()["status"] == "Complete"


@pytest.mark.parametrize(
    "record",
    [
        {"createdDate": "2026-01-01"},
        {"id": "o1", "totalAmount": 5},
        {"id": "o1", "createdDate": "soon"},
        {"id": "o1", "createdDate": "2026-01-01", "totalAmount": "5"},
        {"id": "o1", "createdDate": "2026-01-01", "orderLineItems": [{"taxPercentage": "20"}]},
        "o1",
    ],
)
def test_a_record_of_another_shape_is_refused_by_its_place(till: Till, record: str | dict[str, Any]) -> None:
    answer = till.upload("commerce-orders", {"id": "good", "createdDate": "2026-01-01"}, record)
    assert answer.status_code == 400
    assert answer.json()["validation"]["errors"][0]["itemId"] == "orders[1]"


def test_other_data_types_and_companies_cannot_be_uploaded_to(till: Till) -> None:
    assert till.upload("commerce-products", {"id": "x"}).status_code == 404
    nobody = "/data/companies/00000000-0000-0000-0000-000000000000/sync/commerce-orders"
    assert till.api.post(nobody, json={"orders": []}).status_code == 404


def test_product_categories_become_sales_rows_where_that_is_on(till: Till) -> None:
    path = f"/companies/{till.company}/data/commerce-productCategories"
    drinks, food = {"id": "c-1", "name": "Drinks"}, {"id": "c-2", "name": "Food"}
    till.api.put(path, json={"ProductCategories": [drinks]})
    assert "c-1" not in till.document()["configuration"]["sales"]["accounts"]
    till.emulator.control("PATCH", "/settings", {"productCategories": True})
    try:
        till.api.put(path, json={"ContractVersion": "9.3.1", "ProductCategories": [drinks, food]})
        document = till.document()
        rows = document["configuration"]["sales"]["accounts"]
        assert (rows["c-1"]["labelText"], rows["c-1"]["required"]) == ("Drinks", False)
        assert rows["sales-other"]["accountOptions"] == rows["sales"]["accountOptions"]
        rows["c-1"]["selectedAccountId"] = rows["sales"]["selectedAccountId"]
        assert till.emulator.save(till.merchant, document).status_code == 200
        till.api.put(path, json={"ProductCategories": [food]})
        left = till.document()["configuration"]["sales"]["accounts"]["c-1"]
        assert left == {"selectedAccountId": rows["sales"]["selectedAccountId"]}
    finally:
        till.emulator.control("PATCH", "/settings", {"productCategories": False})


def test_product_categories_are_taken_in_pascal_case(till: Till) -> None:
    path = f"/companies/{till.company}/data/commerce-productCategories"
    body = {"ContractVersion": "9.3.1", "ProductCategories": [{"id": "1", "name": "Drinks"}]}
    assert till.api.put(path, json=body).status_code == 200
    assert till.api.put(path, json={"productCategories": []}).status_code == 400
