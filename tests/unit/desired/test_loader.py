"""Manifests become merchants: layers, absent, null and empty, references, schedules, names, files and addresses."""

from __future__ import annotations

import gc
import json
import os
import weakref
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from controller.desired.loader import load_fleet
from controller.model.desired import DeletionPolicy, DesiredMerchant, DriftPolicy, Fleet, LinkState
from controller.model.errors import UsageError
from controller.model.field_values import LocalTime, NewAccount, Ref

BASE: dict[str, Any] = {
    "schedule": {"frequency": "Daily", "startDate": "2026-12-01", "time": "00:00", "timeZone": "America/New_York"},
    "mapping": {
        "sales": {
            "accounts": {"sales": {"code": "200"}, "prePaid": {"name": "Gift cards"}},
            "customer": {"name": "POS daily takings"},
            "taxRates": {"20": {"id": "OUTPUT2"}},
            "grouping": {"invoice": ["Location", "Country"]},
        }
    },
}


def manifest(kind: str, name: str, **spec: object) -> str:
    return json.dumps({"apiVersion": "merchantctl/v1", "kind": kind, "metadata": {"name": name}, "spec": spec})


def profile(name: str = "base", **spec: Any) -> str:
    return manifest("MappingProfile", name, **spec)


def merchant(name: str = "acme", **spec: Any) -> str:
    return manifest("Merchant", name, **({"connection": {"platform": "xero"}} | spec))


def fleet(root: Path, *documents: str) -> Fleet:
    (root / "fleet.yaml").write_text("\n---\n".join(documents))
    return load_fleet(root)


def wanted(root: Path, *documents: str, name: str = "acme") -> DesiredMerchant:
    found = fleet(root, *documents)
    assert found.diagnostics == ()
    return found.merchants[name]


def complaint(root: Path, *documents: str) -> str:
    (only,) = fleet(root, *documents).diagnostics
    return str(only)


# --- layers


def test_a_merchant_has_what_its_profile_chain_declares_and_the_later_layer_wins(tmp_path: Path) -> None:
    acme = wanted(
        tmp_path,
        merchant(profile="uk", mapping={"sales": {"accounts": {"sales": {"id": "x"}}}}),
        profile("uk", extends="base", mapping={"sales": {"customer": {"id": "walk-in"}}}),
        profile("base", **BASE),
    )
    assert acme.fields["mapping.sales.accounts.sales"] == Ref("id", "x")
    assert acme.fields["mapping.sales.customer"] == Ref("id", "walk-in")
    assert acme.fields['mapping.sales.taxRates["20"]'] == Ref("id", "OUTPUT2")
    assert acme.profile == "uk"


def test_a_list_is_replaced_whole_and_an_empty_one_is_a_wish(tmp_path: Path) -> None:
    acme = wanted(tmp_path, merchant(profile="base", mapping={"sales": {"grouping": {"invoice": []}}}), profile(**BASE))
    assert acme.fields["mapping.sales.grouping.invoice"] == ()


def test_null_clears_and_absent_is_not_managed(tmp_path: Path) -> None:
    acme = wanted(tmp_path, merchant(profile="base", mapping={"sales": {"customer": None}}), profile(**BASE))
    assert acme.fields["mapping.sales.customer"] is None
    assert "mapping.fees.supplier" not in acme.fields
    assert "enabled" not in acme.fields


def test_account_keys_of_two_layers_are_compared_without_case(tmp_path: Path) -> None:
    acme = wanted(
        tmp_path,
        merchant(profile="base", mapping={"sales": {"accounts": {"prepaid": {"id": "x"}}}}),
        profile(**BASE),
    )
    assert acme.fields["mapping.sales.accounts.prepaid"] == Ref("id", "x")
    assert "mapping.sales.accounts.prePaid" not in acme.fields


def test_every_layer_that_wrote_a_value_is_remembered_the_winning_one_last(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(profile(**BASE))
    (tmp_path / "acme.yaml").write_text(merchant(profile="base", mapping={"sales": {"customer": {"id": "x"}}}))
    acme = load_fleet(tmp_path).merchants["acme"]
    assert [origin.manifest for origin in acme.origins["mapping.sales.customer"]] == [
        "MappingProfile base",
        "Merchant acme",
    ]
    assert acme.origins["mapping.sales.customer"][-1].file.endswith("acme.yaml")
    assert acme.origins["connection.platform"][-1].manifest == "Merchant acme"


@pytest.mark.parametrize("path", ["mapping.sales.customer", "mapping.sales", "mapping"])
def test_what_a_merchant_leaves_unmanaged_is_not_declared(path: str, tmp_path: Path) -> None:
    acme = wanted(tmp_path, merchant(profile="base", unmanaged=[path]), profile(**BASE))
    assert "mapping.sales.customer" not in acme.fields
    assert "schedule.frequency" in acme.fields


@pytest.mark.parametrize(
    "path", ['mapping.sales.taxRates["20"]', "mapping.sales.taxRates.20", "mapping.sales.taxRates"]
)
def test_a_tax_rate_can_be_left_unmanaged(path: str, tmp_path: Path) -> None:
    acme = wanted(tmp_path, merchant(profile="base", unmanaged=[path]), profile(**BASE))
    assert 'mapping.sales.taxRates["20"]' not in acme.fields


def test_a_merchants_own_words_stand_below_a_subtree_that_it_leaves_unmanaged(tmp_path: Path) -> None:
    own = {"sales": {"customer": {"id": "x"}}}
    acme = wanted(tmp_path, merchant(profile="base", unmanaged=["mapping"], mapping=own), profile(**BASE))
    assert [path for path in acme.fields if path.startswith("mapping")] == ["mapping.sales.customer"]


def test_unmanaged_names_what_no_profile_declares(tmp_path: Path) -> None:
    words = complaint(tmp_path, merchant(profile="base", unmanaged=["mapping.sales.custmer"]), profile(**BASE))
    assert "no profile of this merchant declares 'mapping.sales.custmer'" in words
    assert "mapping.sales.customer" in words


def test_unmanaged_and_declared_at_once_is_a_contradiction(tmp_path: Path) -> None:
    own = {"sales": {"customer": {"id": "x"}}}
    documents = merchant(profile="base", unmanaged=["mapping.sales.customer"], mapping=own), profile(**BASE)
    assert "unmanaged and declared at once" in complaint(tmp_path, *documents)


# --- schedules


def test_a_start_date_is_its_local_midnight_and_a_time_keeps_its_zone(tmp_path: Path) -> None:
    acme = wanted(tmp_path, merchant(profile="base"), profile(**BASE))
    assert acme.fields["schedule.startDate"] == datetime(2026, 12, 1, 5, tzinfo=UTC)
    assert acme.fields["schedule.time"] == LocalTime("00:00", "America/New_York")


def test_without_a_zone_a_start_date_is_midnight_utc(tmp_path: Path) -> None:
    acme = wanted(tmp_path, merchant(schedule={"startDate": "2026-12-01"}))
    assert acme.fields["schedule.startDate"] == datetime(2026, 12, 1, tzinfo=UTC)


def test_an_hour_in_utc_takes_the_place_of_a_profiles_time_and_zone(tmp_path: Path) -> None:
    acme = wanted(tmp_path, merchant(profile="base", schedule={"syncHourUtc": 0}), profile(**BASE))
    assert acme.fields["schedule.syncHourUtc"] == 0
    assert "schedule.time" not in acme.fields
    assert [origin.manifest for origin in acme.origins["schedule.syncHourUtc"]][-1] == "Merchant acme"


def test_a_merchant_that_says_its_hour_in_both_ways_is_complained_of_on_any_profile(tmp_path: Path) -> None:
    both = {"timeZone": "America/Chicago", "time": "00:00", "syncHourUtc": 6}
    words = complaint(tmp_path, merchant(profile="base", schedule=both), profile(**BASE))
    assert "stands instead of time and timeZone, but schedule.time and schedule.timeZone is declared too" in words


def test_a_zone_of_the_merchant_moves_the_profiles_time(tmp_path: Path) -> None:
    acme = wanted(tmp_path, merchant(profile="base", schedule={"timeZone": "America/Chicago"}), profile(**BASE))
    assert acme.fields["schedule.time"] == LocalTime("00:00", "America/Chicago")
    assert acme.fields["schedule.startDate"] == datetime(2026, 12, 1, 6, tzinfo=UTC)


def test_a_zone_in_which_the_profiles_time_is_no_whole_hour_is_complained_of_at_the_merchant(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(profile(**BASE))
    (tmp_path / "acme.yaml").write_text(merchant(profile="base", schedule={"timeZone": "Asia/Kolkata"}))
    (only,) = load_fleet(tmp_path).diagnostics
    assert only.file.endswith("acme.yaml")
    assert "23:30 or 00:30" in only.what


# --- what a merchant is, besides its fields


def test_defaults_of_a_merchant(tmp_path: Path) -> None:
    acme = wanted(tmp_path, merchant())
    assert (acme.platform, acme.link_state, acme.company_name, acme.books) == ("gbol", LinkState.LINKED, "acme", None)
    assert (acme.policy.drift, acme.policy.deletion, acme.policy.adopt) == (
        DriftPolicy.CORRECT,
        DeletionPolicy.RETAIN,
        True,
    )
    assert acme.origins["company.name"][-1].column > 1


@pytest.mark.parametrize(("word", "key"), [("quickbooks-online", "qhyg"), ("freeagent", "fbrh"), ("vxvy", "vxvy")])
def test_a_platform_goes_by_name_or_by_key(word: str, key: str, tmp_path: Path) -> None:
    assert wanted(tmp_path, merchant(connection={"platform": word})).platform == key


def test_a_merchant_that_is_to_be_unlinked_needs_no_platform(tmp_path: Path) -> None:
    assert wanted(tmp_path, merchant(connection={"state": "Unlinked"})).platform is None


@pytest.mark.parametrize(
    ("platform", "to", "key"),
    [
        ("quickbooks-online", "quickbooks-online", "qhyg"),
        ("quickbooks-online", "qhyg", "qhyg"),
        ("qhyg", "quickbooks-online", "qhyg"),
    ],
)
def test_a_move_names_the_platform_that_is_declared(platform: str, to: str, key: str, tmp_path: Path) -> None:
    acme = wanted(tmp_path, merchant(connection={"platform": platform}, policy={"replaceConnection": {"to": to}}))
    assert acme.policy.replace_connection == key


def test_a_move_to_another_platform_than_the_declared_one_is_complained_of_where_it_stands(tmp_path: Path) -> None:
    words = complaint(tmp_path, merchant(policy={"replaceConnection": {"to": "quickbooks-online"}}))
    assert words.startswith(f"{tmp_path}/fleet.yaml:1:")
    assert "policy.replaceConnection moves to quickbooks-online, and connection.platform is xero" in words


def test_a_merchant_of_its_own_platform_is_complained_of_where_its_profile_moves_everybody(tmp_path: Path) -> None:
    moving = profile(connection={"platform": "qhyg"}, policy={"replaceConnection": {"to": "qhyg"}})
    assert "connection.platform is xero" in complaint(tmp_path, moving, merchant(profile="base"))
    assert wanted(tmp_path, moving, merchant(profile="base", connection={})).policy.replace_connection == "qhyg"


@pytest.mark.parametrize("flag", [True, "quickbooks-online", None])
def test_a_move_is_never_a_flag(flag: object, tmp_path: Path) -> None:
    assert "write replaceConnection: {to: PLATFORM}" in complaint(
        tmp_path, merchant(policy={"replaceConnection": flag})
    )


def with_card(card: object, **spec: Any) -> str:
    return merchant(mapping={"payments": {"accounts": {"card": card}}}, **spec)


CARD_TYPE = "Asset.Current"


def test_an_account_that_may_be_created_is_found_by_what_it_is_created_with(tmp_path: Path) -> None:
    by_code = with_card({"code": "610", "create": {"name": "Cards", "type": CARD_TYPE}})
    card = wanted(tmp_path, by_code).fields["mapping.payments.accounts.card"]
    assert card == Ref("code", "610", NewAccount("Cards", "610", CARD_TYPE))
    by_name = with_card({"name": "Cards", "create": {"code": "610", "type": CARD_TYPE, "description": "POS"}})
    card = wanted(tmp_path, by_name).fields["mapping.payments.accounts.card"]
    assert card == Ref("name", "Cards", NewAccount("Cards", "610", CARD_TYPE, "POS"))


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ({"id": "x", "create": {"name": "Cards", "type": CARD_TYPE}}, "has no id yet"),
        ({"code": "610", "create": {"type": CARD_TYPE}}, "needs a name"),
        ({"code": "610", "create": {"name": "Cards"}}, "type is missing"),
        ({"code": "610", "create": {"code": "610", "name": "Cards", "type": CARD_TYPE}}, "stands in the reference"),
        ({"code": "610", "create": True}, "cannot be true"),
        ({"code": "610", "create": {"name": "Card\u200bs", "type": CARD_TYPE}}, "is a ZERO WIDTH SPACE (U+200B)"),
        ({"code": "610", "create": {"name": "POS  cards", "type": CARD_TYPE}}, "are both a SPACE (U+0020)"),
        ({"name": "Cards ", "create": {"code": "610", "type": CARD_TYPE}}, "ends with a SPACE (U+0020)"),
        ({"name": "Cards", "create": {"type": CARD_TYPE}}, "an account of Xero needs a code"),
        ({"code": "12345678901", "create": {"name": "Cards", "type": CARD_TYPE}}, "at most 10 characters"),
        ({"code": "610", "create": {"name": "Cards", "type": "Asset.Curent"}}, "did you mean 'Asset.Current'"),
        ({"code": "610", "create": {"name": "Cards", "type": "Asset.Bank"}}, "no bank accounts"),
        ({"code": "610", "create": {"name": "Cards.PaymentsEnabled", "type": CARD_TYPE}}, "is no part of the name"),
    ],
)
def test_what_xero_would_not_take_is_complained_of_where_it_stands(
    reference: dict[str, Any], words: str, tmp_path: Path
) -> None:
    said = complaint(tmp_path, with_card(reference))
    assert words in said
    assert said.startswith(f"{tmp_path}/fleet.yaml:1:")


@pytest.mark.parametrize(
    ("platform", "new", "words"),
    [
        ("quickbooks-online", {"type": "Asset.Bank"}, "has three parts"),
        ("quickbooks-online", {"type": "Asset.Bank.Checking", "code": "12345678"}, "at most 7 characters"),
        ("quickbooks-online", {"type": "Asset.Bank.Checking", "description": "POS"}, "takes no description"),
        ("freeagent", {"type": "Asset.Bank.Checking"}, "of freeagent it is not known which accounts can be created"),
    ],
)
def test_what_another_platform_would_not_take_is_complained_of(
    platform: str, new: dict[str, Any], words: str, tmp_path: Path
) -> None:
    card = {"name": "Cards", "create": new}
    assert words in complaint(tmp_path, with_card(card, connection={"platform": platform}))


def test_one_account_that_is_created_in_two_ways_is_complained_of(tmp_path: Path) -> None:
    one = {"code": "610", "create": {"name": "Cards", "type": CARD_TYPE}}
    two = {"code": "610", "create": {"name": "Till", "type": CARD_TYPE}}
    said = complaint(tmp_path, merchant(mapping={"payments": {"accounts": {"card": one, "cash": two}}}))
    assert "would create code '610' in two ways" in said


def test_only_accounts_can_be_created(tmp_path: Path) -> None:
    customer = {"name": "Takings", "create": {"type": "x"}}
    said = complaint(tmp_path, merchant(mapping={"sales": {"customer": customer}}))
    assert "only accounts can be created in the books" in said


def test_an_account_that_is_to_be_created_is_part_of_what_is_desired(tmp_path: Path) -> None:
    digests = set()
    for name in ("Cards", "Card clearing"):
        card = {"code": "610", "create": {"name": name, "type": CARD_TYPE}}
        digests.add(wanted(tmp_path, with_card(card)).digest)
    assert len(digests | {wanted(tmp_path, with_card({"code": "610"})).digest}) == 3


def test_a_company_name_is_stripped_as_the_api_does(tmp_path: Path) -> None:
    acme = wanted(tmp_path, merchant(company={"name": "Café Foods (Branch[2])_1"}))
    assert acme.company_name == "Caf Foods Branch21"


def test_tax_rates_have_one_spelling(tmp_path: Path) -> None:
    rates = {"17.50": {"id": "a"}, "0.0": {"id": "b"}, "100": {"id": "c"}}
    fields = wanted(tmp_path, merchant(mapping={"sales": {"taxRates": rates}})).fields
    assert {f'mapping.sales.taxRates["{rate}"]' for rate in ("17.5", "0", "100")} == set(fields)


# --- names


def test_two_merchants_of_one_name_are_complained_of_at_both(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(merchant())
    (tmp_path / "b.yaml").write_text(merchant())
    one, other = load_fleet(tmp_path).diagnostics
    assert (Path(one.file).name, Path(other.file).name) == ("a.yaml", "b.yaml")
    assert "b.yaml" in one.what
    assert "a.yaml" in other.what


def test_two_names_that_become_one_company_are_complained_of_at_both(tmp_path: Path) -> None:
    found = fleet(tmp_path, merchant("shop_1"), merchant("shop1"), merchant("shop2"))
    assert len(found.diagnostics) == 2
    assert list(found.merchants) == ["shop2"]
    assert found.known_names == {"shop_1", "shop1", "shop2"}


def test_where_a_template_gives_everybody_one_company_or_past_each_complaint_names_only_some(tmp_path: Path) -> None:
    same_company = [merchant(f"m-{number}", company={"name": "Acme"}) for number in range(30)]
    found = fleet(tmp_path, *same_company).diagnostics
    assert len(found) == 30
    assert {str(each).count(", m-") for each in found} == {4}
    assert {"and 24 more" in str(each) for each in found} == {True}
    same_past = [each.replace('"metadata": {', '"metadata": {"renamedFrom": "old", ') for each in same_company]
    in_two_ways = [each for each in fleet(tmp_path, *same_past).diagnostics if "renamed from 'old'" in str(each)]
    assert len(in_two_ways) == 30
    assert {"and 24 more" in str(each) for each in in_two_ways} == {True}


def test_profiles_that_extend_each_other_are_complained_of_once(tmp_path: Path) -> None:
    words = complaint(tmp_path, merchant(profile="a"), profile("a", extends="b"), profile("b", extends="a"))
    assert "a → b → a" in words


def test_a_chain_of_a_thousand_profiles_ends_in_a_complaint(tmp_path: Path) -> None:
    chain = [profile(f"p{n}", extends=f"p{n + 1}") for n in range(1000)]
    assert fleet(tmp_path, merchant(profile="p0"), *chain, profile("p1000")).diagnostics


def test_a_mistake_in_a_profile_is_complained_of_once_however_many_merchants_use_it(tmp_path: Path) -> None:
    broken = profile(mapping={"sales": {"sync": False}, "payments": {"sync": True}})
    merchants = [merchant(f"m{n}", profile="base") for n in range(20)]
    assert "API notes 4.5 #2" in complaint(tmp_path, broken, *merchants)


def test_two_layers_that_contradict_each_other_are_complained_of_at_the_later_one(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(profile(mapping={"payments": {"sync": True}}))
    (tmp_path / "acme.yaml").write_text(merchant(profile="base", mapping={"sales": {"invoiceStatus": "Draft"}}))
    (only,) = load_fleet(tmp_path).diagnostics
    assert only.file.endswith("acme.yaml")
    assert "base.yaml" in only.remedy


def test_one_account_key_in_two_sections_is_a_complaint_even_when_two_layers_declare_it(tmp_path: Path) -> None:
    accounts = {"accounts": {"card": {"code": "610"}}}
    text = complaint(
        tmp_path, merchant(mapping={"sales": {"accounts": {"CARD": {"code": "611"}}}, "payments": accounts})
    )
    assert "mapping.sales.accounts.CARD and mapping.payments.accounts.card are one account" in text
    base = profile(mapping={"sales": {"accounts": {"prepaid": {"code": "830"}}}})
    later = merchant(profile="base", mapping={"payments": {"accounts": {"prePaid": {"code": "831"}}}})
    assert "fleet.yaml:3:" in complaint(tmp_path, base, later)
    apart = merchant(
        profile="base",
        mapping={"payments": {"accounts": {"prePaid": None}}},
        unmanaged=["mapping.sales.accounts.prepaid"],
    )
    assert set(wanted(tmp_path, base, apart).fields) == {"mapping.payments.accounts.prePaid"}


def test_all_complaints_come_at_once_in_the_order_of_their_addresses(tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_text("[\n")
    (tmp_path / "a.yaml").write_text(merchant(enabled="no", policy={"adopt": 1}, mappin={}))
    complaints = load_fleet(tmp_path).diagnostics
    assert len(complaints) == 4
    assert list(complaints) == sorted(complaints)


def test_a_misspelt_key_is_told_the_nearest(tmp_path: Path) -> None:
    assert "did you mean 'mapping'?" in complaint(tmp_path, merchant(mappin={}))


# --- files


def test_an_address_is_what_the_user_would_type(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "manifests" / "deep").mkdir(parents=True)
    (tmp_path / "manifests" / "deep" / "acme.yml").write_text(
        "apiVersion: merchantctl/v1\nkind: Merchant\nmetadata:\n  name: acme\n"
        "spec:\n  connection: {platform: xero}\n  enabled: on\n"
    )
    (only,) = load_fleet(Path("manifests")).diagnostics
    assert str(only).startswith("manifests/deep/acme.yml:7:12: ")


def test_a_path_below_the_root_holds_its_merchants_but_not_the_whole(tmp_path: Path) -> None:
    (tmp_path / "profiles").mkdir()
    (tmp_path / "gb").mkdir()
    (tmp_path / "profiles" / "base.yaml").write_text(profile(**BASE))
    (tmp_path / "gb" / "acme.yaml").write_text(merchant(profile="base"))
    (tmp_path / "us.yaml").write_text(merchant("other", profile="base"))
    part = load_fleet(tmp_path, tmp_path / "gb")
    assert list(part.merchants) == ["acme"]
    assert part.known_names == {"acme", "other"}
    assert not part.is_complete
    assert load_fleet(tmp_path, tmp_path / "gb" / "acme.yaml").merchants == part.merchants
    assert load_fleet(tmp_path, tmp_path).is_complete
    assert load_fleet(tmp_path, tmp_path / "gb" / "..").is_complete
    assert load_fleet(tmp_path / "gb" / "..", tmp_path / "gb").merchants.keys() == part.merchants.keys()


def test_a_path_outside_the_root_is_a_root_of_its_own_and_never_the_whole(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "other.yaml").write_text(merchant())
    elsewhere = load_fleet(tmp_path / "root", tmp_path / "other.yaml")
    assert list(elsewhere.merchants) == ["acme"]
    assert not elsewhere.is_complete


def test_a_root_or_path_that_is_not_there_is_a_usage_error_with_a_next_step(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="merchantctl init"):
        load_fleet(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="name a file or folder"):
        load_fleet(tmp_path, tmp_path / "nowhere")


def test_an_empty_root_is_a_whole_fleet_of_none(tmp_path: Path) -> None:
    found = load_fleet(tmp_path)
    assert found.is_complete
    assert not found.merchants


def test_a_link_out_of_the_root_is_a_complaint_and_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "secret.yaml").write_text(merchant())
    (tmp_path / "root" / "acme.yaml").symlink_to(tmp_path / "secret.yaml")
    (tmp_path / "root" / "folder").symlink_to(tmp_path)
    (tmp_path / "root" / "nowhere.yaml").symlink_to(tmp_path / "gone.yaml")
    found = load_fleet(tmp_path / "root")
    assert not found.merchants
    assert len(found.diagnostics) == 3


def test_a_link_within_the_root_is_read_once(tmp_path: Path) -> None:
    (tmp_path / "acme.yaml").write_text(merchant())
    (tmp_path / "again.yaml").symlink_to(tmp_path / "acme.yaml")
    (tmp_path / "loop").symlink_to(tmp_path)
    assert list(load_fleet(tmp_path).merchants) == ["acme"]


def test_a_mounted_volume_whose_files_link_to_a_hidden_folder_is_read(tmp_path: Path) -> None:
    (tmp_path / "..data").mkdir()
    (tmp_path / "..data" / "acme.yaml").write_text(merchant())
    (tmp_path / "acme.yaml").symlink_to(tmp_path / "..data" / "acme.yaml")
    assert list(load_fleet(tmp_path).merchants) == ["acme"]


def test_what_is_no_regular_file_is_a_complaint(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    (only,) = load_fleet(tmp_path).diagnostics
    assert "not a regular file" in only.what


def test_files_of_other_kinds_and_hidden_ones_are_none_of_our_business(tmp_path: Path) -> None:
    (tmp_path / ".github").mkdir()
    (tmp_path / ".github" / "ci.yaml").write_text("on: push")
    (tmp_path / "README.md").write_text("# read me")
    assert load_fleet(tmp_path).is_complete


def _link(path: Path, target: str) -> None:
    path.symlink_to(target)


def _unreadable(path: Path) -> None:
    path.mkdir() if path.suffix == "" else path.write_text(merchant())
    path.chmod(0)


@pytest.mark.parametrize(
    ("name", "make", "what"),
    [
        ("acme.yaml", lambda path: path.write_text(""), "no manifest in this file"),
        ("acme.yaml", lambda path: path.write_text("\n \n"), "no manifest in this file"),
        ("acme.yaml", lambda path: path.write_text("---\n"), "no manifest in this file"),
        (
            "acme.yaml",
            lambda path: path.write_text("# nothing yet\n---\n---\n# kind: Merchant\n"),
            "no manifest in this",
        ),
        ("acme.yml", lambda path: path.mkdir(), "a folder that is called like a manifest"),
        ("acme.yaml", lambda path: _link(path, "gone.yaml"), "a link to something that is not there"),
        ("acme.yaml", lambda path: _link(path, "acme.yaml"), "a link to something that is not there"),
        ("shops", lambda path: _link(path, "gone"), "a link to something that is not there"),
        ("acme.yaml", lambda path: _link(path, "sub"), "a folder that is called like a manifest"),
        ("acme.YAML", lambda path: path.write_text(merchant()), "a name that ends in .YAML"),
        ("acme.yaml", _unreadable, "cannot be read: Permission denied"),
        ("shops", _unreadable, "a folder that cannot be read: Permission denied"),
    ],
)
def test_whatever_might_be_a_manifest_and_is_none_is_a_complaint(
    tmp_path: Path, name: str, make: Callable[[Path], object], what: str
) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "other.yaml").write_text(merchant("other"))
    make(tmp_path / name)
    if "Permission" in what and os.access(tmp_path / name, os.R_OK):
        pytest.skip("whoever runs this may read everything")
    found = load_fleet(tmp_path)
    (only,) = found.diagnostics
    assert (only.file, only.line, only.column) == (str(tmp_path / name), 1, 1)
    assert what in only.what
    assert only.remedy
    assert list(found.merchants) == ["other"]
    assert not found.is_complete


def test_a_link_to_a_file_that_is_not_read_at_its_own_place_is_read(tmp_path: Path) -> None:
    (tmp_path / "acme.txt").write_text(merchant())
    (tmp_path / "acme.yaml").symlink_to("acme.txt")
    assert list(load_fleet(tmp_path).merchants) == ["acme"]


# --- digests


def test_the_digest_follows_the_wish_and_not_the_place_where_it_is_written(tmp_path: Path) -> None:
    first = fleet(tmp_path, merchant(profile="base"), profile(**BASE))
    moved = fleet(tmp_path, profile(**BASE), "\n\n", merchant(profile="base"))
    changed = fleet(tmp_path, merchant(profile="base", enabled=False), profile(**BASE))
    assert first.digest == moved.digest != changed.digest
    assert first.merchants["acme"].digest != changed.merchants["acme"].digest


def test_null_and_absent_are_two_wishes(tmp_path: Path) -> None:
    absent = wanted(tmp_path, merchant())
    null = wanted(tmp_path, merchant(mapping={"sales": {"customer": None}}))
    assert absent.digest != null.digest


def test_readable_merchants_are_there_beside_the_complaints_about_others(tmp_path: Path) -> None:
    found = fleet(tmp_path, merchant("good"), merchant("bad", enabled="no"))
    assert list(found.merchants) == ["good"]
    assert found.known_names == {"good", "bad"}
    assert not found.is_complete


def test_what_lives_while_manifests_are_loaded_once_more_is_collected_when_it_is_garbage(tmp_path: Path) -> None:
    """A controller loads them again and again, for months."""

    class Ring:
        def __init__(self) -> None:
            self.next = self

    fleet(tmp_path, merchant())
    ring = Ring()
    is_there = weakref.ref(ring)
    fleet(tmp_path, merchant())
    del ring
    gc.collect()
    assert is_there() is None
