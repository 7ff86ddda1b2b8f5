"""A merchant's name changes in Git: its company lives on under the new name, whatever policy the old one had."""

from __future__ import annotations

import asyncio
import io
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from datetime import UTC, datetime
from threading import Thread
from typing import Any
from unittest.mock import patch

import httpx
import pytest
from sqlalchemy import JSON, Boolean, Integer

from controller.cli.main import run
from controller.model.errors import LockedByOtherRun
from controller.model.report import FleetPlan
from state import open_state
from state.tables import UtcTime, metadata
from tests.end_to_end.place import (
    CREATE_COMPANY,
    Place,
    changes_by_merchant,
    count_writes_by_call,
    findings_by_code,
    states_by_merchant,
)
from tests.end_to_end.stepped_controller import running_service
from tests.intercept import Forward, intercepted

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
POLICIES = ("Retain", "Disable", "Unlink", "Delete")


def ask(place: Place, *arguments: str, code: int | None = 0) -> str:
    """`merchantctl` in this process; what it says on both streams, of JSON and exports stdout alone."""
    out, err = io.StringIO(), io.StringIO()
    with patch.dict(os.environ, place.variables(), clear=True), redirect_stdout(out), redirect_stderr(err):
        ended = run(list(arguments), place.environment)
    assert code is None or ended == code, out.getvalue() + err.getvalue()
    alone = "json" in arguments or "export" in arguments
    return out.getvalue() if alone else out.getvalue() + err.getvalue()


def called(place: Place, old: str, new: str, *, renamed_from: str | None = None, **spec: Any) -> None:
    """The manifest of `old` is that of `new` from now on."""
    place.remove_manifests(old)
    declared(place, new, renamed_from=renamed_from, **spec)


def declared(place: Place, name: str, *, renamed_from: str | None = None, **spec: Any) -> None:
    place.merchant(name, **spec)
    if renamed_from:
        file = place.manifests / f"merchant-{name}.yaml"
        manifest = json.loads(file.read_text())
        manifest["metadata"]["renamedFrom"] = renamed_from
        file.write_text(json.dumps(manifest, indent=1))


def owners(place: Place) -> dict[str, str]:
    """By merchant the company that the state binds it to."""
    listed = json.loads(ask(place, "state", "list", "-o", "json"))["merchants"]
    return {each["merchant"]: each["companyId"] for each in listed if each["companyId"]}


def company(name: str, policy: str = "Unlink") -> dict[str, Any]:
    return {"company": {"name": name}, "policy": {"deletion": policy}}


@contextmanager
def untouched(place: Place) -> Iterator[None]:
    """Nothing is written to Codat meanwhile."""
    with place.count_requests() as during:
        yield
    assert count_writes_by_call(during) == {}


# -- Without a word about it


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("adopt", [True, False])
def test_a_renamed_merchant_is_never_taken_down(place: Place, policy: str, adopt: bool) -> None:
    spec = company("Acme Ltd", policy)
    place.provision("acme", **spec)
    called(place, "acme", "acme-coffee", **spec | {"policy": {"deletion": policy, "adopt": adopt}})
    with untouched(place):
        ask(place, "apply", "--yes", "--allow", "delete", "--allow", "unlink", "--allow", "disable", code=3)
        plan = place.plan()
    assert states_by_merchant(plan) == {"acme": "blocked", "acme-coffee": "blocked"}
    for name in ("acme", "acme-coffee"):
        finding = findings_by_code(plan, name)["merchant-renamed"]
        assert "metadata.renamedFrom: acme" in finding.remedy
        assert "merchantctl state mv acme acme-coffee" in finding.remedy


@pytest.mark.parametrize("name", ["acme LTD", "Acme Ltd", "ACME LTD"])
def test_a_name_that_differs_in_case_or_space_alone_claims_the_company_too(place: Place, name: str) -> None:
    place.provision("acme", **company("Acme Ltd"))
    place.emulator.api.put(f"/companies/{place.company('Acme Ltd')['id']}", json={"name": "Acme  Ltd"})
    called(place, "acme", "acme-coffee", **company(name))
    with untouched(place):
        assert states_by_merchant(place.plan()) == {"acme": "blocked", "acme-coffee": "blocked"}
        place.apply()


def test_a_company_that_the_portal_renamed_is_claimed_by_either_name(place: Place) -> None:
    place.provision("acme", **company("Acme Ltd"))
    id_ = place.company("Acme Ltd")["id"]
    place.emulator.api.put(f"/companies/{id_}", json={"name": "Bakery Ltd"})
    for name in ("Acme Ltd", "Bakery Ltd"):
        called(place, "acme", "acme-coffee", **company(name))
        with untouched(place):
            assert states_by_merchant(place.plan())["acme"] == "blocked"
            place.apply()
        (place.manifests / "merchant-acme-coffee.yaml").rename(place.manifests / "merchant-acme.yaml")


def test_the_others_go_on(place: Place) -> None:
    place.provision("acme", "bakery")
    called(place, "acme", "acme-coffee", company={"name": "acme"})
    place.edit_in_portal("bakery", {"enabled": False})
    place.apply()
    assert place.document("bakery")["enabled"] is True


def test_run_by_itself_does_not_take_it_down_either(place: Place) -> None:
    """One of two, and to be unlinked: as much as `run` may do unasked."""
    place.provision("acme", "bakery", policy={"deletion": "Unlink"})
    called(place, "acme", "acme-coffee", company={"name": "acme"}, policy={"deletion": "Unlink"})
    with untouched(place):
        ask(place, "run", "--once", code=3)
    assert place.document("acme")["enabled"] is True


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("line", [None, "acme"])
def test_state_mv_before_or_after_is_as_good(place: Place, before: bool, line: str | None) -> None:
    place.provision("acme", **company("Acme Ltd"))
    bound = owners(place)["acme"]
    if before:
        ask(place, "state", "mv", "acme", "acme-coffee")
    called(place, "acme", "acme-coffee", renamed_from=line if before else None, **company("Acme Ltd"))
    with untouched(place):
        place.apply()
        if not before:
            ask(place, "state", "mv", "acme", "acme-coffee")
            declared(place, "acme-coffee", renamed_from=line, **company("Acme Ltd"))
            place.apply()
    assert owners(place) == {"acme-coffee": bound}
    assert states_by_merchant(place.plan()) == {"acme-coffee": "in-sync"}


def test_a_merchant_that_is_gone_for_good_still_goes(place: Place) -> None:
    """The proof that the rule holds back nobody else."""
    place.provision("acme", "bakery", policy={"deletion": "Disable"})
    place.remove_manifests("acme")
    place.apply()
    assert place.document("acme")["enabled"] is False


def test_under_the_name_of_a_company_that_was_taken_down_somebody_else_begins_anew(place: Place) -> None:
    place.provision("acme", "bakery", **company_of_its_own("Disable"))
    place.remove_manifests("acme")
    place.apply()
    declared(place, "acme-coffee", company={"name": "acme"})
    place.apply()
    place.apply()
    assert place.document("acme")["enabled"] is True
    declared(place, "acme", company={"name": "Another Ltd"})
    assert changes_by_merchant(place.plan()) == {"acme": ["create-company", "create-connection"]}


def company_of_its_own(policy: str) -> dict[str, Any]:
    return {"policy": {"deletion": policy}}


def test_a_plan_that_takes_one_down_and_creates_another_asks_whether_it_is_a_rename(place: Place) -> None:
    place.provision("acme", **company_of_its_own("Disable"))
    called(place, "acme", "acme-coffee")
    assert any("metadata.renamedFrom" in note for note in place.plan().notes)


# -- metadata.renamedFrom


def test_a_rename_moves_everything_that_is_remembered(place: Place) -> None:
    place.provision("acme", **company("Acme Ltd", "Delete"))
    place.edit_in_portal("Acme Ltd", {"enabled": False})
    place.plan()  # a finding stands in the ledger under the old name
    bound, history = owners(place)["acme"], ask(place, "history", "acme")
    called(place, "acme", "acme-coffee", renamed_from="acme", **company("Acme Ltd", "Delete"))

    shown = ask(place, "plan")
    assert "renamed from acme" in shown
    document = json.loads(ask(place, "plan", "-o", "json"))
    assert {each["merchant"]: each.get("renamedFrom") for each in document["merchants"]} == {"acme-coffee": "acme"}
    assert owners(place) == {"acme": bound}  # a plan moves nothing

    assert "renamed from acme" in ask(place, "apply", "--yes")
    assert owners(place) == {"acme-coffee": bound}
    assert len(ask(place, "history", "acme-coffee").splitlines()) > len(history.splitlines())
    with untouched(place):
        plan = place.plan()
    assert states_by_merchant(plan) == {"acme-coffee": "in-sync"}
    assert list(findings_by_code(plan, "acme-coffee")) == ["renamed-already"]
    assert place.document("Acme Ltd")["enabled"] is True


def test_every_table_about_merchants_is_moved(place: Place) -> None:
    """Whatever table is added: what has a column `merchant` goes along, or the old name is left behind in it."""
    place.provision("acme")
    tables = [table for table in metadata.sorted_tables if "merchant" in table.c]
    assert len(tables) > 10

    async def names(old: str, new: str) -> set[str]:
        async with open_state(place.settings.state) as store:
            async with store._database.writing() as transaction:
                for table in tables:
                    row = {
                        column.name: _some(column) for column in table.c if not (column.nullable or column.name == "id")
                    }
                    await transaction.execute(table.delete())
                    await transaction.execute(table.insert().values(**row | {"merchant": old}))
            await store.merchants.rename_many({new: old}, at=NOW)
            async with store._database.reading() as transaction:
                rows = [await transaction.execute(table.select()) for table in tables]
                return {row.merchant for each in rows for row in each}

    assert asyncio.run(names("acme", "acme-coffee")) == {"acme-coffee"}


def test_a_wish_to_be_off_and_a_hold_of_a_rollout_go_along(place: Place) -> None:
    place.provision("acme", "bakery")
    place.profile(enabled=False)
    ask(place, "rollout", "start", "--yes", "--allow", "disable", "--wave", "1", "--step")
    ask(place, "rollout", "abort")
    held = next(name for name, state in states_by_merchant(place.plan()).items() if state == "waiting")
    called(place, held, f"{held}-2", renamed_from=held, company={"name": held})
    with untouched(place):
        place.apply()
        assert states_by_merchant(place.plan())[f"{held}-2"] == "waiting"


def test_a_chain_moves_each_by_one(place: Place) -> None:
    place.provision("a", "b")
    before = owners(place)
    for name in ("a", "b"):
        place.remove_manifests(name)
    declared(place, "b", renamed_from="a", company={"name": "a"})
    declared(place, "c", renamed_from="b", company={"name": "b"})
    with untouched(place):
        assert {each.merchant: each.renamed_from for each in place.plan().plans} == {"b": "a", "c": "b"}
        place.apply()
        assert owners(place) == {"b": before["a"], "c": before["b"]}
        place.apply()
    assert owners(place) == {"b": before["a"], "c": before["b"]}
    assert states_by_merchant(place.plan()) == {"b": "in-sync", "c": "in-sync"}


def swap(place: Place) -> None:
    declared(place, "a", renamed_from="b", company={"name": "b"})
    declared(place, "b", renamed_from="a", company={"name": "a"})


def test_a_swap_is_made_once_however_often_it_is_read(place: Place) -> None:
    place.provision("a", "b")
    before = owners(place)
    swap(place)
    with untouched(place):
        place.apply()
        assert owners(place) == {"a": before["b"], "b": before["a"]}
        place.apply()
        place.apply()
    assert owners(place) == {"a": before["b"], "b": before["a"]}
    assert {name: list(findings_by_code(place.plan(), name)) for name in "ab"} == {
        "a": ["renamed-already"],
        "b": ["renamed-already"],
    }


def test_a_swap_that_was_taken_back_can_be_made_again(place: Place) -> None:
    place.provision("a", "b")
    before = owners(place)
    for _ in range(3):
        swap(place)
        place.apply()
        declared(place, "a", company={"name": "b"})
        declared(place, "b", company={"name": "a"})
        place.apply()
    assert owners(place) == {"a": before["b"], "b": before["a"]}


def test_a_swap_by_hand_is_not_made_a_second_time(place: Place) -> None:
    place.provision("a", "b")
    before = owners(place)
    for old, new in (("a", "aside"), ("b", "a"), ("aside", "b")):
        ask(place, "state", "mv", old, new)
    swap(place)
    with untouched(place):
        place.apply()
    assert owners(place) == {"a": before["b"], "b": before["a"]}


def test_a_line_that_has_done_its_work_changes_no_exit_code(place: Place) -> None:
    place.provision("acme")
    declared(place, "acme", renamed_from="long-ago")
    ask(place, "plan", "--detailed-exitcode")
    ask(place, "drift")
    ask(place, "apply", "--yes")
    finding = findings_by_code(place.plan(), "acme")["renamed-already"]
    assert finding.remedy == "delete metadata.renamedFrom from the manifest of acme"


def test_a_source_whose_target_has_a_company_of_its_own_is_not_taken_down(place: Place) -> None:
    place.provision("acme", **company_of_its_own("Delete"))
    place.provision("acme-coffee")
    called(place, "acme", "acme-coffee", renamed_from="acme")
    with untouched(place):
        plan = place.plan()
        place.apply(allow=("delete",))
    assert states_by_merchant(plan) == {"acme": "blocked", "acme-coffee": "in-sync"}
    assert list(findings_by_code(plan, "acme-coffee")) == ["renamed-already"]


@pytest.mark.parametrize("verb", ["validate", "plan"])
def test_a_source_with_two_heirs_or_a_manifest_of_its_own_is_a_complaint(place: Place, verb: str) -> None:
    place.profile()
    place.merchant("a")
    declared(place, "b", renamed_from="a")
    declared(place, "c", renamed_from="x")
    declared(place, "d", renamed_from="x")
    declared(place, "e", renamed_from="e")
    said = ask(place, verb, code=65)
    assert "merchant-b.yaml:" in said
    assert "still has a manifest at" in said
    assert "d is renamed from 'x', and so is c (" in said
    assert "c is renamed from 'x', and so is d (" in said
    assert "'e' is renamed from itself" in said


def test_a_rename_waits_for_a_rollout_that_has_the_name(place: Place) -> None:
    place.provision("acme", "bakery")
    place.profile(enabled=False)
    ask(place, "rollout", "start", "--yes", "--allow", "disable", "--wave", "1", "--step")
    called(place, "acme", "acme-coffee", renamed_from="acme", company={"name": "acme"}, policy={"deletion": "Delete"})
    with untouched(place):
        ask(place, "apply", "--yes", "--allow", "delete", code=3)
        finding = findings_by_code(place.plan(), "acme-coffee")["merchant-renamed"]
    assert "rollout-1" in finding.cause
    assert "merchantctl rollout resume rollout-1" in finding.remedy
    assert "acme" in owners(place)
    assert "rollout-1" in ask(place, "state", "mv", "acme", "elsewhere", code=1)
    assert "rollout-1" in ask(place, "state", "rm", "acme", code=1)
    ask(place, "rollout", "abort")
    place.apply()
    assert set(owners(place)) == {"acme-coffee", "bakery"}


def test_a_rollout_begins_under_the_new_name(place: Place) -> None:
    place.provision("acme", "bakery")
    called(place, "acme", "acme-coffee", renamed_from="acme", company={"name": "acme"})
    place.profile(enabled=False)
    ask(place, "rollout", "start", "--yes", "--allow", "disable")
    assert set(owners(place)) == {"acme-coffee", "bakery"}
    assert place.document("acme")["enabled"] is False


def test_a_plan_that_was_declined_has_moved_nothing(place: Place) -> None:
    place.provision("acme")
    called(place, "acme", "acme-coffee", renamed_from="acme")  # the company's name moves along: a change to agree to
    before = owners(place)
    place.apply_or_plan(agree=lambda plan: False)
    assert owners(place) == before
    place.apply()
    assert owners(place) == {"acme-coffee": before["acme"]}
    assert [each["name"] for each in place.companies()] == ["acme-coffee"]


def bound_as_of_old(place: Place, company_id: str) -> None:
    """Everyone to one company, in a state from before that was refused."""

    async def as_of_old() -> None:
        async with open_state(place.settings.state) as store, store._database.writing() as transaction:
            table = metadata.tables["merchants"]
            await transaction.execute(table.update().values(company_id=company_id, contested=True))

    asyncio.run(as_of_old())


def test_a_removed_merchant_whose_company_a_present_one_is_bound_to_is_not_taken_down(place: Place) -> None:
    place.provision("acme", "bakery", policy={"deletion": "Unlink"})
    bound_as_of_old(place, owners(place)["acme"])
    place.remove_manifests("bakery")
    with untouched(place):
        ask(place, "apply", "--yes", "--allow", "unlink", "--allow", "disable", "--allow", "shrink", code=3)
    assert states_by_merchant(place.plan()) == {"acme": "blocked", "bakery": "blocked"}


def test_a_company_that_an_old_state_binds_twice_is_left_alone_until_one_is_forgotten(place: Place) -> None:
    place.provision("acme", "bakery")
    bound_as_of_old(place, owners(place)["acme"])
    with untouched(place):
        ask(place, "apply", "--yes", code=3)
        plan = place.plan()
    assert states_by_merchant(plan) == {"acme": "blocked", "bakery": "blocked"}
    assert "merchantctl state rm bakery" in findings_by_code(plan, "acme")["company-duplicate"].remedy
    ask(place, "state", "rm", "bakery")
    place.apply()
    assert states_by_merchant(place.plan()) == {"acme": "in-sync", "bakery": "in-sync"}


def _some(column: Any) -> Any:
    """A value that fits."""
    kinds = {Integer: 1, Boolean: False, JSON: {}, UtcTime: NOW}
    return next((value for kind, value in kinds.items() if isinstance(column.type, kind)), "x")


def test_a_rename_that_another_run_has_made_and_forgotten_meanwhile_ends_this_run_and_not_the_service(
    place: Place,
) -> None:
    """It goes by manifests without the line by then."""
    place.provision("ann")
    called(place, "ann", "zoe", renamed_from="ann", schedule={"time": "03:00"}, **company("ann"))

    async def rename() -> None:
        async with open_state(place.settings.state) as store:
            await store.merchants.rename("ann", "zoe", at=NOW)
            await store.merchants.forget_renames(kept={})

    def agree(plan: FleetPlan) -> bool:
        other = Thread(target=asyncio.run, args=(rename(),))
        other.start()
        other.join()
        return True

    with pytest.raises(LockedByOtherRun, match=r"first to rename merchants: .*'ann'.* Nothing was done. Run it again."):
        place.apply(agree=agree)
    assert states_by_merchant(place.plan()) == {"zoe": "change"}


def test_what_a_lost_answer_has_made_is_bound_to_the_name_that_the_merchant_has_by_then(place: Place) -> None:
    """It is renamed by another run, while this one looks for what became of the create."""
    declared(place, "ann", **company("ann"))
    place.profile()
    place.emulator.fault(CREATE_COMPANY, "lose-answer")
    asyncio.run(_run_once(place))
    listings = 0

    async def rename_at_second_listing(request: httpx.Request, onward: Forward) -> httpx.Response:
        nonlocal listings
        listings += request.method == "GET" and request.url.path == "/meta/companies"
        if listings == 2:
            listings += 1
            async with open_state(place.settings.state) as store:
                await store.merchants.rename_many({"zoe": "ann"}, at=NOW)
        return await onward(request)

    undisturbed, place.environment = place.environment, intercepted(place.environment, rename_at_second_listing)
    asyncio.run(_run_once(place))
    place.environment = undisturbed
    called(place, "ann", "zoe", renamed_from="ann", **company("ann"))
    place.apply()
    assert set(owners(place)) == {"zoe"}
    assert [each["name"] for each in place.companies()] == ["ann"]


async def _run_once(place: Place) -> None:
    """A look that does not wait for lost answers: as those of `run`."""
    async with running_service(place):
        pass


def test_a_company_that_was_bound_to_the_old_name_after_the_rename_follows_it(place: Place) -> None:
    """The rename had moved a create whose answer was lost; a run by the manifests before it has created it anew."""
    place.provision("ann", policy={"deletion": "Unlink"})
    called(place, "ann", "zoe", renamed_from="ann", **company("ann"))

    async def rename_before_it_was_bound() -> None:
        async with open_state(place.settings.state) as store:
            await store.merchants.forget("ann")
            intent = await store.intents.begin("ann", "company", name="ann", company_id=None, platform=None, at=NOW)
            await store.merchants.rename_many({"zoe": "ann"}, at=NOW)
            await store.intents.close(intent.id, outcome="not done", at=NOW)
            await store.bindings.bind_company("ann", company_id=place.company("ann")["id"], company_name="ann")

    asyncio.run(rename_before_it_was_bound())
    place.apply()
    assert owners(place) == {"zoe": place.company("ann")["id"]}
