"""What nobody may lose by merchantctl, sentence by sentence: the command line on one side, a proxy before Codat
on the other, and what was written counted at the server."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from controller.environment import REAL_ENVIRONMENT
from tests.end_to_end.place import (
    CREATE_COMPANY,
    CREATE_CONNECTION,
    GET_CONFIGURATION,
    SAVE_CONFIGURATION,
    UK_PROFILE,
    Place,
    count_writes_by_call,
    states_by_merchant,
)
from tests.end_to_end.run_process import running_controller
from tests.end_to_end.test_listings import LIST, named
from tests.end_to_end.test_rollout import labelled
from tests.processes import PythonProcess
from tests.proxy import Between, ProxyAnswer, ProxyRequest

Done = subprocess.CompletedProcess[str]
LEVELS = ("configuration", "sales", "grouping", "groupingLevels", "invoiceLevel", "selectedGroupByOptions")


def document_of(place: Place, name: str) -> str:
    return f"/config/companies/{place.company(name)['id']}/sync/commerce"


def off(place: Place, *names: str) -> None:
    """Somebody switched them off in the portal: each of them needs one POST."""
    for name in names:
        place.edit_in_portal(name, {"enabled": False})


def enabled(place: Place, *names: str) -> list[str]:
    return [name for name in names if place.document(name)["enabled"]]


def called(request: ProxyRequest, method: str, path: str) -> bool:
    return (request.method, request.path) == (method, path)


def answered(
    answer: ProxyAnswer, method: str, path: str, times: int = 1000
) -> Callable[[ProxyRequest], ProxyAnswer | None]:
    """So often that request gets this answer, and Codat does not hear of it."""
    come: list[str] = []

    def forged(request: ProxyRequest) -> ProxyAnswer | None:
        if not called(request, method, path) or len(come) >= times:
            return None
        come.append(path)
        return answer

    return forged


def at(
    number: int, method: str, path: str, happens: Callable[[], object]
) -> Callable[[ProxyRequest], ProxyAnswer | None]:
    """Before the so many-th such request goes on."""
    come: list[str] = []

    def forged(request: ProxyRequest) -> None:
        if called(request, method, path):
            come.append(path)
            if len(come) == number:
                happens()

    return forged


def after(
    number: int, method: str, path: str, happens: Callable[[], object]
) -> Callable[[ProxyRequest, ProxyAnswer], ProxyAnswer]:
    """Once the so many-th such request was answered, before anybody here sees the answer."""
    before = at(number, method, path, happens)

    def changed(request: ProxyRequest, answer: ProxyAnswer) -> ProxyAnswer:
        before(request)
        return answer

    return changed


def own_words(status: int, sentence: str, **more: Any) -> ProxyAnswer:
    words = {"statusCode": status, "service": "Config", "error": sentence, "correlationId": "1", **more}
    return ProxyAnswer(status, {"content-type": "application/json"}, json.dumps(words).encode())


def rows(done: Done) -> dict[str, Any]:
    """By merchant what `-o json` says."""
    return {each["merchant"]: each for each in json.loads(done.stdout)["merchants"]}


# -- An edit that no manifest declares


def test_an_edit_that_is_made_while_a_write_has_to_wait_is_kept(place: Place, between: Between) -> None:
    place.provision("ann")
    off(place, "ann")
    path = document_of(place, "ann")
    busy, edit = ProxyAnswer(429, {"retry-after": "0"}, b""), {"note": "the merchant's own"}
    refusal, portal = answered(busy, "POST", path, 1), at(1, "POST", path, lambda: place.edit_in_portal("ann", edit))

    def forged(request: ProxyRequest) -> ProxyAnswer | None:
        portal(request)
        return refusal(request)

    between.forged = forged
    with place.count_requests() as counts:
        assert place.run_in_process("apply", "--yes").returncode == 0
    assert place.document("ann")["note"] == "the merchant's own"
    assert enabled(place, "ann") == ["ann"]
    assert counts[GET_CONFIGURATION] == 4, "plan, before each POST, read back"


@pytest.mark.parametrize(("left", "says"), [(None, "is gone"), ("new", "was changed by somebody just after our write")])
def test_what_became_of_an_undeclared_field_after_the_write_is_said(
    place: Place, between: Between, left: str | None, says: str
) -> None:
    place.provision("ann")
    place.edit_in_portal("ann", {"enabled": False, "note": "the merchant's own"})
    between.changed = after(1, "POST", document_of(place, "ann"), lambda: place.edit_in_portal("ann", {"note": left}))
    said = place.run_in_process("apply", "--yes").stdout
    assert any("note, which no manifest declares" in line and says in line for line in said.splitlines()), said


@pytest.mark.parametrize("time", [1, 2], ids=["in the plan", "before the write"])
def test_a_document_without_a_section_that_was_there_is_unknown_and_wipes_nothing(
    place: Place, between: Between, time: int
) -> None:
    place.provision("ann")
    off(place, "ann")
    before, path, come = place.document("ann"), document_of(place, "ann"), []

    def cut(request: ProxyRequest, answer: ProxyAnswer) -> ProxyAnswer:
        come.extend([path] if called(request, "GET", path) else [])
        if not called(request, "GET", path) or len(come) != time:
            return answer
        document = answer.json
        del document["configuration"]["payments"]
        return answer.with_json(document)

    between.changed = cut
    with place.count_requests() as counts:
        done = place.run_in_process("apply", "--yes")
    assert (done.returncode, count_writes_by_call(counts)) == (5 if time == 1 else 3, {})
    assert "came without configuration.payments, which was there before" in done.stdout
    assert place.document("ann") == before


# -- Somebody else creates, too


def test_a_company_that_somebody_creates_after_the_plan_is_not_created_again(place: Place, between: Between) -> None:
    place.profile()
    place.merchant("ann")
    between.changed = after(1, "GET", LIST, lambda: place.emulator.merchant("ann"))
    done = place.run_in_process("apply", "--yes")
    assert (done.returncode, named(place, "ann")) == (3, 1)
    assert "a company of the name 'ann' is there by now" in done.stdout


def test_a_connection_that_somebody_makes_after_the_plan_gets_none_beside_it(place: Place, between: Between) -> None:
    place.profile()
    place.merchant("ann")

    def link() -> None:
        path = f"/meta/companies/{place.company('ann')['id']}/connections"
        place.emulator.api.post(path, json="gbol").raise_for_status()

    between.changed = after(1, "POST", LIST + "/sync", link)
    done = place.run_in_process("apply", "--yes")
    assert done.returncode == 3, done.stdout
    assert f"has an accounting connection by now ({place.accounting_connection('ann')['id']}" in done.stdout


def test_a_twin_of_the_same_moment_is_named_with_both_ids(place: Place, between: Between) -> None:
    place.profile()
    place.merchant("ann")
    between.forged = at(1, "POST", LIST + "/sync", lambda: place.emulator.merchant("ann"))
    done = place.run_in_process("apply", "--yes")
    ids = [each["id"] for each in place.companies() if each["name"] == "ann"]
    assert (done.returncode, len(ids)) == (3, 2)
    assert all(each in done.stdout for each in ids), done.stdout


def test_each_create_has_a_key_and_after_a_refusal_another(place: Place, between: Between) -> None:
    place.profile()
    place.merchant("ann")
    keys: list[str] = []

    def forged(request: ProxyRequest) -> ProxyAnswer | None:
        if request.method != "POST":
            return None
        keys.append(request.headers.get("idempotency-key", ""))
        return own_words(400, "Not now.") if len(keys) == 1 else None

    between.forged = forged
    for _ in range(2):
        place.run_in_process("apply", "--yes", "--retry")
    assert [len(each) for each in keys] == [36, 36, 36]
    assert len(set(keys)) == 3


def test_a_create_that_is_done_long_after_its_answer_was_lost_is_found_and_not_repeated(
    place: Place, between: Between
) -> None:
    """The gateway gives up; a first look finds nothing; a second later Codat is done with it."""
    place.environment = replace(place.environment, sleep=REAL_ENVIRONMENT.sleep)
    place.set_create_settle(0.01, late=2)
    place.profile()
    place.merchant("ann")
    place.merchant("bob")
    lost: list[float] = []

    def forged(request: ProxyRequest) -> ProxyAnswer | None:
        again = called(request, "POST", LIST + "/sync") and request.json == {"name": "ann"}
        if again and not lost:
            lost.append(asyncio.get_running_loop().time())
            return ProxyAnswer(504, {}, b"")
        if lost and (again or asyncio.get_running_loop().time() > lost[0] + 1) and not named(place, "ann"):
            place.emulator.api.post(LIST + "/sync", json={"name": "ann"}).raise_for_status()
        return None

    between.forged = forged
    done = place.run_in_process("apply", "--yes", "--parallelism", "1")
    assert (named(place, "ann"), named(place, "bob")) == (1, 1)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 lost answer: looking again in" in done.stderr
    assert states_by_merchant(place.plan()) == {"ann": "waiting", "bob": "waiting"}


# -- Who lost the lock


@pytest.mark.over_tcp
@pytest.mark.parametrize("what", [SAVE_CONFIGURATION, CREATE_COMPANY])
def test_whoever_lost_the_lock_writes_nothing_more(place: Place, between: Between, what: str) -> None:
    place.provision("ann")
    method, path = "GET", LIST
    if what == SAVE_CONFIGURATION:
        off(place, "ann")
        path = document_of(place, "ann")
    else:
        place.merchant("new")
    between.forged = at(2, method, path, lambda: place.run_process("state", "unlock", "--force", "--yes"))
    with place.count_requests() as counts:
        done = place.run_in_process("apply", "--yes")
    assert (done.returncode, count_writes_by_call(counts)) == (3, {}), done.stdout
    assert "the lock on the state is lost" in done.stdout
    between.nothing()
    with place.count_requests() as counts:
        assert place.run_in_process("apply", "--yes").returncode == 0
    assert what in count_writes_by_call(counts), "this was the write that was held back"


# -- One merchant's trouble is its own


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_may_not_read_one_merchant_stops_no_other(place: Place, between: Between, status: int) -> None:
    place.provision("ann", "bob", "cem")
    off(place, "ann", "bob", "cem")
    between.forged = answered(own_words(status, "No."), "GET", document_of(place, "bob"))
    for verb in (("apply", "--yes"), ("run", "--once")):
        assert place.run_in_process(*verb).returncode == 5
        assert enabled(place, "ann", "bob", "cem") == ["ann", "cem"]


@pytest.mark.parametrize("status", [302, 401, 403, 404, 405, 413, 422])
def test_a_refused_write_that_is_not_the_merchants_fault_is_tried_by_the_next_apply(
    place: Place, between: Between, status: int
) -> None:
    place.provision("ann", "bob")
    off(place, "ann", "bob")
    between.forged = answered(own_words(status, "No."), "POST", document_of(place, "ann"), times=1)
    assert place.run_in_process("apply", "--yes").returncode == 3
    assert enabled(place, "ann", "bob") == ["bob"]
    assert rows(place.run_in_process("plan", "-o", "json"))["ann"]["state"] == "change"
    assert place.run_in_process("apply", "--yes").returncode == 0
    assert enabled(place, "ann") == ["ann"]


@pytest.mark.parametrize("lifting", [("--retry",), ("--target", "ann")], ids=" ".join)
def test_what_the_service_refused_for_good_is_shown_and_tried_by_who_says_so(
    place: Place, between: Between, lifting: tuple[str, ...]
) -> None:
    place.provision("ann")
    off(place, "ann")
    refusal = own_words(400, "Invalid.", validation={"errors": [{"message": "No period."}]})
    between.forged = answered(refusal, "POST", document_of(place, "ann"), times=1)
    assert place.run_in_process("apply", "--yes").returncode == 3
    with place.count_requests() as counts:
        assert place.run_in_process("apply", "--yes").returncode == 3
    assert count_writes_by_call(counts) == {}
    shown = place.run_in_process("status", "ann").stdout
    assert "quarantined" in shown
    assert "No period." in shown
    assert place.run_in_process("apply", "--yes", *lifting).returncode == 0
    assert enabled(place, "ann") == ["ann"]


@pytest.mark.parametrize("text", ["\ud800 broken", "nul \0 inside"], ids=["surrogate", "NUL"])
def test_a_text_that_can_be_neither_stored_nor_printed_ends_one_merchants_turn(
    place: Place, between: Between, text: str
) -> None:
    place.provision("ann", "bob", "cem")
    off(place, "ann", "bob", "cem")
    between.forged = answered(own_words(422, text), "POST", document_of(place, "ann"))
    done = place.run_in_process("apply", "--yes", "--parallelism", "1")
    assert done.returncode == 3, done.stdout + done.stderr
    assert "fault of merchantctl" not in done.stdout + done.stderr
    (done.stdout + place.run_in_process("history", "ann").stdout).encode()
    assert enabled(place, "ann", "bob", "cem") == ["bob", "cem"]
    with place.count_requests() as counts:
        place.run_in_process("run", "--once")
    assert count_writes_by_call(counts) == {}, "it is left alone for a while, like whoever else failed"


def test_a_value_that_the_service_keeps_otherwise_is_not_written_at_each_look(place: Place, between: Between) -> None:
    place.provision("ann", "bob")
    monthly = {"schedule": {"selectedFrequency": "Monthly"}}
    place.edit_in_portal("ann", monthly)
    path = document_of(place, "ann")

    def keeps(request: ProxyRequest, answer: ProxyAnswer) -> ProxyAnswer:
        if called(request, "POST", path):
            place.edit_in_portal("ann", monthly)
        return answer

    between.changed = keeps
    assert place.run_in_process("run", "--once").returncode == 3
    off(place, "bob")
    with place.count_requests() as counts:
        place.run_in_process("run", "--once")
    assert count_writes_by_call(counts) == {SAVE_CONFIGURATION: 1}, "which is bob's"
    assert enabled(place, "bob") == ["bob"]
    said = place.run_in_process("apply", "--yes").stdout
    assert "Codat normalises this, so write in the manifest what it keeps" in said
    with place.count_requests() as counts:
        place.run_in_process("apply", "--yes")
    assert count_writes_by_call(counts) == {}


def test_an_order_or_a_case_of_the_services_own_is_no_drift(place: Place, between: Between) -> None:
    """Whatever is written, this service keeps it in the order and in the letters that it likes."""
    mapping = json.loads(json.dumps(UK_PROFILE["mapping"]))
    mapping["sales"]["grouping"] = {"period": "Daily", "invoice": ["Location", "Country"]}

    def shown(request: ProxyRequest, answer: ProxyAnswer) -> ProxyAnswer:
        if not (request.method == "GET" and request.path.startswith("/config/") and answer.status == 200):
            return answer
        document = answer.json
        node = document
        for key in LEVELS[:-1]:
            node = node.get(key) or {}
        if node.get(LEVELS[-1]):
            node[LEVELS[-1]] = sorted(node[LEVELS[-1]])
        frequency = document["schedule"].get("selectedFrequency")
        document["schedule"]["selectedFrequency"] = frequency and frequency.upper()
        return answer.with_json(document)

    between.changed = shown
    place.profile(mapping=mapping)
    place.merchant("ann")
    place.run_in_process("apply", "--yes")
    place.consent_everyone()
    assert place.run_in_process("apply", "--yes").returncode == 0
    stored = place.document("ann")["configuration"]["sales"]["grouping"]["groupingLevels"]["invoiceLevel"]
    assert stored["selectedGroupByOptions"] == ["Location", "Country"]
    assert place.document("ann")["schedule"]["selectedFrequency"] == "Daily", "in Codat's own spelling"
    with place.count_requests() as counts:
        for verb in (("drift",), ("plan", "--detailed-exitcode"), ("apply", "--yes"), ("run", "--once")):
            assert place.run_in_process(*verb).returncode == 0, verb
    assert count_writes_by_call(counts) == {}


def test_a_service_in_maintenance_gets_a_bounded_number_of_requests(place: Place, between: Between) -> None:
    names = [f"m-{number:02}" for number in range(50)]
    place.provision(*names)
    asked: list[str] = []

    def forged(request: ProxyRequest) -> ProxyAnswer | None:
        if not request.path.startswith("/config/"):
            return None
        asked.append(request.path)
        return ProxyAnswer(503, {}, b"Maintenance.")

    between.forged = forged
    done = place.run_in_process("apply", "--yes")
    assert done.returncode == 5, done.stdout + done.stderr
    assert (done.stdout + done.stderr).count("20 reads in a row were not answered") == 1
    assert len(asked) < 100


@pytest.mark.waits
@pytest.mark.over_tcp
@pytest.mark.parametrize("retry_after", ["0", "9" * 400], ids=["none", "longer than a clock"])
def test_a_busy_service_that_says_now_is_not_hammered(place: Place, between: Between, retry_after: str) -> None:
    place.provision("a", "b", "c")
    off(place, "a", "b", "c")
    posts: list[str] = []

    def busy(request: ProxyRequest) -> ProxyAnswer | None:
        if request.method != "POST":
            return None
        posts.append(request.path)
        return ProxyAnswer(429, {"retry-after": retry_after}, b"")

    between.forged = busy
    applying = PythonProcess(
        [sys.executable, "-m", "controller", "apply", "--yes"],
        cwd=place.folder,
        env=place.variables(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    deadline = time.monotonic() + 300
    while not posts and time.monotonic() < deadline:
        time.sleep(0.05)
    with suppress(subprocess.TimeoutExpired):
        applying.wait(1)
    ended = applying.poll()
    applying.kill()
    assert "fault of merchantctl" not in applying.communicate()[1]
    assert ended is None, "it waits"
    assert 1 <= len(posts) <= 15


STARTED = {**UK_PROFILE["schedule"], "startDate": "2026-11-01"}
REFRESH = "POST /companies/{companyId}/data/all"


@pytest.mark.waits
@pytest.mark.over_tcp
def test_rota_and_refresh_stall_behind_nobody(place: Place, between: Between) -> None:
    place.provision("ann", "bob", "cem", schedule=STARTED)
    ann = place.company("ann")["id"]
    ill = (f"/meta/companies/{ann}/sync/commerce/status", f"/companies/{ann}/data/all")
    between.forged = lambda request: own_words(409, "Not now.") if request.path in ill else None
    spans = {"MERCHANTCTL_SYNC_POLL_INTERVAL": "1s", "MERCHANTCTL_REFRESH_AFTER": "1s"}
    with running_controller(place, **spans) as watch:
        watch.wait_until(lambda: place.emulator.counts().get(REFRESH, 0) >= 2)
        watch.wait_until(lambda: all(has_sync(place, name) for name in ("bob", "cem")))
    refused = [each for each in watch.log if each.get("merchant") == "ann" and each["level"] == "warning"]
    assert {each["event"] for each in refused} == {"sync_status_unreadable", "data_refresh_not_requested"}


def has_sync(place: Place, name: str) -> bool:
    return bool(json.loads(place.run_in_process("state", "show", name, "-o", "json").stdout)["tables"].get("syncs"))


# -- Waves


TIPS, CARDS = "Tips payable", "Gift cards outstanding"


def fleet(place: Place, number: int) -> list[str]:
    """Configured merchants on one profile, in sync, and the profile asks for another account from now on."""
    names = [each["name"] for each in place.emulator.seed(number, "configured")]
    for name in names:
        place.merchant(name)
    asks_for(place, TIPS)
    assert place.run_in_process("apply", "--yes", "--allow", "remap").returncode == 0
    asks_for(place, CARDS)
    return names


def asks_for(place: Place, account: str, **more: Any) -> None:
    place.profile(schedule={}, mapping={"sales": {"accounts": {"gratuity": {"name": account}}}}, **more)


def test_a_wave_whose_merchants_are_blocked_is_no_wave_that_is_done(place: Place) -> None:
    names = fleet(place, 6)
    for name in names[:4]:
        place.merchant(name, mapping={"sales": {"accounts": {"gratuity": {"name": "No such account"}}}})
    for name in names[:2]:
        labelled(place, name)
    with place.count_requests() as counts:
        done = place.run_in_process("rollout", "start", "--yes", "--wave", "tier=canary", "--max-failures", "1")
    assert (done.returncode, count_writes_by_call(counts)) == (3, {}), done.stdout + done.stderr
    told = rows(place.run_in_process("rollout", "status", "-o", "json"))
    first = {name for name, each in told.items() if each["wave"] == 1}
    assert first == set(names[:2]), "and nobody took their place"
    assert all(told[name]["reason"].startswith("account-unresolved") for name in first)
    assert all(name in place.run_in_process("rollout", "status").stdout for name in first)


def test_a_rollout_larger_than_a_limit_is_limited_by_its_waves(place: Place) -> None:
    names = fleet(place, 60)
    assert place.run_in_process("apply", "--yes").returncode == 4, "remap: 60, limit 50"
    with place.count_requests() as counts:
        done = place.run_in_process("rollout", "start", "--yes", "--wave", "1", "--wave", "100%")
    assert (done.returncode, count_writes_by_call(counts)) == (0, {SAVE_CONFIGURATION: len(names)}), (
        done.stdout + done.stderr
    )


def test_undo_puts_back_the_fields_and_not_how_they_are_shown(place: Place) -> None:
    """A live local hour, in a zone of half hours; and a start date that cannot go back, which the start says."""
    kolkata, odd, other = fleet(place, 3)
    asks_for(place, TIPS)
    place.edit_in_portal(kolkata, {"schedule": {"syncHourUtc": 18, "timeZone": "Asia/Kolkata"}})
    place.edit_in_portal(odd, {"schedule": {"startDate": "the first of May", "timeZone": None}})
    before = {name: place.document(name)["schedule"] for name in (kolkata, other)}
    moved = {"syncHourUtc": 4, "startDate": "2026-12-24"}
    place.profile(schedule=moved, mapping={"sales": {"accounts": {"gratuity": {"name": TIPS}}}})
    started = place.run_in_process("rollout", "start", "--yes", "--wave", "100%", "--max-failures", "1")
    assert "with a later schedule.startDate, which rollout undo cannot put back" in started.stdout + started.stderr
    assert place.document(kolkata)["schedule"]["syncHourUtc"] == 4
    assert place.run_in_process("rollout", "undo", "--yes").returncode == 3
    told = rows(place.run_in_process("rollout", "status", "-o", "json"))
    for name in (kolkata, other):
        now = place.document(name)["schedule"]
        assert {key: now[key] for key in ("syncHourUtc", "timeZone")} == {
            key: before[name][key] for key in ("syncHourUtc", "timeZone")
        }
        assert told[name]["reason"] == "schedule.startDate stays: Codat lets no start date move earlier"


# -- Files from somewhere else


def refusals() -> dict[str, tuple[Callable[[Any], object], str]]:
    return {
        "a naive instant": (lambda tables: tables["runs"][0].update(started_at="2026-01-01T00:00:00"), "no time zone"),
        "a number too large": (lambda tables: tables["runs"][0].update(id=10**30), "no whole number"),
    }


@pytest.mark.parametrize("which", refusals())
def test_an_export_that_does_not_fit_is_refused_with_its_address(place: Place, which: str) -> None:
    place.provision("ann")
    document = json.loads(place.run_in_process("state", "export").stdout)
    spoil, says = refusals()[which]
    spoil(document["tables"])
    (place.folder / "backup.json").write_text(json.dumps(document))
    place.use_state_file(place.folder / "new.db")
    done = place.run_in_process("state", "import", "backup.json")
    assert done.returncode == 1
    assert "tables.runs[0]." in done.stderr
    assert says in done.stderr
    assert "fault of merchantctl" not in done.stderr


def test_a_list_that_never_ends_is_incomplete_and_nobody_is_created(place: Place, between: Between) -> None:
    """Another page of companies that nobody has seen yet, for ever, and always more are counted."""
    place.profile()
    place.merchant("new")
    pages: list[int] = []

    def endless(request: ProxyRequest) -> ProxyAnswer | None:
        if not called(request, "GET", LIST) or request.query.get("pageSize") == "1":
            return None
        number, size = int(request.query["page"]), int(request.query["pageSize"])
        pages.append(number)
        first = (number - 1) * size
        listed = [
            {"id": f"company-{at}", "name": f"c {at}", "dataConnections": []} for at in range(first, first + size)
        ]
        more = len(pages) < 40
        page = {
            "results": listed,
            "pageNumber": number,
            "totalResults": first + (2 if more else 1) * size,
            "_links": {"next": {}} if more else {},
        }
        return ProxyAnswer(200, {"content-type": "application/json"}, json.dumps(page).encode())

    between.forged = endless
    with place.count_requests() as counts:
        done = place.run_in_process("apply", "--yes")
    assert (done.returncode, count_writes_by_call(counts)) == (5, {})
    assert "the list grows as fast as it is read" in done.stdout
    assert len(pages) < 40


def test_a_service_that_cuts_pages_is_read_with_the_size_that_it_serves(place: Place, between: Between) -> None:
    """A page size that it clamps: neither a shorter list, nor a list that cannot be proven."""
    place.emulator.seed(40)
    place.profile()
    place.merchant("m-00039")
    place.merchant("new")

    def clamped(request: ProxyRequest) -> ProxyAnswer | None:
        if not called(request, "GET", LIST):
            return None
        query = request.query | {"pageSize": str(min(15, int(request.query["pageSize"])))}
        answer = place.emulator.api.get(LIST, params=query)
        return ProxyAnswer(answer.status_code, {"content-type": "application/json"}, answer.content)

    between.forged = clamped
    done = place.run_in_process("apply", "--yes", "-o", "json")
    assert {name: each["state"] for name, each in rows(done).items()} == {"m-00039": "waiting", "new": "change"}
    assert (named(place, "m-00039"), named(place, "new")) == (1, 1)


def test_creates_of_both_kinds_are_what_is_created_here(place: Place, between: Between) -> None:
    """The proof that nothing above is green because nothing is ever created through the proxy."""
    place.profile()
    place.merchant("ann")
    with place.count_requests() as counts:
        assert place.run_in_process("apply", "--yes").returncode == 0
    assert count_writes_by_call(counts) == {CREATE_COMPANY: 1, CREATE_CONNECTION: 1}


# -- What `run` may do in a day, and what one look may say


@pytest.mark.over_tcp
def test_a_write_counts_though_its_run_was_killed_right_after_it(place: Place, between: Between) -> None:
    """Of two, one may be switched off unasked in a day; the first was, by a run that nobody heard of again."""
    place.provision("ann", "bob")
    place.merchant("ann", enabled=False)
    runs: list[PythonProcess] = []

    def killed(request: ProxyRequest, answer: ProxyAnswer) -> ProxyAnswer | None:
        if request.method != "POST":
            return answer
        runs[0].kill()
        return None

    between.changed = killed
    command = [sys.executable, "-m", "controller", "run", "--once"]
    nowhere, variables = subprocess.DEVNULL, place.variables()
    runs.append(PythonProcess(command, cwd=place.folder, env=variables, stdout=nowhere, stderr=nowhere))
    runs[0].wait(300)
    between.nothing()
    assert enabled(place, "ann", "bob") == ["bob"]
    place.merchant("bob", enabled=False)
    assert place.run_in_process("run", "--once").returncode == 4
    assert enabled(place, "bob") == ["bob"]


def test_a_write_that_was_refused_does_not_count(place: Place, between: Between) -> None:
    place.provision("ann", "bob")
    place.merchant("ann", enabled=False)
    between.forged = answered(own_words(422, "No."), "POST", document_of(place, "ann"))
    place.run_in_process("run", "--once")
    between.nothing()
    place.merchant("ann")
    place.merchant("bob", enabled=False)
    assert place.run_in_process("run", "--once").returncode == 0
    assert enabled(place, "ann", "bob") == ["ann"]


@pytest.mark.parametrize("policy", ["Correct", "Report"])
@pytest.mark.parametrize("asked", [("plan", "--target", "ann"), ("drift", "--target", "ann"), ("status", "ann")])
def test_where_every_company_is_gone_one_merchant_alone_is_not_advised_to_be_made_anew_either(
    place: Place, asked: tuple[str, ...], policy: str
) -> None:
    place.provision("ann", "bob", "cem", policy={"drift": policy})
    for name in ("ann", "bob", "cem"):
        place.emulator.api.delete(f"/companies/{place.company(name)['id']}").raise_for_status()
    said = place.run_in_process(*asked).stdout
    assert "company-missing" in said
    assert "merchantctl doctor" in said
    assert "re-create=" not in said
    assert "created anew" not in said


def test_where_the_list_fails_one_merchant_that_is_not_there_is_not_advised_to_be_made_anew(
    place: Place, between: Between
) -> None:
    place.provision("ann", "bob")
    place.emulator.api.delete(f"/companies/{place.company('ann')['id']}").raise_for_status()
    between.forged = lambda request: own_words(400, "No list today.") if request.path == LIST else None
    for asked in (("plan", "--target", "ann"), ("drift", "--target", "ann"), ("plan",)):
        done = place.run_in_process(*asked)
        assert done.returncode == 5
        assert "re-create" not in done.stdout + done.stderr


def test_after_a_lost_answer_nothing_is_written_that_nobody_was_shown(place: Place, between: Between) -> None:
    """A rename and a connection were shown; while the lost connection is waited for somebody renames the company."""
    place.profile()
    place.merchant("ann")
    company = place.emulator.api.post(f"{LIST}/sync", json={"name": "ann"}).json()["id"]
    place.merchant("ann", connection={"state": "Unlinked"})
    assert place.run_in_process("apply", "--yes").returncode == 0
    place.merchant("ann", company={"name": "ann and sons"})
    lost: list[str] = []

    def changed(request: ProxyRequest, answer: ProxyAnswer) -> ProxyAnswer | None:
        if request.method == "POST" and request.path.endswith("/connections") and not lost:
            lost.append("")
            place.emulator.api.put(f"/companies/{company}", json={"name": "the portals"}).raise_for_status()
            return None
        return answer

    between.changed = changed
    done = place.run_in_process("apply", "--yes")
    assert lost, done.stdout + done.stderr
    assert place.emulator.api.get(f"/companies/{company}").json()["name"] == "the portals"
    shown = rows(place.run_in_process("plan", "-o", "json"))["ann"]["changes"][0]["fields"][0]
    assert (shown["live"], shown["wanted"]) == ("the portals", "ann and sons"), "now it is shown"


@pytest.mark.parametrize("table", ["applied", "quarantine", "writes"])
def test_what_cannot_be_recorded_of_one_merchant_ends_its_turn_and_nothing_else(place: Place, table: str) -> None:
    """A row that the state does not take, as it was with a character that a column cannot hold."""
    place.provision("ann", "bob", "cem")
    for name in ("ann", "bob", "cem"):
        place.merchant(name, schedule={"startDate": "2026-12-24"})
    about = "NEW.change_class = 'disable'" if table == "writes" else "NEW.merchant = 'ann'"
    if table == "writes":
        place.merchant("ann", enabled=False, schedule={"startDate": "2026-12-24"})
    if table == "quarantine":
        place.emulator.fault(f"POST {document_of(place, 'ann')}", "status", code=422)
    with sqlite3.connect(place.database) as state:
        for when in ("INSERT", "UPDATE"):
            state.execute(
                f"CREATE TRIGGER no_{when} BEFORE {when} ON {table} WHEN {about} "
                "BEGIN SELECT RAISE(ABORT, 'this does not fit'); END"
            )
    done = place.run_in_process("apply", "--yes", "--parallelism", "1")
    assert done.returncode == 3, done.stdout + done.stderr
    assert "2 done, 1 failed" in done.stdout
    assert all(place.document(name)["schedule"]["startDate"].startswith("2026-12-24") for name in ("bob", "cem"))


def test_an_import_a_lookup_and_a_refresh_go_on_where_one_company_cannot_be_read(
    place: Place, between: Between
) -> None:
    place.provision("ann", "bob")
    ann = place.company("ann")["id"]
    between.forged = lambda request: own_words(422, "No.") if f"/companies/{ann}" in request.path else None
    assert place.run_in_process("import", "--out", "elsewhere").returncode == 5
    assert "bob" in "".join(each.name for each in (place.folder / "elsewhere").rglob("*.yaml"))
    assert place.run_in_process("validate", "--online").returncode == 5
    with place.count_requests() as counts:
        assert place.run_in_process("refresh").returncode != 0
    assert count_writes_by_call(counts) == {REFRESH: 1}
