"""A short pass beside a long one, where the order of what they do is chosen: what is written, and what is told."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from signal import SIGTERM
from typing import Any

import pytest

from controller.daemon import loop
from controller.daemon.loop import MAX_URGENT_PASS, run_and_record_pass, shut_down
from controller.daemon.workqueue import EVERYONE, Lane
from state import ReceivedDelivery
from tests.end_to_end.overlapping import Hold, Traffic
from tests.end_to_end.place import Place
from tests.end_to_end.stepped_controller import Fleet, Service, portal_chooses_tips, running_service

NAMES = ("ann", "bob", "cid")


@pytest.fixture
def place(tmp_path: Path, emulator_in_process: Any) -> Place:
    """Ann, Bob and Cid, as declared."""
    place = Place(tmp_path, emulator_in_process)
    place.provision(*NAMES)
    return place


def serve(place: Place, story: Callable[[Service, Traffic], Awaitable[None]]) -> None:
    async def begin() -> None:
        traffic = Traffic(place)
        async with asyncio.timeout(300), running_service(place) as service:
            await story(service, traffic)

    asyncio.run(begin())


def document_path(place: Place, name: str) -> str:
    return f"/config/companies/{place.company(name)['id']}/sync/commerce"


async def begin_long_pass(service: Service, until: Hold) -> asyncio.Task[None]:
    """A pass over everyone that has come as far as that request."""
    long_pass = asyncio.create_task(run_and_record_pass((EVERYONE,), service.daemon))
    await asyncio.wait([long_pass, asyncio.create_task(until.reached.wait())], return_when=asyncio.FIRST_COMPLETED)
    assert not long_pass.done(), "the request that is held was never sent"
    return long_pass


async def open_codes(service: Service, merchant: str) -> list[str]:
    found = await service.daemon.run.store.findings.load_open([merchant])
    return sorted(each.code for each in found if each.merchant == merchant)


def shown_codes(service: Service, merchant: str) -> list[str]:
    (plan,) = [each for each in service.plan.plans if each.merchant == merchant]
    return sorted(each.code for each in plan.findings)


@pytest.mark.parametrize("ann_too", [False, True], ids=["ann was in sync", "ann was written to"])
def test_what_a_long_pass_saw_before_is_not_told_over_what_a_later_pass_saw(place: Place, ann_too: bool) -> None:
    """The long pass is past Ann and still writes to Bob when Ann's books are unlinked, which the short pass sees."""

    async def story(service: Service, traffic: Traffic) -> None:
        portal_chooses_tips(place, "bob")
        if ann_too:
            portal_chooses_tips(place, "ann")
        held = traffic.hold("POST", document_path(place, "bob"))
        long_pass = await begin_long_pass(service, held)
        place.unlink_books_in_portal("ann")
        await run_and_record_pass(("ann",), service.daemon, urgent=True)
        seen = await open_codes(service, "ann"), shown_codes(service, "ann")
        assert seen[0] == seen[1] == ["connection-deauthorized"]
        held.let_go()
        await long_pass
        assert (await open_codes(service, "ann"), shown_codes(service, "ann")) == seen

    serve(place, story)
    assert [each.merchant for each in place.plan().plans if each.findings] == ["ann"]


async def reload_manifests(service: Service) -> None:
    """A folder that may still be written is looked at twice."""
    watcher = service.daemon.manifest_watcher
    assert not await watcher.reload_if_changed()
    assert await watcher.reload_if_changed()


def rename_in_git(place: Place, old: str, new: str) -> None:
    """The company keeps its name."""
    place.remove_manifests(old)
    place.merchant(new, company={"name": old})
    path = place.manifests / f"merchant-{new}.yaml"
    manifest = json.loads(path.read_text())
    manifest["metadata"]["renamedFrom"] = old
    path.write_text(json.dumps(manifest))


def test_what_is_heard_of_a_merchant_during_a_look_at_it_is_open_until_the_next(place: Place) -> None:
    async def story(service: Service, traffic: Traffic) -> None:
        held = traffic.hold("GET", document_path(place, "ann"), after_answer=True)
        look = asyncio.create_task(run_and_record_pass(("ann",), service.daemon))
        await held.reached.wait()
        inbox, company = service.daemon.run.store.inbox, place.company("ann")["id"]
        heard = ReceivedDelivery("d1", "connection.disconnected", company, place.environment.clock())
        await inbox.save_and_schedule_looks(heard)
        held.let_go()
        await look
        assert await inbox.load_waiting_merchants() == ("ann",)
        await run_and_record_pass(("ann",), service.daemon)
        assert await inbox.load_waiting_merchants() == ()

    serve(place, story)


def test_a_rename_is_carried_out_once_by_two_passes_and_told_once(place: Place) -> None:
    """Renamed in Git when the long pass begins; a webhook for another merchant comes while it plans."""

    async def story(service: Service, traffic: Traffic) -> None:
        rename_in_git(place, "ann", "zoe")
        await reload_manifests(service)
        held = traffic.hold("GET", document_path(place, "bob"))
        long_pass = await begin_long_pass(service, held)
        await run_and_record_pass(("cid",), service.daemon, urgent=True)
        held.let_go()
        await long_pass
        events = await service.daemon.run.store.runs.load_events(merchant="zoe")
        assert [each.what for each in events].count("renamed") == 1

    serve(place, story)
    plan = place.plan()
    assert [each.merchant for each in plan.plans] == ["bob", "cid", "zoe"]
    assert [each.code for one in plan.plans for each in one.findings] == ["renamed-already"]
    assert not any(each.changes for each in plan.plans)
    assert len(place.companies()) == 3


def test_who_is_known_by_the_old_name_still_is_looked_at_under_the_new_one(place: Place) -> None:
    """A webhook is about whoever the state has bound to its company; the long pass that renames has planned him."""

    async def story(service: Service, traffic: Traffic) -> None:
        rename_in_git(place, "ann", "zoe")
        await reload_manifests(service)
        portal_chooses_tips(place, "bob")
        held = traffic.hold("GET", document_path(place, "bob"))
        long_pass = await begin_long_pass(service, held)
        place.unlink_books_in_portal("ann")
        await run_and_record_pass(("ann",), service.daemon, urgent=True)
        held.let_go()
        await long_pass
        assert shown_codes(service, "zoe") == ["connection-deauthorized"]
        assert await open_codes(service, "zoe") == ["connection-deauthorized"]

    serve(place, story)


def test_who_is_to_be_taken_down_is_not_taken_over_by_a_pass_that_does_not_look_at_him(place: Place) -> None:
    place.merchant("ann", policy={"deletion": "Unlink"})
    place.apply()

    async def story(service: Service, traffic: Traffic) -> None:
        place.remove_manifests("ann")
        await reload_manifests(service)
        held = traffic.hold("GET", document_path(place, "bob"))
        long_pass = await begin_long_pass(service, held)
        await run_and_record_pass(("ann",), service.daemon, urgent=True)
        held.let_go()
        await long_pass

    serve(place, story)
    assert place.accounting_connection("ann")["status"] != "Linked"


def test_passes_that_overlap_go_by_the_same_manifests(place: Place) -> None:
    """Renamed in Git while the long pass writes: a short pass under newer manifests would move what that one writes."""
    dan = "dan"

    async def story(service: Service, traffic: Traffic) -> None:
        place.merchant(dan)
        await reload_manifests(service)
        held = traffic.hold("POST", "/meta/companies/sync", after_answer=True)
        long_pass = await begin_long_pass(service, held)
        rename_in_git(place, dan, "zoe")
        await reload_manifests(service)
        await run_and_record_pass(("bob",), service.daemon, urgent=True)
        held.let_go()
        await long_pass
        await run_and_record_pass((EVERYONE,), service.daemon)

    serve(place, story)
    assert [each["name"] for each in place.companies()] == ["ann", "bob", "cid", "dan"]
    assert {each.merchant for each in place.plan().plans} == {"ann", "bob", "cid", "zoe"}
    assert not any(each.code == "removed-but-claimed" for one in place.plan().plans for each in one.findings)


def test_two_passes_at_once_do_not_write_more_unasked_than_one_may(tmp_path: Path, emulator_in_process: Any) -> None:
    """`run` may switch one merchant off in a day without a look at everyone. The long pass was judged for Bob and still
    writes to Ann when it is Cid's turn."""
    place = Place(tmp_path, emulator_in_process)
    place.provision(*NAMES, enabled=False)

    async def story(service: Service, traffic: Traffic) -> None:
        service.daemon = replace(service.daemon, run=replace(service.daemon.run, parallelism=1))
        portal_chooses_tips(place, "ann")
        place.edit_in_portal("bob", {"enabled": True})
        held = traffic.hold("POST", document_path(place, "ann"))
        long_pass = await begin_long_pass(service, held)
        place.edit_in_portal("cid", {"enabled": True})
        await run_and_record_pass(("cid",), service.daemon, urgent=True)
        assert place.document("cid")["enabled"] is True, "parked until the class is judged"
        (cid,) = [each for each in service.plan.plans if each.merchant == "cid"]
        assert cid.held_changes
        held.let_go()
        await long_pass
        assert place.document("bob")["enabled"] is False

    serve(place, story)


def test_a_pass_that_was_judged_counts_for_the_next_one_though_it_reads_the_account_still(
    tmp_path: Path, emulator_in_process: Any
) -> None:
    """As above; it is Cid's turn while the long pass, which is to switch Bob off, waits for the account's own text."""
    place = Place(tmp_path, emulator_in_process)
    place.provision(*NAMES, enabled=False)
    flow = {"apiVersion": "merchantctl/v1", "kind": "SyncFlow", "metadata": {"name": "flow"}}
    text = {"en-us": {"configure-misc-nextButton": "Go on"}}
    (place.manifests / "flow.yaml").write_text(json.dumps({**flow, "spec": {"text": text}}))
    place.apply()

    async def story(service: Service, traffic: Traffic) -> None:
        place.edit_in_portal("bob", {"enabled": True})
        held = traffic.hold("GET", "/sync/commerce/config/ui/text")
        long_pass = await begin_long_pass(service, held)
        place.edit_in_portal("cid", {"enabled": True})
        await run_and_record_pass(("cid",), service.daemon, urgent=True)
        held.let_go()
        await long_pass
        off = [name for name in ("bob", "cid") if not place.document(name)["enabled"]]
        assert len(off) == 1, "what one may write by itself in a day"

    serve(place, story)


def test_a_refusal_for_want_of_a_link_leaves_nobody_alone_for_good(place: Place) -> None:
    """Ann's books are unlinked between the plan and the write, and linked again before anybody looks."""

    async def story(service: Service, traffic: Traffic) -> None:
        portal_chooses_tips(place, "ann")
        held = traffic.hold("POST", document_path(place, "ann"))
        long_pass = await begin_long_pass(service, held)
        place.unlink_books_in_portal("ann")
        held.let_go()
        await long_pass
        connection = place.accounting_connection("ann")["id"]
        place.emulator.control("POST", f"/companies/{place.company('ann')['id']}/connections/{connection}/authorize")
        place.emulator.advance("PT1M")
        quarantine = (await service.daemon.run.store.quarantine.load())["ann"]
        assert quarantine.until is not None, "it is tried again by itself"
        assert "Deauthorized" in quarantine.reason

    serve(place, story)
    place.apply(retry=True)
    assert not place.plan().plans[0].changes


def test_a_long_pass_that_ends_forgets_nobody_whom_a_short_pass_looked_at_meanwhile(place: Place) -> None:
    """What was seen of Cid is what the short pass saw: `status` and every dashboard have it from there."""

    async def story(service: Service, traffic: Traffic) -> None:
        portal_chooses_tips(place, "bob")
        held = traffic.hold("POST", document_path(place, "bob"))
        long_pass = await begin_long_pass(service, held)
        await run_and_record_pass(("cid",), service.daemon, urgent=True)
        held.let_go()
        await long_pass
        assert (await service.daemon.run.store.last_looks.load_times()).keys() == set(NAMES)

    serve(place, story)


def test_in_a_flood_of_events_each_urgent_pass_is_short(
    tmp_path: Path, emulator_in_process: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """A long pass waits for the end of those that have joined it."""
    fleet = Fleet(tmp_path, emulator_in_process, 40, enabled=False)

    async def story(service: Service) -> None:
        serving = asyncio.create_task(loop.serve(service.daemon))
        service.daemon.queue.add(fleet.some(40), lane=Lane.EVENT)
        async with asyncio.timeout(30):
            while sum(_looked_at_for_an_event(written := capsys.readouterr().out, seen)) < 40:
                seen.append(written)
                await asyncio.sleep(0.01)
        shut_down(service.daemon, SIGTERM)
        await serving

    seen: list[str] = []
    fleet.serve(story)
    assert max(_looked_at_for_an_event("", seen)) <= MAX_URGENT_PASS


def _looked_at_for_an_event(written: str, before: list[str]) -> list[int]:
    return [int(number) for number in re.findall(r"because=event.*scope='(\d+) named'", "".join([*before, written]))]
