"""The account's own settings, declared in a SyncFlow: kept as declared beside the merchants, and nobody's trouble but
their own."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from controller.daemon.jobs.account_keeper import AccountKeeper
from controller.daemon.loop import run_and_record_pass
from controller.daemon.manifest_watcher import ManifestWatcher, compare_manifests
from controller.daemon.workqueue import EVERYONE
from controller.model.account_settings import ACCOUNT_NAME
from controller.model.controller_status import ControllerStatus
from controller.model.plan import Direction, Finding, Plan
from controller.model.report import Applied, ChangedSincePlan, Failed
from state import AUTHORIZATION_KEY_ID, DeliveryProof, ReceivedDelivery, open_state
from tests.emulator import Emulator
from tests.end_to_end.place import Place, count_writes_by_call, outcome_of, states_by_merchant
from tests.end_to_end.test_ledger_week import running_service
from tests.intercept import Forward, intercepted
from tests.narrowing import present

TEXT = "/sync/commerce/config/ui/text"
SET_TEXT = f"PATCH {TEXT}"
SET_ROWS = "POST /sync/commerce/config/ui/accounts/platform/{platformKey}"
NEXT = "configure-misc-nextButton"
NEXT_PATH = f"text.en-us.{NEXT}"
SALES_TITLE = "configure-content-sales-title"


@pytest.fixture
def emulator(emulator_in_process: Emulator) -> Emulator:
    """No socket is the subject here."""
    return emulator_in_process


def flow(place: Place, **spec: Any) -> None:
    manifest = {"apiVersion": "merchantctl/v1", "kind": "SyncFlow", "metadata": {"name": "flow"}, "spec": spec}
    (place.manifests / "flow.yaml").write_text(json.dumps(manifest, indent=1))


def live_text(place: Place, key: str, locale: str = "en-us") -> str:
    text: str = place.emulator.api.get(TEXT, params={"locale": locale}).json()[key]["text"]
    return text


def set_in_portal(place: Place, key: str, text: str) -> None:
    assert place.emulator.api.patch(TEXT, json={key: text}).is_success


def live_rows(place: Place) -> list[str]:
    rows: list[str] = place.emulator.api.get("/sync/commerce/config/ui/accounts/platform/lqai").json()[
        "visibleAccounts"
    ]
    return rows


def account(place: Place) -> Plan:
    return present(place.plan().account)


def found(place: Place) -> dict[str | None, Finding]:
    """By field; that it comes and goes by our own hand here is no subject."""
    return {each.field: each for each in account(place).findings if each.code != "flapping"}


def test_the_flow_is_branded_from_git_changed_in_the_portal_and_put_back(place: Place) -> None:
    """The story of one flow: declared, written in four requests, drifting, mended, moved on in the manifest."""
    place.emulator.api.put(
        "/profile", json={"name": "Shop", "redirectUrl": "https://old", "alertAuthHeader": "Basic x"}
    )
    flow(
        place,
        text={"en-us": {NEXT: "Continue", SALES_TITLE: ""}, "fr-fr": {NEXT: "Continuer"}},
        visibleAccounts=["sales-accounts-gratuity"],
        redirectUrl="https://shop.example/done",
    )
    with place.count_requests() as first:
        place.apply()
    assert count_writes_by_call(first) == {SET_TEXT: 2, SET_ROWS: 1, "PUT /profile": 1}
    assert (live_text(place, NEXT), live_text(place, SALES_TITLE)) == ("Continue", "")
    assert live_text(place, NEXT, "fr-fr") == "Continuer"
    assert "sales-accounts-gratuity" in live_rows(place)
    assert "payments-accounts-cash" not in live_rows(place)
    profile = place.emulator.api.get("/profile").json()
    assert (profile["redirectUrl"], profile["name"]) == ("https://shop.example/done", "Shop")
    assert profile["alertAuthHeader"] == "Basic x", "what nobody declares comes through"

    with place.count_requests() as again:
        report = place.apply()
    assert count_writes_by_call(again) == {}
    assert present(report.plan.account).status == "in-sync"

    set_in_portal(place, NEXT, "Go on")
    assert found(place)[NEXT_PATH].direction is Direction.DRIFT
    drift = place.run_in_process("drift")
    assert drift.returncode == 2
    assert f"(account)\n  ! flow-changed  {NEXT_PATH}  changed outside merchantctl" in drift.stdout
    codified = place.run_in_process("codify", "--diff")
    assert (codified.returncode, codified.stdout) == (3, "")
    assert f"not codified: (account)  {NEXT_PATH}: no merchant's: merchantctl import --account" in codified.stderr
    with place.count_requests() as mended:
        assert outcome_of(place.apply(), ACCOUNT_NAME, Applied).writes == 1
    assert count_writes_by_call(mended) == {SET_TEXT: 1}
    assert live_text(place, NEXT) == "Continue"

    flow(place, text={"en-us": {NEXT: "Next step"}})
    assert found(place)[NEXT_PATH].direction is Direction.PENDING
    set_in_portal(place, NEXT, "Whatever")
    assert found(place)[NEXT_PATH].direction is Direction.CONFLICT
    assert place.apply().plan.is_complete
    assert live_text(place, NEXT) == "Next step"


def test_what_is_not_declared_costs_no_request_and_stays(place: Place) -> None:
    place.provision("ann")
    with place.count_requests() as without:
        place.plan()
    assert not [call for call in without if "/ui/" in call or "profile" in call]
    set_in_portal(place, SALES_TITLE, "Takings")
    flow(place, text={"en-us": {NEXT: "Continue"}})
    with place.count_requests() as declared:
        place.apply("ann")
    assert not [call for call in declared if "/ui/" in call], "a run about some merchants is not about the account"
    place.apply()
    assert live_text(place, SALES_TITLE) == "Takings"


def test_null_is_codats_own_text_again_and_is_written_once(place: Place) -> None:
    flow(place, text={"en-us": {NEXT: "Continue"}}, visibleAccounts=[])
    place.apply()
    flow(place, text={"en-us": {NEXT: None}}, visibleAccounts=None)
    with place.count_requests() as reset:
        place.apply()
    assert count_writes_by_call(reset) == {SET_TEXT: 1, SET_ROWS: 1}
    assert live_text(place, NEXT) == "Next"
    assert "payments-accounts-cash" in live_rows(place)
    assert account(place).status == "in-sync"
    set_in_portal(place, NEXT, "Go on")
    assert found(place)[NEXT_PATH].direction is Direction.DRIFT


def test_what_is_pulled_when_is_written_whole_on_a_fresh_read(place: Place) -> None:
    flow(place, dataTypes={"invoices": {"fetchOnFirstLink": True}, "taxRates": {"syncSchedule": 24}})
    place.apply()
    settings = place.emulator.api.get("/profile/syncSettings").json()
    by_type = {each["dataType"]: each for each in settings["settings"]}
    assert (by_type["invoices"]["fetchOnFirstLink"], by_type["invoices"]["syncSchedule"]) == (True, 0)
    assert (by_type["taxRates"]["fetchOnFirstLink"], by_type["taxRates"]["syncSchedule"]) == (True, 24)
    assert by_type["taxRates"]["monthsToSync"] == 24
    assert account(place).status == "in-sync"


def test_drift_is_left_alone_where_the_policy_says_so(place: Place) -> None:
    flow(place, text={"en-us": {NEXT: "Continue"}})
    place.apply()
    flow(place, text={"en-us": {NEXT: "Continue"}}, policy={"drift": "Report"})
    set_in_portal(place, NEXT, "Go on")
    with place.count_requests() as nothing:
        place.apply()
    assert count_writes_by_call(nothing) == {}
    assert account(place).status == "drifted"


def test_a_key_that_the_flow_does_not_have_stops_itself_alone(place: Place) -> None:
    flow(place, text={"en-us": {NEXT: "Continue", "configure-misc-nextButon": "x"}})
    place.apply()
    assert live_text(place, NEXT) == "Continue"
    invalid = found(place)["text.en-us.configure-misc-nextButon"]
    assert (invalid.code, invalid.remedy) == (
        "flow-invalid",
        f"did you mean {NEXT_PATH}? Else remove it from the manifest",
    )
    assert place.run_in_process("apply", "--yes").returncode == 3


def test_its_trouble_stops_no_merchant_and_theirs_not_it(place: Place) -> None:
    flow(place, text={"en-us": {NEXT: "Continue"}}, visibleAccounts=[])
    place.profile()
    place.merchant("ann")
    place.emulator.fault(f"GET {TEXT}", "status", times=9, code=403)
    report = place.apply()
    assert states_by_merchant(report.plan) == {"ann": "change"}
    assert outcome_of(report, "ann", Applied).writes == 2
    assert outcome_of(report, ACCOUNT_NAME, Applied).writes == 1, "the part that could be read"
    place.emulator.control("DELETE", "/faults")

    place.merchant("bob")
    place.emulator.fault("POST /meta/companies/sync", "status", times=9, code=400)
    report = place.apply()
    assert isinstance(report.outcomes["bob"], Failed)
    assert outcome_of(report, ACCOUNT_NAME, Applied).writes == 1
    place.emulator.fault(f"GET {TEXT}", "status", times=9, code=403)
    code = place.run_in_process("plan", "-o", "json")
    assert code.returncode == 5
    document = json.loads(code.stdout)
    assert (document["complete"], document["account"]["state"]) == (False, "unknown")


def test_a_lost_answer_is_looked_at_and_nothing_is_written_over_what_moved(place: Place) -> None:
    flow(place, text={"en-us": {NEXT: "Continue"}})
    place.emulator.fault(SET_TEXT, "lose-answer")
    report = place.apply()
    assert outcome_of(report, ACCOUNT_NAME, Applied).writes == 1
    assert account(place).status == "in-sync"

    flow(place, text={"en-us": {NEXT: "Next step"}})

    def agree_late(_: object) -> bool:
        set_in_portal(place, NEXT, "Go on")
        return True

    report = place.apply(agree=agree_late)
    assert outcome_of(report, ACCOUNT_NAME, ChangedSincePlan).what == f"{NEXT_PATH} was Continue, and is Go on now"
    assert live_text(place, NEXT) == "Go on"


def test_a_saved_plan_holds_as_long_as_the_account_stays(place: Place) -> None:
    flow(place, text={"en-us": {NEXT: "Continue"}})
    for moved, code, text in ((False, 0, "Continue"), (True, 3, "Moved")):
        set_in_portal(place, NEXT, "Before")
        assert place.run_in_process("plan", "--out", "plan.json").returncode == 0
        if moved:
            set_in_portal(place, NEXT, text)
        applied = place.run_in_process("apply", "plan.json", "--yes")
        assert (applied.returncode, live_text(place, NEXT)) == (code, text), applied.stdout


def test_it_has_a_history_and_ages_like_a_merchant(place: Place) -> None:
    flow(place, text={"en-us": {NEXT: "Continue"}})
    place.apply()
    set_in_portal(place, NEXT, "Go on")
    place.run_in_process("drift", "--record")
    assert account(place).findings[0].since
    place.apply()
    history = place.run_in_process("history", ACCOUNT_NAME)
    assert history.returncode == 0, history.stderr
    assert "set text of the Sync Flow" in history.stdout
    assert "put right" in history.stdout


def test_run_keeps_it_as_declared_once_an_hour_and_after_a_new_revision(place: Place) -> None:
    flow(place, text={"en-us": {NEXT: "Continue"}})
    place.provision("ann")
    set_in_portal(place, NEXT, "Go on")

    async def story() -> ControllerStatus:
        async with running_service(place, "") as daemon:
            await run_and_record_pass((EVERYONE,), daemon)
            assert live_text(place, NEXT) == "Continue"
            set_in_portal(place, NEXT, "Go on")
            await AccountKeeper(daemon.queue, lambda: daemon.manifest_watcher.fleet).enqueue()
            assert tuple(await daemon.queue.get_not_urgent()) == (ACCOUNT_NAME,)
            await run_and_record_pass((ACCOUNT_NAME,), daemon)
            assert live_text(place, NEXT) == "Continue"
            return daemon.state.latest

    status = asyncio.run(story())
    seen = present(status.plan)
    assert (present(seen.account).status, [each.merchant for each in seen.plans]) == ("in-sync", ["ann"])


def test_a_new_revision_of_the_flow_is_looked_at_alone(place: Place) -> None:
    place.provision("ann")
    before = ManifestWatcher(place.manifests).fleet
    flow(place, text={"en-us": {NEXT: "Continue"}})
    change = compare_manifests(before, ManifestWatcher(place.manifests).fleet)
    assert (change.account, change.merchants, change.needs_everyone) == (True, frozenset(), False)


def test_the_account_alone_is_a_target(place: Place) -> None:
    flow(place, text={"en-us": {NEXT: "Continue"}})
    place.profile()
    place.merchant("ann")
    with place.count_requests() as counts:
        applied = place.run_in_process("apply", "--target", ACCOUNT_NAME, "--yes")
    assert applied.returncode == 0, applied.stderr
    assert count_writes_by_call(counts) == {SET_TEXT: 1}
    set_in_portal(place, NEXT, "Go on")
    assert "the account's own settings: change  1 finding" in place.run_in_process("status").stdout
    assert f"{NEXT_PATH}  Go on  ->  Continue" in place.run_in_process("status", ACCOUNT_NAME).stdout
    by_path = place.run_in_process("plan", str(place.manifests / "flow.yaml"))
    assert (by_path.returncode, "--target '(account)'" in by_path.stderr) == (64, True)
    assert "1 merchant and the account's settings: all sound." in place.run_in_process("validate").stdout
    explained = place.run_in_process("explain", ACCOUNT_NAME)
    assert f"{NEXT_PATH}: Continue" in explained.stdout
    (place.manifests / "flow.yaml").unlink()
    assert place.run_in_process("apply", "--target", ACCOUNT_NAME, "--yes").returncode == 64


def test_the_sync_flow_ends_where_the_manifest_says_unless_somebody_says_otherwise(place: Place) -> None:
    place.provision("ann")
    flow(place, redirectUrl="https://shop.example/done")
    declared = place.run_in_process("link", "ann", "--sync-flow").stdout
    asked = place.run_in_process("link", "ann", "--redirect-url", "https://shop.example/other").stdout
    assert parse_qs(urlsplit(declared.strip()).query)["redirectUrl"] == ["https://shop.example/done"]
    assert parse_qs(urlsplit(asked.strip()).query)["redirectUrl"] == ["https://shop.example/other"]
    assert "redirectUrl" not in place.run_in_process("link", "ann").stdout


@pytest.mark.parametrize("heard", [True, False])
def test_a_header_that_codat_does_not_show_is_not_lost_with_the_profile(place: Place, heard: bool) -> None:
    flow(place, redirectUrl="https://shop.example/done")

    async def hide(request: httpx.Request, onward: Forward) -> httpx.Response:
        answer = await onward(request)
        if (request.method, request.url.path) != ("GET", "/profile"):
            return answer
        shown = {key: value for key, value in json.loads(await answer.aread()).items() if key != "alertAuthHeader"}
        return httpx.Response(200, json=shown)

    async def hear() -> None:
        async with open_state(place.settings.state) as store:
            proof = DeliveryProof("", AUTHORIZATION_KEY_ID)
            await store.inbox.save_and_schedule_looks(
                ReceivedDelivery("a1", "Sync Connection Deleted", None, datetime.now(UTC), proof)
            )

    if heard:
        asyncio.run(hear())
    place.environment = intercepted(place.environment, hide)
    with place.count_requests() as counts:
        report = place.apply()
    assert count_writes_by_call(counts) == ({} if heard else {"PUT /profile": 1})
    if heard:
        assert "would lose it" in outcome_of(report, ACCOUNT_NAME, Failed).reason
