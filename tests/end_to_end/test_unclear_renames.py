"""A merchant's name changes in Git, and the company's with it: a person says who is who before anyone is taken down."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from controller.daemon.workqueue import EVERYONE
from tests.end_to_end import following
from tests.end_to_end.place import (
    CREATE_COMPANY,
    SAVE_CONFIGURATION,
    Place,
    count_writes_by_call,
    findings_by_code,
    states_by_merchant,
)
from tests.end_to_end.stepped_controller import running_service
from tests.end_to_end.test_overlapping_passes import reload_manifests
from tests.end_to_end.test_renames import ask, called, owners, untouched

POLICIES = ("Unlink", "Delete")
CODE = "rename-unclear"


def policy(deletion: str = "Unlink") -> dict[str, Any]:
    return {"policy": {"deletion": deletion}}


def renamed_in_its_file(place: Place, old: str, new: str) -> None:
    """`metadata.name` is changed, and nothing else: the file stays, and is called as before."""
    file = place.manifests / f"merchant-{old}.yaml"
    manifest = json.loads(file.read_text())
    manifest["metadata"]["name"] = new
    file.write_text(json.dumps(manifest))


def write_the_line(place: Place, file: str, old: str) -> None:
    path = place.manifests / f"merchant-{file}.yaml"
    manifest = json.loads(path.read_text())
    manifest["metadata"]["renamedFrom"] = old
    path.write_text(json.dumps(manifest))


def finding(place: Place, merchant: str) -> Any:
    return findings_by_code(place.plan(), merchant)[CODE]


@pytest.mark.parametrize("deletion", POLICIES)
def test_a_name_changed_in_its_file_takes_nobody_down_and_creates_no_second_company(
    place: Place, deletion: str
) -> None:
    place.provision("acme", "bakery", **policy(deletion))
    renamed_in_its_file(place, "acme", "acme-coffee")
    with untouched(place):
        said = ask(place, "apply", "--yes", "--allow", "delete", "--allow", "unlink", "--allow", "disable", code=3)
        ask(place, "run", "--once", code=3)
    assert said.count(CODE) == 2
    assert states_by_merchant(place.plan()) == {"acme": "blocked", "acme-coffee": "blocked", "bakery": "in-sync"}
    bound = owners(place)["acme"]
    write_the_line(place, "acme", "acme")
    place.apply()
    assert owners(place)["acme-coffee"] == bound
    assert [each["name"] for each in place.companies()] == ["acme-coffee", "bakery"]
    assert states_by_merchant(place.plan()) == {"acme-coffee": "in-sync", "bakery": "in-sync"}


def test_run_creates_the_newcomer_in_a_short_pass_and_takes_nobody_down_in_the_long_one(place: Place) -> None:
    """Another file, declared alike: who it is stands to be said, and nobody new has to wait for that."""
    place.provision("acme", "bakery", **policy())

    async def story() -> None:
        async with running_service(place) as service:
            called(place, "acme", "acme-coffee", **policy())
            await reload_manifests(service)
            await service.told_of(["acme-coffee"])
            assert place.company("acme-coffee")
            with place.count_requests() as during:
                await service.told_of([EVERYONE])
            assert count_writes_by_call(during) == {}
            assert states_by_merchant(service.plan)["acme"] == "blocked"

    asyncio.run(story())
    assert place.document("acme")["enabled"] is True
    assert "acme-coffee, which declares the same but for names and labels" in finding(place, "acme").cause


def test_the_remedy_works_where_the_newcomer_has_a_company_already(place: Place) -> None:
    place.provision("acme", **policy())
    called(place, "acme", "acme-coffee", **policy())
    place.apply()
    before = owners(place)
    held = finding(place, "acme")
    ((path, line),) = following.writes(held.remedy)
    following.written(place, "acme-coffee", path, line)
    following.run(place, following.commands(held.remedy)[0])
    place.apply()
    assert owners(place) == {"acme-coffee": before["acme"]}
    stood = place.plan()
    assert states_by_merchant(stood) == {"acme-coffee": "in-sync"}
    assert set(findings_by_code(stood, "acme-coffee")) == {"company-duplicate", "renamed-already"}, "two to be deleted"


def test_a_release_takes_down_exactly_whom_it_names_and_asks_no_more(place: Place) -> None:
    place.provision("acme", "bakery", "cafe", "deli", **policy("Disable"))
    for old in ("acme", "bakery"):
        renamed_in_its_file(place, old, f"{old}-2")
    ask(place, "apply", "--yes", code=3)
    remedy = finding(place, "acme").remedy
    (release,) = following.commands(remedy)
    assert release == ["apply", "--allow", "take-down=acme"]
    following.run(place, release)
    assert place.document("acme")["enabled"] is False
    assert place.document("bakery")["enabled"] is True
    stood = states_by_merchant(place.plan())
    assert {name: stood.get(name) for name in ("acme", "acme-2", "bakery", "bakery-2")} == {
        "acme": None,
        "acme-2": "waiting",
        "bakery": "blocked",
        "bakery-2": "blocked",
    }


def test_a_take_down_that_failed_is_not_asked_about_again(place: Place) -> None:
    place.provision("acme", **policy("Disable"))
    renamed_in_its_file(place, "acme", "acme-2")
    place.emulator.fault(SAVE_CONFIGURATION, "status", times=9, code=422)
    ask(place, "apply", "--yes", "--allow", "take-down=acme", code=3)
    place.emulator.control("DELETE", "/faults")
    assert states_by_merchant(place.plan())["acme"] == "change"
    place.apply()
    assert place.document("acme")["enabled"] is False


def test_an_apply_of_its_file_alone_creates_no_second_company_either(place: Place) -> None:
    place.provision("acme", **policy())
    renamed_in_its_file(place, "acme", "acme-coffee")
    with untouched(place):
        said = ask(place, "apply", "--yes", str(place.manifests / "merchant-acme.yaml"), code=3)
    assert CODE in said


def test_a_name_changed_twice_before_the_line_is_written_is_one_rename(place: Place) -> None:
    place.provision("acme", **policy())
    bound = owners(place)
    renamed_in_its_file(place, "acme", "acme-2")
    ask(place, "apply", "--yes", code=3)
    renamed_in_its_file(place, "acme", "acme-3")
    with untouched(place):
        assert ask(place, "apply", "--yes", code=3).count("take-down=acme") == 2
    assert states_by_merchant(place.plan()) == {"acme": "blocked", "acme-3": "blocked"}
    write_the_line(place, "acme", "acme")
    place.apply()
    assert owners(place) == {"acme-3": bound["acme"]}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--allow", "take-down=nobody"], "nobody"),
        (["--allow", "take-down"], "names nobody"),
        (["--allow", "take-down:2"], "by name"),
        (["--allow", "take-down=acme", "--target", "acme"], "whole root"),
    ],
)
def test_a_release_names_a_merchant_of_the_whole_root(place: Place, words: list[str], said: str) -> None:
    place.provision("acme")
    assert said in ask(place, "apply", "--yes", *words, code=64)


def test_a_merchant_that_goes_while_nobody_or_somebody_else_comes_is_taken_down(place: Place) -> None:
    place.provision("acme", "bakery", "cafe", **policy("Disable"))
    place.remove_manifests("acme")
    place.merchant("deli", enabled=False, **policy("Disable"))
    place.apply()
    assert place.document("acme")["enabled"] is False


def test_whoever_comes_with_a_later_change_is_no_evidence(place: Place) -> None:
    place.provision("acme", "bakery", **policy("Disable"))
    place.remove_manifests("acme")
    place.emulator.fault(SAVE_CONFIGURATION, "status", times=9, code=422)
    ask(place, "apply", "--yes", code=3)
    place.emulator.control("DELETE", "/faults")
    place.merchant("acme-coffee", **policy("Disable"))
    place.apply()
    assert place.document("acme")["enabled"] is False


def test_a_fleet_that_is_generated_anew_goes_on_provisioning(place: Place) -> None:
    """Others come each day, all alike: they are created, and of whom they may be is asked once for each who goes."""
    place.provision("a-1", "a-2", "a-3", **policy())
    for old, new in (("a-1", "b-1"), ("a-2", "b-2")):
        called(place, old, new, **policy())
    with place.count_requests() as during:
        said = ask(place, "apply", "--yes", code=3)
    assert count_writes_by_call(during)[CREATE_COMPANY] == 2
    assert said.count("take-down=") == 2
    assert "and 1 more that may be it" in finding(place, "a-1").cause


def test_under_retain_nobody_is_held_and_the_plan_says_who_may_be_it(place: Place) -> None:
    place.provision("acme", **policy("Retain"))
    called(place, "acme", "acme-coffee", **policy("Retain"))
    notes = " ".join(place.plan().notes)
    assert "acme-coffee came when the manifest of acme went" in notes
    assert "metadata.renamedFrom: acme" in notes
    assert CODE not in ask(place, "apply", "--yes")
    assert place.document("acme")["enabled"] is True
    assert place.company("acme-coffee")


def test_a_plan_that_was_declined_remembers_nothing(place: Place) -> None:
    """What somebody only looked at is no load that was carried out."""
    place.provision("acme", **policy())
    file = place.manifests / "merchant-acme.yaml"
    before = file.read_text()
    file.unlink()
    place.merchant("bakery", enabled=False)
    place.apply_or_plan(agree=lambda plan: False)
    file.write_text(before)
    renamed_in_its_file(place, "acme", "acme-coffee")
    with untouched(place):
        place.run_in_process("apply", "--yes", "--target", "acme-coffee")
    assert states_by_merchant(place.plan())["acme"] == "blocked"
