"""`impact` says beforehand what doing it shows afterwards, and asks nobody."""

from __future__ import annotations

import json
from typing import Any

import pytest

from controller.model.report import FleetPlan
from tests.end_to_end.place import UK_PROFILE, Place

TIPS = "mapping.sales.accounts.gratuity"


def impact(place: Place, *arguments: str) -> dict[str, Any]:
    with place.count_requests() as counts:
        done = place.run_in_process("impact", *arguments, "-o", "json")
    assert (done.returncode, done.stderr, dict(counts)) == (0, "", {})
    return json.loads(done.stdout)


def effects(answer: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {each["event"]: each for each in answer["effects"]}


def with_finding(place: Place, code: str) -> list[str]:
    return [each.merchant for each in place.plan().plans if any(found.code == code for found in each.findings)]


@pytest.fixture
def three(place: Place) -> Place:
    """ann and bob take the account for tips by name, cat by another one's code; dan is new."""
    place.provision("ann", "bob")
    place.merchant("cat", mapping={"sales": {"accounts": {"gratuity": {"code": "200"}}}})
    place.apply()
    place.consent_everyone()
    place.apply()
    place.merchant("dan")
    return place


def tips(place: Place, name: str) -> dict[str, Any]:
    entry = place.document(name)["configuration"]["sales"]["accounts"]["gratuity"]
    return next(each for each in entry["accountOptions"] if each["name"] == "Tips payable")


def change_books(place: Place, method: str, body: dict[str, Any] | None = None) -> None:
    for name in ("ann", "bob", "cat"):
        path = f"/companies/{place.company(name)['id']}/accounts/{tips(place, name)['id']}"
        place.emulator.control(method, path, body)


def test_who_books_on_an_account_is_found_by_name_and_by_what_it_led_to(three: Place) -> None:
    by_name = impact(three, "account", "Tips payable")
    assert by_name["merchants"] == ["ann", "bob", "dan"]
    code = tips(three, "ann")["nominalCode"]
    assert impact(three, "account", code)["merchants"] == ["ann", "bob"]
    assert impact(three, "account", tips(three, "bob")["id"])["merchants"] == ["bob"]
    (row,) = [each for each in by_name["dependents"] if each["merchant"] == "ann"]
    assert (row["field"], row["standing"]) == (TIPS, "configured")
    assert row["manifest"].startswith("manifests/profile-uk.yaml:")


@pytest.mark.parametrize(
    ("event", "method", "body"),
    [
        ("it is deleted in the books", "DELETE", None),
        ("it is archived in the books", "PATCH", {"status": "Archived"}),
        ("it is renamed in the books", "PATCH", {"name": "Gratuities"}),
    ],
)
def test_what_it_says_of_an_account_happens(three: Place, event: str, method: str, body: dict[str, Any] | None) -> None:
    said = effects(impact(three, "account", "Tips payable"))[event]
    change_books(three, method, body)
    assert with_finding(three, said["finding"]) == [name for name in said["merchants"] if name != "dan"]


def test_who_refers_by_code_is_told_of_a_new_number(three: Place) -> None:
    said = effects(impact(three, "account", "200"))["it is renumbered in the books"]
    assert "cat" in said["merchants"]
    entry = three.document("cat")["configuration"]["sales"]["accounts"]["gratuity"]
    three.emulator.control(
        "PATCH",
        f"/companies/{three.company('cat')['id']}/accounts/{entry['selectedAccountId']}",
        {"nominalCode": "299"},
    )
    assert with_finding(three, said["finding"]) == ["cat"]


def test_labels_and_nobody(three: Place) -> None:
    assert impact(three, "account", "Tips payable", "--target", "ann")["merchants"] == ["ann"]
    shown = three.run_in_process("impact", "account", "no such account").stdout
    assert shown == "account no such account: none of 4 merchants depends on it.\n"


def test_a_profile_says_who_takes_what_and_who_overrides_it(three: Place) -> None:
    answer = impact(three, "profile", "uk")
    takers = {each["merchant"] for each in answer["dependents"] if each["field"] == TIPS}
    assert takers == {"ann", "bob", "dan"}
    assert effects(answer)["it switches its merchants off"]["consequence"].startswith("disable: over the limit of 1")
    three.profile(enabled=False)
    refused = three.apply_or_plan()
    assert isinstance(refused, FleetPlan)
    assert refused.refusal is not None
    assert [each.limited_class for each in refused.refusal.exceeded_limits] == ["disable"]


def test_a_profile_reached_through_another(place: Place) -> None:
    place.profile("base")
    place._write("MappingProfile", "uk", {"extends": "base", "mapping": {"fees": UK_PROFILE["mapping"]["fees"]}})
    place.merchant("ann")
    (how,) = {each["how"] for each in impact(place, "profile", "base")["dependents"]}
    assert how == "through profile uk"
    unknown = place.run_in_process("impact", "profile", "us")
    assert (unknown.returncode, "there are base, uk" in unknown.stderr) == (64, True)


def test_what_it_says_of_a_connection_happens(three: Place) -> None:
    answer = impact(three, "connection", "xero")
    said = effects(answer)
    assert answer["merchants"] == ["ann", "bob", "cat", "dan"]
    assert said["its access is revoked or expires"]["merchants"] == ["ann", "bob", "cat"]
    for name in ("ann", "bob", "cat"):
        three.unlink_books_in_portal(name)
    assert with_finding(three, "connection-deauthorized") == ["ann", "bob", "cat"]
    wrong = three.run_in_process("impact", "connection", "xreo")
    assert (wrong.returncode, "xero" in wrong.stderr) == (64, True)


def test_many_deleted_connections_are_a_mass_loss(place: Place) -> None:
    names = [f"m-{number}" for number in range(5)]
    place.provision(*names)
    said = effects(impact(place, "connection", "xero"))["it is deleted at Codat"]
    assert said["finding"] == "mass-loss"
    for name in names:
        path = f"/companies/{place.company(name)['id']}/connections/{place.accounting_connection(name)['id']}"
        place.emulator.api.delete(path)
    assert [each.code for each in place.plan().findings] == ["mass-loss"]


def test_who_is_suspended_is_told(three: Place) -> None:
    three.merchant("ann", suspend={"reason": "an audit"})
    shown = three.run_in_process("impact", "account", "Tips payable").stdout
    assert "3 of 4 merchants depend on it, 1 of them suspended. Nobody was asked" in shown
