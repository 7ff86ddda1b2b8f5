"""A name is one name: in whichever Unicode form it is saved, however Codat keeps it, and whatever nobody sees."""

from __future__ import annotations

import asyncio
import json
import unicodedata
from typing import Any, Literal

import pytest

from state import open_state
from tests.end_to_end.place import (
    Place,
    changes_by_merchant,
    count_writes_by_call,
    findings_by_code,
    states_by_merchant,
)

Form = Literal["NFC", "NFD"]


def in_form(form: Form, place: Place) -> None:
    """Every manifest saved anew in another Unicode form, as an editor or `git` on another system does."""
    for file in place.manifests.iterdir():
        values = json.loads(unicodedata.normalize(form, json.dumps(json.loads(file.read_text()), ensure_ascii=False)))
        file.write_text(json.dumps(values, ensure_ascii=False))


def called(place: Place) -> list[str]:
    return [str(each["name"]) for each in place.companies()]


def test_a_manifest_that_is_saved_in_another_unicode_form_makes_no_second_company(place: Place) -> None:
    place.provision("Café")
    assert called(place) == ["Caf"]
    in_form("NFD", place)
    with place.count_requests() as counts:
        place.apply()
    assert (count_writes_by_call(counts), called(place)) == ({}, ["Caf"])
    assert states_by_merchant(place.plan(unicodedata.normalize("NFC", "Café"))) == {"Café": "in-sync"}


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_a_merchant_is_found_by_its_name_in_whichever_form_that_is_typed(place: Place, form: Form) -> None:
    place.provision("Café")
    typed = unicodedata.normalize(form, "Café")
    for arguments in (("status", typed), ("plan", "--target", typed), ("explain", typed), ("history", typed)):
        found = place.run_in_process(*arguments)
        assert found.returncode == 0, (arguments, found.stderr)
        assert "Café" in found.stdout or "company.name" in found.stdout


def test_a_state_that_has_a_name_in_another_form_goes_on_with_its_company(place: Place) -> None:
    """Before names were read in one form, `Cafe` with a combining accent became the company `Cafe`."""
    place.provision("Café")
    apart = unicodedata.normalize("NFD", "Café")

    async def as_before() -> None:
        async with open_state(place.settings.state) as store:
            await store.merchants.rename_many({apart: "Café"}, at=place.environment.clock(), blocking_states=())

    asyncio.run(as_before())
    with place.count_requests() as counts:
        place.apply()
    assert (count_writes_by_call(counts), called(place)) == ({}, ["Caf"])
    assert findings_by_code(place.plan(), "Café") == {}


def test_names_of_the_books_are_found_in_whichever_form_they_come(place: Place) -> None:
    place.profile()
    place.merchant("ann")
    place.apply()
    place.consent_everyone()
    company = place.company("ann")["id"]
    account = {"name": unicodedata.normalize("NFD", "Trinkgelder fürs Café"), "nominalCode": "826"}
    place.emulator.control("POST", f"/companies/{company}/accounts", account)
    place.merchant("ann", mapping={"sales": {"accounts": {"gratuity": {"name": "Trinkgelder fürs Café"}}}})
    place.apply()
    assert states_by_merchant(place.plan()) == {"ann": "in-sync"}


@pytest.mark.parametrize("name", ["Acme\u00a0Coffee", "Acme\u200bCoffee", "Acme Coffee ", "Acme  Coffee", " Acme"])
@pytest.mark.parametrize("place_of_name", ["metadata", "company", "profile"])
def test_what_nobody_sees_in_a_name_is_refused_with_its_character(place: Place, name: str, place_of_name: str) -> None:
    place.profile()
    specs: dict[str, dict[str, Any]] = {
        "metadata": {},
        "company": {"company": {"name": name}},
        "profile": {"profile": name},
    }

    place.merchant(name if place_of_name == "metadata" else "ann", **specs[place_of_name])
    found = place.run_in_process("validate")
    assert found.returncode == 65
    assert "(U+" in found.stderr
    assert 'write "Acme' in found.stderr


def test_a_name_that_the_service_strips_to_doubled_or_outer_white_space_is_refused_with_what_to_write(
    place: Place,
) -> None:
    place.profile()
    place.merchant("tea", company={"name": "日本茶 shop"})
    place.merchant("dash", company={"name": "Acme \N{EN DASH} Foods"})
    found = place.run_in_process("validate")
    assert found.returncode == 65
    assert "strips the company name '日本茶 shop' to ' shop'" in found.stderr
    assert 'begins with a SPACE (U+0020) (write company: {name: "shop"})' in found.stderr
    assert 'are both a SPACE (U+0020) (write company: {name: "Acme Foods"})' in found.stderr
    place.merchant("tea", company={"name": "shop"})
    place.merchant("dash", company={"name": "Acme Foods"})
    place.apply()
    assert called(place) == ["Acme Foods", "shop"]


def test_a_name_of_which_little_is_left_is_shown_as_the_service_keeps_it(place: Place) -> None:
    place.profile()
    place.merchant("tea", company={"name": "日本茶shop"})
    assert "all that Codat keeps of '日本茶shop'" in place.run_in_process("plan").stdout
    assert "Codat keeps only 'shop' of the company name '日本茶shop'" in place.run_in_process("validate").stderr
    place.apply()
    assert states_by_merchant(place.plan()) == {"tea": "waiting"}


def test_a_company_beside_which_another_is_about_to_be_created_is_named_with_what_sets_them_apart(
    place: Place,
) -> None:
    place.emulator.merchant("ACME coffee")
    place.profile()
    place.merchant("acme", company={"name": "Acme Coffee"})
    plan = place.plan()
    found = findings_by_code(plan, "acme")["company-similar"]
    assert "'ACME coffee': that differs only by case from 'Acme Coffee'" in found.cause
    assert changes_by_merchant(plan) == {"acme": ["create-company", "create-connection"]}
    place.merchant("acme", company={"name": "ACME coffee"})  # the remedy, followed
    plan = place.plan()
    assert "company-similar" not in findings_by_code(plan, "acme")
    assert [each.adopts for each in plan.plans] == [True]


def test_two_manifests_whose_companies_readers_would_take_for_one_are_said_before_both_are_created(
    place: Place,
) -> None:
    place.profile()
    place.merchant("acme")
    place.merchant("ACME")
    plan = place.plan()
    assert {name: [*findings_by_code(plan, name)] for name in ("acme", "ACME")} == {
        "acme": ["company-similar"],
        "ACME": ["company-similar"],
    }


@pytest.mark.parametrize("live", ["Acme Coffee ", "Acme  Coffee", " Acme Coffee"])
def test_a_company_whose_white_space_is_other_is_adopted_and_not_renamed(place: Place, live: str) -> None:
    place.emulator.merchant(live)
    place.profile()
    place.merchant("acme", company={"name": "Acme Coffee"})
    place.apply()
    assert called(place) == [live]
    assert changes_by_merchant(place.plan()) == {}


def test_of_two_companies_the_one_of_exactly_that_name_is_adopted(place: Place) -> None:
    for name in ("Acme  Coffee", "Acme Coffee"):
        place.emulator.merchant(name)
    place.profile()
    place.merchant("acme", company={"name": "Acme Coffee"})
    (plan,) = place.plan().plans
    assert (plan.adopts, plan.company_id) == (True, place.company("Acme Coffee")["id"])


def test_a_service_that_trims_names_makes_no_twin_where_the_answer_of_a_create_is_lost(place: Place) -> None:
    place.emulator.control("PATCH", "/settings", {"tidyNames": True})
    place.profile()
    place.merchant("acme", company={"name": "Acme Coffee"})
    fault = {"match": "POST /meta/companies/sync", "times": 1, "do": "lose-answer"}
    place.emulator.control("POST", "/faults", fault)
    for _ in range(3):
        place.apply()
    assert called(place) == ["Acme Coffee"]
    assert changes_by_merchant(place.plan()) == {}


def test_what_is_imported_from_untidy_names_is_taken_for_the_same_companies(place: Place) -> None:
    for name in ("Acme  Coffee", " Bob's "):
        place.emulator.merchant(name)
    place.manifests.rmdir()
    assert place.run_in_process("import").returncode == 0
    assert place.run_in_process("validate").returncode == 0
    assert changes_by_merchant(place.plan()) == {}
    assert {each.merchant for each in place.plan().plans} == {"Acme Coffee", "Bob's"}
