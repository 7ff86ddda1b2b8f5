"""Rules and webhook consumers, declared in AlertRules: created once, never updated, replaced beside."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from controller.model.account_settings import ACCOUNT_NAME
from controller.model.hooks import DeclaredHook, Hook, HookKind, SecretRef
from controller.model.plan import Finding, Plan
from controller.model.report import Applied, Failed
from controller.reconcile.hooks import hook_to_json
from state import DeliveryProof, ReceivedDelivery, open_state
from tests.crash.disturbance import Disturbance, Killed, disturbed
from tests.emulator import Emulator
from tests.end_to_end.place import Place, count_writes_by_call, outcome_of
from tests.intercept import Forward, intercepted
from tests.narrowing import present

HOOKS = "https://hooks.example.com/webhooks"
MAIN: dict[str, Any] = {
    "url": HOOKS,
    "eventTypes": ["connection.deleted", "connection.connected"],
    "secret": {"env": "FIRST"},
}
STATUS = {"type": "DataConnectionStatusChanged", "webhook": HOOKS}
CREATE_CONSUMER, CREATE_RULE = "POST /webhooks", "POST /rules"


@pytest.fixture
def emulator(emulator_in_process: Emulator) -> Emulator:
    """No socket is the subject here."""
    return emulator_in_process


def declare(place: Place, rules: dict[str, Any] | None = None, consumers: dict[str, Any] | None = None) -> None:
    spec = {"rules": rules or {}, "consumers": consumers or {}}
    manifest = {"apiVersion": "merchantctl/v1", "kind": "AlertRules", "metadata": {"name": "hooks"}, "spec": spec}
    (place.manifests / "alert-rules.yaml").write_text(json.dumps(manifest, indent=1))


def consumers(place: Place) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = place.emulator.api.get("/webhooks").json()["results"]
    return found


def rules(place: Place) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = place.emulator.api.get("/rules?page=1&pageSize=100").json()["results"]
    return found


def account(place: Place) -> Plan:
    return present(place.plan().account)


def said(place: Place) -> dict[str, Finding]:
    return {each.code: each for each in account(place).findings}


def prove(place: Place, source: str, key_id: str) -> None:
    """A delivery came to `run`, proven by the secret at that place."""

    async def receive() -> None:
        async with open_state(place.settings.state) as store:
            proof = DeliveryProof(source, key_id)
            await store.inbox.save_and_schedule_looks(
                ReceivedDelivery(key_id, "connection.deleted", None, datetime.now(UTC), proof)
            )

    asyncio.run(receive())


def test_what_lacks_is_created_once(place: Place) -> None:
    declare(place, {"status": STATUS}, {"main": MAIN})
    with place.count_requests() as first:
        assert outcome_of(place.apply(), ACCOUNT_NAME, Applied).writes == 2
    with place.count_requests() as again:
        place.apply()
    assert count_writes_by_call(first) == {CREATE_RULE: 1, CREATE_CONSUMER: 1}
    assert count_writes_by_call(again) == {}
    (consumer,), (rule,) = consumers(place), rules(place)
    assert (consumer["url"], sorted(consumer["eventTypes"])) == (HOOKS, sorted(MAIN["eventTypes"]))
    assert (rule["type"], rule["notifiers"]["webhook"]) == (STATUS["type"], HOOKS)
    assert f"copy the signing secret of {consumer['id']} from Codat's portal to env FIRST" in (
        said(place)["consumer-unproven"].remedy
    )
    assert place.run_in_process("apply", "--yes").returncode == 0, "a secret to copy hinders nobody"
    prove(place, "env FIRST", "k1")
    assert said(place) == {}


def test_what_is_there_as_declared_is_taken_over_and_a_rule_of_one_company_is_not(place: Place) -> None:
    company = place.emulator.merchant("acme")["companyId"]
    body = {"type": STATUS["type"], "notifiers": {"webhook": HOOKS}}
    place.emulator.api.post("/rules", json={**body, "companyId": company}).raise_for_status()
    place.emulator.api.post("/rules", json=body).raise_for_status()
    made = {"url": HOOKS, "eventTypes": list(reversed(MAIN["eventTypes"]))}
    place.emulator.api.post("/webhooks", json=made).raise_for_status()
    declare(place, {"status": STATUS}, {"main": MAIN})
    with place.count_requests() as counts:
        place.apply()
    assert count_writes_by_call(counts) == {}
    assert account(place).changes == ()


def test_a_difference_is_told_and_nothing_is_created_beside_it(place: Place) -> None:
    declare(place, {"status": STATUS}, {"main": MAIN})
    place.apply()
    declare(place, {"status": {**STATUS, "webhook": f"{HOOKS}/2"}}, {"main": {**MAIN, "url": f"{HOOKS}/2"}})
    with place.count_requests() as counts:
        applied = place.run_in_process("apply", "--yes")
    assert (applied.returncode, count_writes_by_call(counts)) == (3, {})
    found = said(place)
    assert "or delete it there, to have it created as declared: merchantctl apply" in found["rule-changed"].remedy
    assert "write another variable or file under secret" in found["consumer-changed"].remedy
    assert found["consumer-changed"].direction == "pending"


def test_what_looks_like_a_password_in_an_address_is_in_no_output_and_is_sent(place: Place) -> None:
    declare(place, {"status": {**STATUS, "webhook": f"{HOOKS}?token=t0p-s3cret"}}, {"main": MAIN})
    place.apply()
    assert rules(place)[0]["notifiers"]["webhook"].endswith("?token=t0p-s3cret")
    declare(place, {"status": {**STATUS, "webhook": f"{HOOKS}?token=0ther-s3cret"}}, {"main": MAIN})
    assert "what differs is masked here" in said(place)["rule-changed"].cause
    commands = ("plan", "plan -o json", "plan -o markdown", "drift -o html", "history (account)", "doctor")
    done = [place.run_in_process(*command.split()) for command in commands]
    assert [each.args for each in done if "s3cret" in each.stdout + each.stderr] == []


def test_a_consumer_is_replaced_beside_and_the_old_one_goes_once_the_new_secret_is_proven(place: Place) -> None:
    """The story of one secret that is to change, without an event lost."""
    declare(place, consumers={"main": MAIN})
    place.apply()
    prove(place, "env FIRST", "k1")
    (old,) = consumers(place)

    declare(place, consumers={"main": {**MAIN, "url": f"{HOOKS}/2", "secret": {"file": "/run/secrets/second"}}})
    place.apply()
    assert {each["url"] for each in consumers(place)} == {HOOKS, f"{HOOKS}/2"}
    assert "to file /run/secrets/second" in said(place)["consumer-replaced"].remedy
    with place.count_requests() as meanwhile:
        place.apply()
    assert count_writes_by_call(meanwhile) == {}

    prove(place, "env FIRST", "k1")
    prove(place, "file /run/secrets/second", "k1")
    assert account(place).changes == (), "the new place has the old secret"
    prove(place, "file /run/secrets/second", "k2")
    with place.count_requests() as done:
        place.apply()
    assert count_writes_by_call(done) == {"DELETE /webhooks/{webhookId}": 1}
    (left,) = consumers(place)
    assert left["id"] != old["id"]
    assert account(place).status == "in-sync"


def test_what_somebody_deleted_is_created_anew_and_what_was_disabled_is_told(place: Place) -> None:
    declare(place, consumers={"main": MAIN})
    place.apply()
    (made,) = consumers(place)
    place.emulator.control("PATCH", f"/webhooks/{made['id']}", {"disabled": True})
    assert said(place)["consumer-changed"].cause == "Codat has disabled it"
    place.emulator.api.delete(f"/webhooks/{made['id']}").raise_for_status()
    assert said(place)["consumer-missing"].direction == "drift"
    place.apply()
    assert len(consumers(place)) == 1


def test_a_place_for_a_secret_that_was_not_named_before_replaces_nothing(place: Place) -> None:
    declare(place, consumers={"main": {key: MAIN[key] for key in ("url", "eventTypes")}})
    place.apply()
    declare(place, consumers={"main": MAIN})
    place.apply()
    declare(place, consumers={"main": {**MAIN, "secret": {"env": "SECOND"}}})
    assert [change.kind for change in account(place).changes] == ["create-consumer"]


def test_where_rules_are_switched_off_it_is_told_and_consumers_are_made_all_the_same(place: Place) -> None:
    declare(place, {"status": STATUS}, {"main": MAIN})
    place.emulator.fault("GET /rules", "status", times=99, code=404)
    assert outcome_of(place.apply(), ACCOUNT_NAME, Applied).writes == 1
    assert len(consumers(place)) == 1
    assert "switched legacy rules off" in said(place)["unknown"].cause


def test_a_refused_create_is_tried_again(place: Place) -> None:
    declare(place, consumers={"main": MAIN})
    place.emulator.fault(CREATE_CONSUMER, "status", code=400)
    assert outcome_of(place.apply(), ACCOUNT_NAME, Failed)
    place.apply()
    assert len(consumers(place)) == 1


CREATES = ("POST /rules", "POST /webhooks")
KILLS = ("killed before the request", "killed after the request", "killed after the commit")


@pytest.mark.parametrize("fault", [*KILLS, "answer lost", "garbled", "500 done", "503"])
def test_whatever_happens_at_a_create_there_is_one_of_each(place: Place, fault: str) -> None:
    """Each create, or each commit of the run, disturbed; then it is done again, later."""
    place.skip_waits()
    declare(place, {"status": STATUS}, {"main": MAIN})
    undisturbed = Disturbance()
    with disturbed(place, undisturbed):
        place.apply()
    points = [at for at, request in enumerate(undisturbed.requests) if request in CREATES]
    if fault == KILLS[-1]:
        points = list(range(len(undisturbed.commits)))
    assert len(points) >= len(CREATES)
    for at in points:
        place.emulator.control("POST", "/reset")
        place.use_state_file(place.folder / f"{at}.db")
        disturbance = Disturbance(fault, at, place.emulator.fault)
        with disturbed(place, disturbance), suppress(Killed):
            place.apply()
        assert disturbance.has_happened
        place.emulator.control("DELETE", "/faults")
        place.wait(61)
        place.apply()
        assert (len(rules(place)), len(consumers(place))) == (1, 1), (at, disturbance.requests, disturbance.commits)
        assert account(place).changes == ()


@pytest.mark.parametrize(("hours", "done_after_s"), [(-5, 40), (5, 1_000_000)], ids=["behind", "ahead"])
def test_a_lost_create_is_decided_after_a_minute_though_the_clock_was_put_right_since(
    place: Place, hours: int, done_after_s: int
) -> None:
    """Where it was behind, a second one was made at once; where it was ahead, none before the clock had caught up."""
    place.set_create_settle(5, late=60)
    place.skip_waits()
    declare(place, consumers={"main": MAIN})
    right = place.environment
    place.environment = replace(right, clock=lambda: right.clock() + timedelta(hours=hours))
    place.emulator.fault(CREATE_CONSUMER, "complete-late", seconds=done_after_s, code=504)
    place.apply()
    place.environment = right
    place.apply()
    assert "consumer-pending" in said(place)
    place.wait(61)
    place.apply()
    assert len(consumers(place)) == 1
    assert account(place).changes == ()


def test_a_lost_create_that_had_to_wait_for_its_turn_is_decided_a_minute_after_it_was_sent(place: Place) -> None:
    """Counted from before the wait, that minute was over when it left: a second one was made at once."""
    place.set_create_settle(5, late=60)
    place.skip_waits()
    declare(place, consumers={"main": MAIN})
    patient, busy = place.environment, [httpx.Response(429, headers={"Retry-After": "0"})]

    async def middle(request: httpx.Request, onward: Forward) -> httpx.Response:
        if f"{request.method} {request.url.path}" == CREATE_CONSUMER and busy:
            await patient.sleep(80)
            return busy.pop()
        return await onward(request)

    place.environment = intercepted(patient, middle)
    place.emulator.fault(CREATE_CONSUMER, "complete-late", seconds=40, code=504)
    place.apply()
    place.apply()
    assert "consumer-pending" in said(place)
    place.wait(61)
    place.apply()
    assert len(consumers(place)) == 1
    assert account(place).changes == ()


def test_what_another_run_took_over_meanwhile_is_taken_over_once(place: Place) -> None:
    """Two runs plan at the same time: the later one finds it taken over already."""
    made = {"url": HOOKS, "eventTypes": MAIN["eventTypes"]}
    place.emulator.api.post("/webhooks", json=made).raise_for_status()
    declare(place, consumers={"main": MAIN}, rules={"status": STATUS})

    def agree_late(_: object) -> bool:
        place_of_another = Place(place.folder, place.emulator)
        with ThreadPoolExecutor(1) as pool:
            pool.submit(adopt_now, place_of_another, consumers(place)[0]["id"]).result()
        return True

    place.apply(agree=agree_late)
    assert recorded_consumers(place) == [(consumers(place)[0]["id"], False)]


def test_what_was_replaced_by_newer_manifests_meanwhile_is_not_taken_over_by_the_older_ones(place: Place) -> None:
    """The older ones planned to take over what is there; before they wrote, the newer ones had a consumer of theirs."""
    place.emulator.api.post("/webhooks", json={"url": HOOKS, "eventTypes": MAIN["eventTypes"]}).raise_for_status()
    declare(place, consumers={"main": MAIN}, rules={"status": STATUS})

    def agree_late(_: object) -> bool:
        made = {"url": f"{HOOKS}/2", "eventTypes": MAIN["eventTypes"]}
        newer = place.emulator.api.post("/webhooks", json=made).json()["id"]
        with ThreadPoolExecutor(1) as pool:
            pool.submit(adopt_now, Place(place.folder, place.emulator), newer, f"{HOOKS}/2", "SECOND").result()
        return True

    place.apply(agree=agree_late)
    (newer,) = (each["id"] for each in consumers(place) if each["url"] == f"{HOOKS}/2")
    assert recorded_consumers(place) == [(newer, False)]


def test_what_a_lost_create_did_not_make_is_taken_over_as_it_is_declared_by_now(place: Place) -> None:
    """Under what was declared then, its secret would be one that moves: a second consumer would be made."""
    place.skip_waits()
    declare(place, consumers={"main": MAIN})
    place.emulator.fault(CREATE_CONSUMER, "drop")
    place.apply()
    assert consumers(place) == []
    declare(place, consumers={"main": {**MAIN, "url": f"{HOOKS}/2", "secret": {"env": "SECOND"}}})
    by_hand = {"url": f"{HOOKS}/2", "eventTypes": MAIN["eventTypes"]}
    place.emulator.api.post("/webhooks", json=by_hand).raise_for_status()
    place.wait(61)
    with place.count_requests() as counts:
        place.apply()
        place.apply()
    assert count_writes_by_call(counts) == {}
    assert recorded_consumers(place) == [(consumers(place)[0]["id"], False)]


def recorded_consumers(place: Place) -> list[tuple[str | None, bool]]:
    """The id of each that the state remembers, and whether another one has taken its place."""

    async def load() -> list[tuple[str | None, bool]]:
        async with open_state(place.settings.state) as store:
            rows = await store.hooks.load()
        return [(row.remote_id, row.replaced_at is not None) for row in rows if row.kind == "consumer"]

    return asyncio.run(load())


def adopt_now(place: Place, remote_id: str, url: str = HOOKS, secret: str = "FIRST") -> None:
    async def adopt() -> None:
        async with open_state(place.settings.state) as store:
            hook = Hook(HookKind.CONSUMER, frozenset(MAIN["eventTypes"]), url)
            declared = hook_to_json(DeclaredHook("main", hook, SecretRef("env", secret)))
            await store.hooks.adopt_and_replace_others("consumer", "main", declared, remote_id, datetime.now(UTC))

    asyncio.run(adopt())
