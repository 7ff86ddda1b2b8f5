"""What merchants have in common, in profiles: nothing is lost on the way, and the shorter form is chosen."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.desired.generate import (
    ManifestValue,
    MerchantDraft,
    build_manifests,
    choose_manifest_name,
    drop_invalid_fields,
    slug,
    unique_name,
)
from controller.desired.loader import load_fleet
from controller.desired.yaml_writer import yaml_text
from controller.model.desired import Fleet
from controller.model.field_values import DeclaredValue, LocalTime, Ref

USUAL: dict[str, ManifestValue] = {
    "connection.platform": "xero",
    "enabled": True,
    "schedule.startDate": "2026-12-01",
    "schedule.time": "00:00",
    "schedule.timeZone": "Europe/London",
    "mapping.sales.sync": True,
    "mapping.sales.accounts.sales": Ref("code", "200"),
    "mapping.sales.accounts.gratuity": Ref("name", "Tips"),
    'mapping.sales.taxRates["20"]': Ref("id", "OUTPUT2"),
    "mapping.sales.grouping.invoice": ("Location",),
}


def draft(name: str, without: tuple[str, ...] = (), called: Any = None, **said: Any) -> MerchantDraft:
    """The usual merchant with other words (`__` for a dot) and without some."""
    kept = {path: wish for path, wish in USUAL.items() if path not in without}
    return MerchantDraft(
        name, name, kept | {path.replace("__", "."): wish for path, wish in said.items()}, called or {}, (), True
    )


def fleet(*drafts: MerchantDraft, profiles: bool = True, taken: tuple[str, ...] = ()) -> Fleet:
    with TemporaryDirectory() as folder:
        (Path(folder) / "all.yaml").write_text(
            yaml_text(build_manifests(drafts, taken, profiles=profiles)), encoding="utf-8"
        )
        found = load_fleet(Path(folder))
    assert not found.diagnostics, [str(each) for each in found.diagnostics]
    return found


def text(name: str, *drafts: MerchantDraft) -> str:
    """The spec of one manifest, as text."""
    (found,) = [each for each in build_manifests(drafts, ()) if each.name == name]
    return yaml_text([found]).partition("spec:\n")[2]


# -- Nothing is lost

_REF = st.sampled_from([Ref("code", "200"), Ref("code", "610"), Ref("name", "Tips"), Ref("id", "a-1")])
_ACCOUNT = st.none() | _REF
_SCHEDULE: st.SearchStrategy[dict[str, ManifestValue]] = st.sampled_from(
    [
        {},
        {"schedule.syncHourUtc": 0},
        {"schedule.syncHourUtc": 5, "schedule.startDate": "2026-12-01"},
        {"schedule.startDate": "2026-12-01"},
        {"schedule.startDate": "2026-12-01", "schedule.timeZone": "Europe/London"},
        {"schedule.startDate": "2026-12-01", "schedule.timeZone": "Europe/London", "schedule.time": "00:00"},
        {"schedule.timeZone": "Europe/Paris", "schedule.time": "04:00"},
    ]
)
_SAID: st.SearchStrategy[dict[str, ManifestValue]] = st.fixed_dictionaries(
    {"connection.platform": st.sampled_from(["xero", "freeagent"])},
    optional={
        "connection.state": st.just("Unlinked"),
        "enabled": st.booleans(),
        "schedule.frequency": st.just("Daily"),
        "mapping.sales.invoiceStatus": st.sampled_from(["Submitted", "Draft"]),
        "mapping.sales.customer": _ACCOUNT,
        "mapping.sales.accounts.sales": _ACCOUNT,
        "mapping.payments.accounts.prepaid": _ACCOUNT,
        "mapping.payments.accounts.card": _ACCOUNT,
        'mapping.sales.taxRates["5"]': _REF,
        'mapping.sales.taxRates["17.5"]': _REF,
        "mapping.sales.grouping.invoice": st.sampled_from([(), ("Location",), ("Location", "Country")]),
    },
)
_OWN: st.SearchStrategy[dict[str, ManifestValue]] = st.sampled_from(
    [{}, {"mapping.sales.accounts.prePaid": Ref("id", "x")}, {"mapping.fees.accounts.zap": None}]
)


@st.composite
def merchants(draw: st.DrawFn) -> MerchantDraft:
    said = draw(_SAID) | draw(_SCHEDULE)
    own = draw(_OWN) if "mapping.payments.accounts.prepaid" not in said else {}
    customer = said.get("mapping.sales.customer")
    if isinstance(customer, Ref) and customer.by == "code":
        said["mapping.sales.customer"] = Ref("name", customer.value)
    rates = {path: Ref("id", wish.value) for path, wish in said.items() if isinstance(wish, Ref) and "taxRates" in path}
    return MerchantDraft("", "", said | rates | own, {}, (), draw(st.booleans()))


@settings(max_examples=80, deadline=None)
@given(st.lists(merchants(), min_size=1, max_size=9))
def test_a_merchant_on_a_profile_says_what_it_would_say_alone(drafts: list[MerchantDraft]) -> None:
    drafts = [
        MerchantDraft(f"m-{n}", f"m-{n}", each.fields, has_mapping=each.has_mapping) for n, each in enumerate(drafts)
    ]
    shared, alone = fleet(*drafts), fleet(*drafts, profiles=False)
    for name, wanted in shared.merchants.items():
        other = alone.merchants[name]
        null = {path for path, wish in wanted.fields.items() if wish is None}
        assert {path: wish for path, wish in wanted.fields.items() if path not in null} == other.fields
        assert null <= {path for path, wish in drafts[int(name[2:])].fields.items() if wish is None}
        assert (wanted.platform, wanted.link_state) == (other.platform, other.link_state)


# -- The short way is taken


def test_what_more_than_half_say_stands_in_the_profile() -> None:
    alike = [draft(name) for name in "abc"]
    late = draft("d", enabled=False, schedule__time="04:00")
    assert text("xero", *alike, late).count("\n") == text("xero", *alike).count("\n")
    assert text("a", *alike, late) == "  profile: xero\n"
    assert text("d", *alike, late) == '  profile: xero\n  enabled: false\n  schedule: {time: "04:00"}\n'


def test_half_is_not_more_than_half() -> None:
    two = [draft("a"), draft("b", mapping__sales__accounts__sales=Ref("code", "400"))]
    assert "sales: {code" not in text("xero", *two)
    assert "sales: {code" in text("a", *two)


def test_nothing_selected_is_said_only_where_the_profile_selects() -> None:
    gratuity = "mapping.sales.accounts.gratuity"
    three = [draft("a"), draft("b"), draft("c", mapping__sales__accounts__gratuity=None)]
    assert "gratuity: null" in text("c", *three)
    assert fleet(*three).merchants["c"].fields[gratuity] is None
    none = [draft(name, mapping__sales__accounts__gratuity=None) for name in "abc"]
    assert gratuity not in fleet(*none).merchants["a"].fields


def test_what_a_merchant_does_not_say_at_all_is_unmanaged() -> None:
    rate = 'mapping.sales.taxRates["20"]'
    three = [draft("a"), draft("b"), draft("c", without=(rate,))]
    assert text("c", *three) == f"  profile: xero\n  unmanaged: ['{rate}']\n"


def test_an_hour_of_utc_takes_the_place_of_the_profiles_clock_without_a_word() -> None:
    clock = ("schedule.time", "schedule.timeZone")
    three = [draft("a"), draft("b"), draft("c", without=clock, schedule__syncHourUtc=3)]
    assert text("c", *three) == "  profile: xero\n  schedule: {syncHourUtc: 3}\n"


def test_being_unlinked_is_in_no_profile() -> None:
    three = [draft(name, connection__state="Unlinked") for name in "abc"]
    assert "state" not in text("xero", *three)
    assert {each.link_state.value for each in fleet(*three).merchants.values()} == {"Unlinked"}


def test_one_merchant_makes_no_profile_and_another_platform_another_one() -> None:
    drafts = [draft("a"), draft("b"), draft("c", connection__platform="freeagent")]
    assert [each.name for each in build_manifests(drafts, ())] == ["xero", "a", "b", "c"]


def test_whoever_is_no_shorter_with_the_profile_stands_alone() -> None:
    strange = MerchantDraft("d", "d", {"connection.platform": "xero", "enabled": False}, {}, (), True)
    found = fleet(*[draft(name) for name in "abc"], strange)
    assert {name: wanted.profile for name, wanted in found.merchants.items()} == dict.fromkeys("abc", "xero") | {
        "d": None
    }


def test_a_profile_of_that_name_is_there_already() -> None:
    assert fleet(draft("a"), draft("b"), taken=("xero", "xero-2")).merchants["a"].profile == "xero-3"


def test_an_account_is_called_by_name_in_the_profile_where_everyone_calls_it_that() -> None:
    path = "mapping.sales.accounts.sales"
    assert 'sales: {code: "200"}  # Sales\n' in text("xero", *[draft(name, called={path: "Sales"}) for name in "ab"])
    two_names = [draft("a", called={path: "Sales"}), draft("b", called={path: "Takings"})]
    assert 'sales: {code: "200"}\n' in text("xero", *two_names)


# -- One merchant


@pytest.mark.parametrize(
    ("path", "wish"),
    [
        ("schedule.frequency", "Hourly"),
        ("schedule.startDate", "1999-12-31"),
        ("schedule.syncHourUtc", 24),
        ("mapping.payments.accounts.cards", Ref("id", "x")),
        ("mapping.payments.accounts.a.b", Ref("id", "x")),
        ('mapping.sales.taxRates["VAT"]', Ref("id", "x")),
        ("mapping.sales.grouping.invoice", ("Location", "Location")),
        ("mapping.sales.customer", Ref("name", "x" * 501)),
    ],
)
def test_what_the_shape_of_a_manifest_refuses_is_left_out_and_nothing_else(path: str, wish: Any) -> None:
    whole = MerchantDraft("acme", "acme", USUAL | {path: wish})
    fitted, unsaid = drop_invalid_fields(whole)
    assert [*unsaid] == [path]
    assert fitted.fields == {each: said for each, said in whole.fields.items() if each != path}


@pytest.mark.parametrize(
    ("company", "name"),
    [
        ("acme", "acme"),
        ("Tom & Jerry's", "Tom & Jerry's"),
        (" acme", "acme-2"),
        ("a\nb", "a-b"),
        ("?!", "?!"),
        (" ? ", "merchant"),
    ],
)
def test_a_company_gives_its_merchant_the_nearest_free_name(company: str, name: str) -> None:
    assert choose_manifest_name(company, {"acme"} if company == " acme" else set()) == name


def test_names_that_are_taken_are_counted_on() -> None:
    assert unique_name("a", {"a", "a-2"}) == "a-3"
    assert slug("Hudson Hardware & Paint") == "hudson-hardware-paint"


def test_a_clock_is_spelled_as_time_and_zone_and_a_start_as_the_local_date() -> None:
    from datetime import UTC, datetime

    from controller.desired.generate import to_manifest_values

    fields: dict[str, DeclaredValue] = {
        "schedule.time": LocalTime("00:00", "Europe/London"),
        "schedule.startDate": datetime(2026, 5, 31, 23, tzinfo=UTC),
        "enabled": True,
    }
    assert to_manifest_values(fields, "Europe/London") == {
        "schedule.time": "00:00",
        "schedule.timeZone": "Europe/London",
        "schedule.startDate": "2026-06-01",
        "enabled": True,
    }
