"""Wire ⇄ model, with values."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.codat import wire
from controller.codat.answer_parsing import sanitize_json
from controller.codat.document_edit import (
    FieldNotOffered,
    changes_by_field,
    restore_values,
    sync_hour_from_pointers,
    write_fields,
)
from controller.codat.from_wire import company_from, connection_from, read_configuration
from controller.model.errors import TransientError
from controller.model.field_values import (
    Option,
    Value,
    canonical_tax_rate,
    parse_tax_rate_path,
    ref_kind,
    resolve_live_path,
    split_account_path,
    values_equal,
)
from tests.unit.codat.documents import DOCUMENTS

NOW = datetime(2026, 11, 22, 6, 0, tzinfo=UTC)
JULY = datetime(2026, 7, 1, 6, 0, tzinfo=UTC)


def document(**changes: Any) -> bytes:
    """A document of one row of everything; `sales=…`, `schedule=…` and so on replace whole parts."""
    row = {"selectedAccountId": "a1", "accountOptions": [{"id": "a1", "name": "Card", "nominalCode": "610"}]}
    sales = {
        "syncSales": True,
        "accounts": {"prePaid": {"selectedAccountId": None, "accountOptions": []}},
        "taxRates": {"20.0": {"selectedTaxRateId": "T20", "taxRateOptions": [{"id": "T20", "name": "VAT"}]}},
        "salesCustomer": {"selectedCustomerId": "gone", "customerOptions": [{"id": "k1", "name": "Takings"}]},
    }
    schedule = {"syncHourUtc": 3, "timeZone": None, "startDate": "2026-01-01T00:00:00Z"}
    parts = {"sales": sales, "payments": {"syncPayments": True, "accounts": {"card": row}}, "fees": None}
    mapping = {key: changes.pop(key, part) for key, part in parts.items()}
    return json.dumps({"companyId": "c1", "schedule": schedule, "configuration": mapping, **changes}).encode()


def values(now: datetime = NOW, **changes: Any) -> dict[str, Value]:
    return dict(read_configuration(document(**changes), now).values)


# Read


def test_a_selection_becomes_an_option_of_its_own_list() -> None:
    assert values()["mapping.payments.accounts.card"] == Option("a1", "Card", "610")


def test_a_selection_that_its_own_options_lack_stays_as_a_bare_id() -> None:
    configuration = read_configuration(document(), NOW)
    assert configuration.values["mapping.sales.customer"] == Option("gone")
    assert configuration.options["mapping.sales.customer"] == (Option("k1", "Takings"),)


def test_a_tax_rate_is_found_under_its_canonical_key() -> None:
    assert values()['mapping.sales.taxRates["20"]'] == Option("T20", "VAT")


@pytest.mark.parametrize(
    ("key", "canonical"),
    [
        ("20", "20"),
        ("20.0", "20"),
        ("017.50", "17.5"),
        ("0", "0"),
        ("0.00", "0"),
        ("100", "100"),
        ("1E+2", "100"),
        ("8.875", "8.875"),
        ("exempt", "exempt"),
        ("NaN", "NaN"),
        ("", ""),
    ],
)
def test_a_rate_is_decimal_text_without_trailing_zeros(key: str, canonical: str) -> None:
    assert canonical_tax_rate(key) == canonical


@pytest.mark.parametrize("changes", [{"sales": None, "payments": None}, {"configuration": None}, {"schedule": None}])
def test_null_sections_are_read_as_sections_that_do_not_sync(changes: dict[str, Any]) -> None:
    configuration = read_configuration(document(**changes), NOW)
    assert configuration.values["mapping.fees.sync"] is False
    assert configuration.values["mapping.fees.supplier"] is None


def test_before_consent_no_options_are_offered() -> None:
    sales = {"accounts": {"sales": {"required": True, "accountOptions": None}}}
    configuration = read_configuration(document(sales=sales, payments=None), NOW)
    assert not configuration.offers_options
    assert configuration.required_paths == {"mapping.sales.accounts.sales"}


def test_group_by_lists_keep_their_order_and_null_is_empty() -> None:
    level = {"selectedGroupByOptions": ["Location", "Country"]}
    grouping = {"groupingLevels": {"invoiceLevel": level, "invoiceLineLevel": {"selectedGroupByOptions": None}}}
    read = values(sales={"grouping": grouping})
    assert read["mapping.sales.grouping.invoice"] == ("Location", "Country")
    assert read["mapping.sales.grouping.invoiceLine"] == ()


@pytest.mark.parametrize(
    ("text", "zone", "instant"),
    [
        ("2026-07-01T00:00:00Z", None, datetime(2026, 7, 1, tzinfo=UTC)),
        ("2026-07-01T00:00:00.0000000Z", "Europe/London", datetime(2026, 7, 1, tzinfo=UTC)),
        ("2026-07-01", None, datetime(2026, 7, 1, tzinfo=UTC)),
        ("2026-07-01", "Europe/London", datetime(2026, 6, 30, 23, tzinfo=UTC)),
        ("2026-07-01T00:00:00", "Europe/London", datetime(2026, 6, 30, 23, tzinfo=UTC)),
        ("2026-07-01T00:00:00-05:00", "Europe/London", datetime(2026, 7, 1, 5, tzinfo=UTC)),
        ("0001-01-01T00:00:00", None, None),
        ("0001-01-01T00:00:00Z", "Asia/Tokyo", None),
        (None, None, None),
        ("2026-07-01", "Mars/Base", "2026-07-01 Mars/Base"),
        ("soon", None, "soon"),
    ],
)
def test_the_start_is_an_instant_whatever_its_spelling(text: str, zone: str, instant: Value) -> None:
    assert values(schedule={"startDate": text, "timeZone": zone})["schedule.startDate"] == instant


@pytest.mark.parametrize(
    ("hour", "zone", "now", "read"),
    [
        (0, None, NOW, 0),
        (0, "Etc/UTC", NOW, 0),
        (0, "Europe/London", NOW, 0),
        (0, "Europe/London", JULY, 23),
        (0, "America/New_York", NOW, 5),
        (0, "Asia/Kolkata", NOW, "18:30 UTC"),
        (0, "Mars/Base", NOW, "0 in Mars/Base"),
        (99, "Europe/London", NOW, "99 in Europe/London"),
    ],
)
def test_a_live_time_zone_makes_the_hour_local(hour: int, zone: str, now: datetime, read: Value) -> None:
    assert values(now, schedule={"syncHourUtc": hour, "timeZone": zone})["schedule.syncHourUtc"] == read


@pytest.mark.parametrize(
    "broken",
    [b"", b"null", b"[]", b"{", document()[:-1], b"\xff", b'{"enabled": []}', b'{"schedule": 1}', b"[" * 99999],
)
def test_a_document_that_cannot_be_read_is_not_believed(broken: bytes) -> None:
    with pytest.raises(TransientError, match="cannot be read") as caught:
        read_configuration(broken, NOW)
    assert caught.value.__cause__ is None


# Locate


PATHS = ("mapping.sales.accounts.prePaid", "mapping.fees.accounts.loan", "mapping.payments.accounts.loan", "enabled")


@pytest.mark.parametrize(
    ("declared", "live"),
    [
        ("mapping.sales.accounts.prepaid", "mapping.sales.accounts.prePaid"),
        ("mapping.payments.accounts.prepaid", "mapping.sales.accounts.prePaid"),
        ("mapping.payments.accounts.LOAN", "mapping.payments.accounts.loan"),
        ("mapping.sales.accounts.loan", "mapping.fees.accounts.loan"),
        ("mapping.sales.accounts.swish", None),
        ("enabled", "enabled"),
    ],
)
def test_an_account_is_found_in_any_letter_case_and_section_its_own_first(declared: str, live: str | None) -> None:
    assert resolve_live_path(PATHS, declared) == live


# Write


def test_a_declared_key_is_written_where_live_has_it() -> None:
    after = json.loads(write_fields(document(), {"mapping.payments.accounts.prepaid": Option("a9")}))
    assert after["configuration"]["sales"]["accounts"]["prePaid"]["selectedAccountId"] == "a9"
    assert list(after["configuration"]["payments"]["accounts"]) == ["card"]


@pytest.mark.parametrize(
    "path",
    ["mapping.payments.accounts.swish", 'mapping.sales.taxRates["7"]', "mapping.sales.colour", "company.name"],
)
def test_a_field_that_live_has_no_place_for_is_never_invented(path: str) -> None:
    with pytest.raises(FieldNotOffered, match=r"swish|taxRates|colour|name"):
        write_fields(document(), {path: Option("a1")})


def test_writing_the_hour_makes_it_utc() -> None:
    live = document(schedule={"syncHourUtc": 0, "timeZone": "Asia/Kolkata"})
    schedule = json.loads(write_fields(live, {"schedule.syncHourUtc": 3}))["schedule"]
    assert schedule == {"syncHourUtc": 3, "timeZone": None}


def test_a_start_that_was_local_to_the_zone_stays_the_same_instant_when_the_hour_becomes_utc() -> None:
    live = document(schedule={"syncHourUtc": 0, "timeZone": "America/New_York", "startDate": "2026-12-03T00:00:00"})
    schedule = json.loads(write_fields(live, {"schedule.syncHourUtc": 3}))["schedule"]
    assert schedule == {"syncHourUtc": 3, "timeZone": None, "startDate": "2026-12-03T05:00:00Z"}


def test_a_start_is_written_as_a_utc_instant() -> None:
    after = json.loads(write_fields(document(), {"schedule.startDate": datetime(2026, 12, 1, tzinfo=UTC)}))
    assert after["schedule"]["startDate"] == "2026-12-01T00:00:00Z"


def test_a_section_that_is_null_gets_the_least_that_holds_the_field() -> None:
    after = json.loads(write_fields(document(), {"mapping.fees.supplier": Option("s1"), "mapping.fees.sync": True}))
    assert after["configuration"]["fees"] == {"feesSupplier": {"selectedSupplierId": "s1"}, "syncFees": True}


@pytest.mark.parametrize("number", ["1.10", "0.1234567890123456789", "1E400", "-0.0", "123456789012345678901234567890"])
def test_a_number_we_do_not_know_keeps_its_digits(number: str) -> None:
    live = document().replace(b'"companyId"', f'"unknown": {number}, "companyId"'.encode())
    assert f'"unknown":{number},'.encode() in write_fields(live, {"enabled": True})


@pytest.mark.parametrize("broken", [b"", b"[]", b"{", b'{"a": NaN}', b"[" * 99999])
def test_nothing_is_written_over_a_document_that_cannot_be_read(broken: bytes) -> None:
    with pytest.raises(TransientError):
        write_fields(broken, {"enabled": False})


PLACES = {
    "enabled": ("enabled",),
    "schedule.frequency": ("schedule", "selectedFrequency"),
    "schedule.startDate": ("schedule", "startDate"),
    "schedule.syncHourUtc": ("schedule", "syncHourUtc"),
    "mapping.sales.sync": ("configuration", "sales", "syncSales"),
    "mapping.sales.invoiceStatus": ("configuration", "sales", "invoiceStatus", "selectedInvoiceStatus"),
    "mapping.sales.customer": ("configuration", "sales", "salesCustomer", "selectedCustomerId"),
    "mapping.sales.grouping.period": (
        *("configuration", "sales", "grouping", "groupingPeriod"),
        "selectedGroupingPeriod",
    ),
    "mapping.sales.grouping.invoice": (
        *("configuration", "sales", "grouping", "groupingLevels", "invoiceLevel"),
        "selectedGroupByOptions",
    ),
    "mapping.sales.grouping.invoiceLine": (
        *("configuration", "sales", "grouping", "groupingLevels", "invoiceLineLevel"),
        "selectedGroupByOptions",
    ),
    "mapping.payments.sync": ("configuration", "payments", "syncPayments"),
    "mapping.fees.sync": ("configuration", "fees", "syncFees"),
    "mapping.fees.supplier": ("configuration", "fees", "feesSupplier", "selectedSupplierId"),
}
WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=3)
"""What is read back is without what no column takes."""
NEW_VALUES: dict[str, st.SearchStrategy[Value]] = {
    "enabled": st.booleans(),
    "schedule.frequency": st.sampled_from(["Daily", "Monthly"]),
    "schedule.startDate": st.integers(1_640_995_200, 1_900_000_000).map(
        lambda second: datetime.fromtimestamp(second, UTC)
    ),
    "schedule.syncHourUtc": st.integers(0, 23),
    "mapping.sales.invoiceStatus": st.sampled_from(["Draft", "Submitted"]),
    "mapping.sales.grouping.period": st.just("Daily"),
    "mapping.sales.grouping.invoice": st.lists(WORDS, max_size=2).map(tuple),
    "mapping.sales.grouping.invoiceLine": st.lists(WORDS, max_size=2).map(tuple),
    "mapping.sales.sync": st.booleans(),
    "mapping.payments.sync": st.booleans(),
    "mapping.fees.sync": st.booleans(),
}
SELECTIONS: st.SearchStrategy[Value] = st.none() | st.sampled_from(["a1", "a2", "new"]).map(Option)


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_a_write_changes_the_named_fields_and_nothing_else(data: st.DataObject) -> None:
    tree = data.draw(DOCUMENTS)
    live = json.dumps(tree).encode()
    paths = sorted(read_configuration(live, NOW).values)
    chosen = data.draw(st.lists(st.sampled_from(paths), unique=True, max_size=6))
    wanted = {path: data.draw(SELECTIONS if ref_kind(path) else NEW_VALUES[path]) for path in chosen}

    after = write_fields(live, wanted)

    before, read = read_configuration(live, NOW).values, read_configuration(after, NOW).values
    assert all(values_equal(read[path], value) for path, value in wanted.items())
    start = before["schedule.startDate"]
    is_instant = not isinstance(start, str)  # not so in a zone that we do not know
    assert "schedule.startDate" in wanted or not is_instant or read["schedule.startDate"] == start
    may_differ = {place for path in wanted for place in _places(tree, path)}
    assert _changed_places(_leaves(tree), _leaves(json.loads(after))) <= may_differ


@settings(deadline=None, max_examples=100)
@given(DOCUMENTS)
def test_a_write_of_nothing_is_the_same_document(tree: dict[str, Any]) -> None:
    assert json.loads(write_fields(json.dumps(tree).encode(), {})) == tree


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_what_was_written_can_be_put_back_as_it_stood_to_the_letter(data: st.DataObject) -> None:
    """All but a start date, which never moves back; one that was only written in other words has its own again."""
    tree = data.draw(DOCUMENTS)
    live = json.dumps(tree).encode()
    paths = sorted(read_configuration(live, NOW).values.keys() - {"schedule.startDate"})
    chosen = sorted(data.draw(st.lists(st.sampled_from(paths), unique=True, max_size=6)))
    wanted = {path: data.draw(SELECTIONS if ref_kind(path) else NEW_VALUES[path]) for path in chosen}
    stood = {
        path: {pointer: texts[0] for pointer, texts in places.items()}
        for path, places in changes_by_field(live, wanted).items()
    }

    assert json.loads(restore_values(write_fields(live, wanted), list(stood.values()))) == tree

    hour = stood.get("schedule.syncHourUtc")
    assert not hour or values_equal(
        sync_hour_from_pointers(hour, NOW), read_configuration(live, NOW).values["schedule.syncHourUtc"]
    )


def test_a_start_in_a_zone_that_nobody_knows_is_put_back_as_it_stood() -> None:
    """A write of the hour ends the zone. What the start meant with it is unknown; its text was left alone."""
    live = document(schedule={"startDate": "2022-06-15", "timeZone": "Mars/Base", "syncHourUtc": 5})
    wanted: dict[str, Value] = {"schedule.syncHourUtc": 0}
    (stood,) = changes_by_field(live, wanted).values()
    restored = restore_values(write_fields(live, wanted), [{pointer: texts[0] for pointer, texts in stood.items()}])
    assert json.loads(restored) == json.loads(live)


def test_putting_back_takes_nothing_along_that_somebody_has_chosen_since() -> None:
    """The rollout made the grouping, and somebody has chosen another line level in it."""
    live = document(sales={"syncSales": True, "grouping": None})
    wanted: dict[str, Value] = {"mapping.sales.grouping.invoice": ("Location",)}
    (stood,) = changes_by_field(live, wanted).values()
    chosen = write_fields(write_fields(live, wanted), {"mapping.sales.grouping.invoiceLine": ("Country",)})
    after = json.loads(restore_values(chosen, [{pointer: texts[0] for pointer, texts in stood.items()}]))
    levels = {"invoiceLineLevel": {"selectedGroupByOptions": ["Country"]}}
    assert after["configuration"]["sales"]["grouping"] == {"groupingLevels": levels}


def test_a_place_that_is_not_there_any_more_is_not_made_up_to_put_something_back() -> None:
    with pytest.raises(
        FieldNotOffered, match="live has no /configuration/payments/accounts/loan/selectedAccountId any more"
    ):
        restore_values(document(), [{"/configuration/payments/accounts/loan/selectedAccountId": '"a1"'}])


def _places(tree: dict[str, Any], path: str) -> set[tuple[str, ...]]:
    """Where a field may stand on the wire; with the hour its zone, and the words of a start that was local to it."""
    account, rate = split_account_path(path), parse_tax_rate_path(path)
    if account:
        return {("configuration", account[0], "accounts", account[1], "selectedAccountId")}
    if rate is not None:
        keys = [key for key in tree["configuration"]["sales"]["taxRates"] if canonical_tax_rate(key) == rate]
        return {("configuration", "sales", "taxRates", key, "selectedTaxRateId") for key in keys}
    with_hour = {("schedule", "timeZone"), ("schedule", "startDate")}
    return {PLACES[path]} | (with_hour if path == "schedule.syncHourUtc" else set())


def _leaves(node: Any, at: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    """Every value that is no object by its place; an object that is null or empty has none of its own."""
    if isinstance(node, dict):
        return {place: leaf for key, below in node.items() for place, leaf in _leaves(below, (*at, key)).items()}
    return {at: repr(node)}


def _changed_places(before: dict[tuple[str, ...], Any], after: dict[tuple[str, ...], Any]) -> set[tuple[str, ...]]:
    """Places that differ; a null that an object took the place of does not count."""
    differ = {place for place in before.keys() | after.keys() if before.get(place) != after.get(place)}
    return {place for place in differ if not _made_way(place, before, after)}


def _made_way(place: tuple[str, ...], before: dict[tuple[str, ...], Any], after: dict[tuple[str, ...], Any]) -> bool:
    return before.get(place) == "None" and any(other[: len(place)] == place and other != place for other in after)


# Companies and connections


def test_unknown_words_and_missing_fields_never_fail_a_company() -> None:
    text = '{"id": "c1", "new": 1, "dataConnections": [{"id": "x1", "status": "Suspended", "sourceType": "New"}]}'
    company = company_from(wire.CompanyJson.model_validate_json(text))
    assert (company.name, company.connections[0].status) == ("", "Suspended")


def test_a_company_that_does_not_say_its_connections_is_not_one_without_any() -> None:
    silent, without = {"id": "c1", "name": "a"}, {"id": "c1", "name": "a", "dataConnections": []}
    assert company_from(wire.CompanyJson.model_validate(silent)).unreadable_parts == ".dataConnections: missing"
    assert company_from(wire.CompanyJson.model_validate(without)).unreadable_parts == ""


OPTION = {"id": "1", "name": "Sales", "nominalCode": "200"}


def document_with(options: object) -> bytes:
    accounts = {"sales": {"selectedAccountId": "1", "accountOptions": options}, "refund": {"accountOptions": [OPTION]}}
    return json.dumps({"companyId": "c1", "configuration": {"sales": {"accounts": accounts}}}).encode()


@pytest.mark.parametrize(
    ("odd", "why"),
    [
        (None, "accountOptions[1]: input should be a valid dictionary"),
        ({"id": "2", "name": "x", "nominalCode": 200}, "accountOptions[1].nominalCode: input should be a valid string"),
        ({"id": "2", "name": {}}, "accountOptions[1].name: input should be a valid string"),
        ({"name": "no id"}, "accountOptions[1].id: field required"),
    ],
)
def test_an_odd_option_is_the_trouble_of_its_own_field_alone(odd: object, why: str) -> None:
    live = read_configuration(document_with([OPTION, odd]), NOW)
    assert list(live.unreadable_fields) == ["mapping.sales.accounts.sales"]
    assert live.unreadable_fields["mapping.sales.accounts.sales"].startswith(
        "configuration.sales.accounts.sales." + why
    )
    assert live.options["mapping.sales.accounts.refund"] == (Option("1", "Sales", "200"),)
    assert live.values["mapping.sales.accounts.sales"] == Option("1", "Sales", "200")


def test_an_option_that_is_listed_twice_is_one() -> None:
    live = read_configuration(document_with([OPTION, OPTION]), NOW)
    assert live.options["mapping.sales.accounts.sales"] == (Option("1", "Sales", "200"),)
    assert live.unreadable_fields == {}


def test_what_is_no_object_is_never_replaced_by_one() -> None:
    odd = b'{"companyId": "c1", "configuration": {"sales": {"accounts": {"sales": 7}}}}'
    for write in (write_fields, changes_by_field):
        with pytest.raises(TransientError, match="sales is no object"):
            write(odd, {"mapping.sales.accounts.sales": Option("1")})


@pytest.mark.parametrize("text", ["\\ud800", "\\udc00\\ud800", "\\u0000", "\\\\\\ud800"])
def test_what_cannot_be_stored_is_replaced_where_it_is_read(text: str) -> None:
    read = json.loads(sanitize_json(f'{{"name": "a{text}b"}}'.encode()))["name"]
    assert read.encode()
    assert "\0" not in read
    assert "\ufffd" in read


@given(st.text())
def test_what_can_be_stored_stays_as_it_is(text: str) -> None:
    storable = text.replace("\0", "")
    for escaped in (True, False):
        assert json.loads(sanitize_json(json.dumps(storable, ensure_ascii=escaped).encode())) == storable


@pytest.mark.parametrize("status", ["pendingAuth", "PENDINGAUTH", "PendingAuth"])
def test_a_known_status_is_read_in_any_letter_case(status: str) -> None:
    assert connection_from(wire.ConnectionJson.model_validate({"id": "x1", "status": status})).status == "PendingAuth"


@pytest.mark.parametrize(
    ("wired", "platform"),
    [
        ({"integrationKey": "gbol", "platformName": "Whatever"}, "gbol"),
        ({"platformName": "Xero", "sourceType": "Accounting"}, "gbol"),
        ({"platformName": "QuickBooks Online", "sourceType": "accounting"}, "qhyg"),
        ({"platformName": "Partner Commerce", "sourceType": "Commerce"}, "lqai"),
        ({"platformName": "Abacus", "sourceType": "Accounting"}, "Abacus"),
    ],
)
def test_without_an_integration_key_the_platform_is_told_by_name_and_source(
    wired: dict[str, str], platform: str
) -> None:
    assert connection_from(wire.ConnectionJson.model_validate({"id": "x1"} | wired)).platform == platform


def test_the_latest_error_that_is_not_resolved_is_told() -> None:
    problems = [{"errorMessage": "old"}, {"statusText": "Denied"}, {"errorMessage": "mended", "status": "Resolved"}]
    text = json.dumps({"id": "x1", "dataConnectionErrors": problems})
    assert connection_from(wire.ConnectionJson.model_validate_json(text)).error == "Denied"


@pytest.mark.parametrize("number", ["Infinity", "-Infinity", "NaN"])
def test_a_document_with_a_number_that_json_does_not_have_is_unread_and_no_fault_of_ours(number: str) -> None:
    document = b'{"enabled": true, "configuration": {"newPayments": {"limit": %s}}}' % number.encode()
    with pytest.raises(TransientError, match="a configuration document cannot be read"):
        read_configuration(document, NOW)
    text = document.replace(number.encode(), b'"to Infinity, or NaN"')
    assert read_configuration(text, NOW).enabled
