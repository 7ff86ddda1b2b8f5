"""`run` without webhooks: what a listing shows, and whom it leads to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.codat.client import Reader, open_client
from controller.codat.rate_limiter import DAY_S
from controller.daemon.jobs.listing_watcher import (
    NOT_LINKED_STATUSES,
    ListingWatcher,
    changed_company_ids,
    merge_status_listing,
    poll_interval,
)
from controller.daemon.rollout_driver import RolloutDriver
from controller.daemon.workqueue import WorkQueue
from controller.model.observed import Company, Connection, Listing
from controller.model.rollout import MemberState, RolloutSpec
from state import Binding, MemberRow, ProcessIdentity, Store, open_state
from tests.emulator import Emulator
from tests.end_to_end.place import GET_COMPANY, LIST_COMPANIES, Place
from tests.end_to_end.run_process import running_controller
from tests.end_to_end.stepped_controller import running_service
from tests.web.conftest import SECRET

MINUTE, NOON = timedelta(minutes=1), datetime(2026, 11, 28, 12, tzinfo=UTC)


@pytest.fixture
def place(tmp_path: Path, emulator_in_process: Any) -> Place:
    place = Place(tmp_path, emulator_in_process)
    place.provision("ann", "bob")
    return place


def looked_at(
    place: Place,
    *between: Callable[[], object],
    unclaimed: list[Mapping[str, str]] | None = None,
    looks: Mapping[int, str] = MappingProxyType({}),
) -> list[tuple[str, ...]]:
    """Whom each poll leads to, a minute after the one before; what happens in between. The first poll is the first.

    unclaimed  takes what is said of the companies that no merchant has, once for each complete listing
    looks      by number of what happens in between, the company that is looked at just after it
    """
    unclaimed = [] if unclaimed is None else unclaimed

    async def story() -> list[tuple[str, ...]]:
        queue, now, seen = WorkQueue(), datetime.now(UTC), []
        network = place.environment.network
        client = open_client(
            place.settings.base_url, place.emulator.api_key, requests_per_minute=0, network=network, clock=lambda: now
        )
        async with open_state(place.settings.state) as store, client as api:
            watcher = ListingWatcher(api, store, queue, lambda: now, 60.0, unclaimed.append)
            await watcher.poll()
            assert len(queue) == 0, "the first listing is what all others are compared with"
            for number, happens in enumerate(between):
                happens()
                if looked := looks.get(number):
                    company = await api.company(looked)
                    assert isinstance(company, Company)
                    watcher.record_read_statuses(company)
                now += MINUTE
                await watcher.poll()
                work = await queue.get_urgent() if len(queue) else {}
                seen.append(tuple(work))
                await queue.done(work)
        return seen

    return asyncio.run(story())


def nothing() -> None:
    pass


def test_an_unlink_and_the_consent_after_it_lead_to_the_merchant_within_a_minute_each(place: Place) -> None:
    def consent() -> None:
        connection = place.accounting_connection("ann")["id"]
        place.emulator.control("POST", f"/companies/{place.company('ann')['id']}/connections/{connection}/authorize")

    seen = looked_at(place, nothing, lambda: place.unlink_books_in_portal("ann"), nothing, consent, nothing)
    assert seen == [(), ("ann",), (), ("ann",), ()]


def test_a_minute_costs_one_request(place: Place) -> None:
    with place.count_requests() as counts:
        looked_at(place, nothing, nothing, nothing)
    assert counts[LIST_COMPANIES] == 1 + 3


def test_a_rename_and_a_deletion_are_in_the_next_complete_listing(place: Place) -> None:
    bob = place.company("bob")["id"]

    def rename_and_delete() -> None:
        ann = place.company("ann")["id"]
        place.emulator.api.put(f"/companies/{ann}", json={"name": "anna"}).raise_for_status()
        place.emulator.api.delete(f"/companies/{bob}").raise_for_status()

    seen = looked_at(place, rename_and_delete, *[nothing] * 10)
    assert [each for each in seen if each] == [("ann", "bob")]
    assert seen.index(("ann", "bob")) <= 10


def test_a_complete_listing_tells_which_companies_nobody_claims(place: Place) -> None:
    unclaimed: list[Mapping[str, str]] = []

    def stranger() -> None:
        place.emulator.api.post("/companies", json={"name": "a stranger"}).raise_for_status()

    looked_at(place, stranger, *[nothing] * 10, unclaimed=unclaimed)
    assert [list(each.values()) for each in unclaimed] == [[], ["a stranger"]]


def test_what_a_listing_says_that_nobody_claims_a_look_at_everyone_says_too(place: Place) -> None:
    place.merchant("bob", policy={"deletion": "Disable"})
    place.apply()
    place.remove_manifests("bob")
    place.apply(allow=("disable", "shrink"))
    unclaimed: list[Mapping[str, str]] = []
    looked_at(place, unclaimed=unclaimed)
    assert [tuple(each.values()) for each in unclaimed] == [place.plan().unmanaged_names] == [("bob",)]


def test_when_data_was_pulled_is_no_event(place: Place) -> None:
    assert looked_at(place, lambda: place.emulator.advance("P1D"), *[nothing] * 10) == [()] * 11


def test_what_a_look_has_read_since_leads_to_no_other_look_but_what_comes_after_it_does(place: Place) -> None:
    ann, control = place.company("ann")["id"], place.emulator.control
    books = f"/companies/{ann}/connections/{place.accounting_connection('ann')['id']}"

    def unlink() -> None:
        control("POST", f"{books}/deauthorize")

    def rename() -> None:
        place.emulator.api.put(f"/companies/{ann}", json={"name": "anna"}).raise_for_status()

    def consent() -> None:
        control("POST", f"{books}/authorize")

    assert looked_at(place, unlink, nothing, consent, nothing, looks={0: ann}) == [(), (), ("ann",), ()]
    # The look that finds another name puts it right: its being right again is no event then.
    assert looked_at(place, unlink, rename, nothing, looks={0: ann, 1: ann}) == [(), ("ann",), ()]


def test_what_a_look_reads_while_the_state_is_asked_whom_a_listing_is_about_is_kept() -> None:
    """Bob is unlinked when somebody looks, and linked again a moment later: that is an event."""

    def company(name: str, status: str) -> Company:
        return Company(name, name, (Connection(f"{name}-books", "gbol", "Accounting", status),))

    async def story() -> list[tuple[str, ...]]:
        queue, listed, begun = WorkQueue(), [company("ann", "Linked"), company("bob", "Linked")], NOON
        bindings: list[Binding] = []

        async def load() -> list[Binding]:
            if bindings:
                watcher.record_read_statuses(company("bob", "Unlinked"))
            return bindings

        async def companies(**_: object) -> Listing:
            return Listing(tuple(listed), True, begun)

        api, store = (
            SimpleNamespace(companies=companies, quota=None),
            SimpleNamespace(bindings=SimpleNamespace(load=load)),
        )
        watcher = ListingWatcher(
            cast(Reader, api), cast(Store, store), queue, lambda: begun, 60.0, lambda unclaimed: None
        )
        await watcher.poll()
        bindings += [Binding(name, name, name, None, None, None) for name in ("ann", "bob")]
        listed[:], seen = [company("ann", "Unlinked")], []
        for _ in range(2):
            begun += MINUTE
            await watcher.poll()
            work = await queue.get_urgent() if len(queue) else {}
            seen.append(tuple(work))
            await queue.done(work)
        return seen

    first, second = asyncio.run(story())
    assert "ann" in first
    assert "bob" in first + second


def test_what_a_rollout_reads_is_an_event_still(place: Place) -> None:
    """It records nothing of whoever is unlinked."""

    async def story() -> list[Company]:
        read: list[Company] = []
        async with running_service(place) as service:
            daemon, fleet = service.daemon, service.daemon.manifest_watcher.fleet
            owner = ProcessIdentity.current("run")
            members = [MemberRow("ann", 1, fleet.merchants["ann"].digest, MemberState.PENDING.value)]
            await daemon.run.store.rollouts.begin(
                "x", RolloutSpec(("100%",)).to_json(), members, owner, daemon.run.now()
            )
            run = replace(daemon.run, on_company_read=read.append)
            driver = RolloutDriver(run, daemon.lock, daemon.state, owner, lambda: fleet, lambda: True)
            with place.count_requests() as counts:
                await driver.drive()
            assert counts[GET_COMPANY]
        return read

    assert asyncio.run(story()) == []


def test_while_the_key_is_refused_nothing_is_said_of_anybody_and_no_timer_fails(place: Place) -> None:
    def refuse() -> None:
        place.unlink_books_in_portal("ann")
        place.emulator.fault(LIST_COMPANIES, "status", code=401, times=100)

    def accept() -> None:
        place.emulator.control("DELETE", "/faults")

    assert looked_at(place, refuse, nothing, accept) == [(), (), ("ann",)]


@pytest.mark.parametrize("fault", ["status", "garbage", "truncate"])
def test_a_listing_that_is_not_whole_says_nothing_and_the_next_one_says_it(place: Place, fault: str) -> None:
    def unlink_unseen() -> None:
        place.unlink_books_in_portal("ann")
        place.emulator.fault(LIST_COMPANIES, fault, times=20)

    def heal() -> None:
        place.emulator.control("DELETE", "/faults")

    assert looked_at(place, unlink_unseen, heal) == [(), ("ann",)]


def test_a_listing_that_lacks_somebody_since_it_is_not_whole_is_compared_with_nothing() -> None:
    """It says nothing of whoever is in it, either; the next one is compared with the last that was whole."""

    async def story() -> list[tuple[str, ...]]:
        ann, bob, now = Company("ann", "ann"), Company("bob", "bob"), NOON
        listings = [
            Listing((ann, bob), True, now),
            Listing((replace(ann, name="another"),), False, now, "page 2 was not answered"),
            Listing((ann, bob), True, now),
            Listing((ann,), True, now),
        ]

        async def companies(**_: object) -> Listing:
            return listings.pop(0)

        async def load() -> list[Binding]:
            return [Binding(name, name, name, None, None, None) for name in ("ann", "bob")]

        api = cast(Reader, SimpleNamespace(companies=companies, quota=None))
        store = cast(Store, SimpleNamespace(bindings=SimpleNamespace(load=load)))
        queue, seen = WorkQueue(), list[tuple[str, ...]]()
        watcher = ListingWatcher(api, store, queue, lambda: now, 60.0, lambda unclaimed: None)
        await watcher.poll()
        while listings:
            now += 11 * MINUTE
            await watcher.poll()
            work = await queue.get_urgent() if len(queue) else {}
            seen.append(tuple(work))
            await queue.done(work)
        return seen

    assert asyncio.run(story()) == [(), (), ("bob",)]


def test_what_changed_while_the_state_was_away_leads_to_its_merchant_once_it_is_back(place: Place) -> None:
    state = Path(place.settings.state.removeprefix("sqlite:///"))
    away = state.with_suffix(".away")

    def unlink_while_it_goes() -> None:
        place.unlink_books_in_portal("ann")
        state.rename(away)

    assert looked_at(place, unlink_while_it_goes, lambda: away.rename(state), nothing) == [(), ("ann",), ()]


@pytest.mark.waits
@pytest.mark.over_tcp
def test_in_run_an_unlink_without_a_webhook_is_found_long_before_the_resync(tmp_path: Path, emulator: Emulator) -> None:
    place = Place(tmp_path, emulator)
    place.provision("ann", "bob")
    with running_controller(place, "--resync", "1h", MERCHANTCTL_LISTING_POLL_INTERVAL="1s") as watch:
        watch.wait_until(lambda: watch.passes)
        place.unlink_books_in_portal("ann")
        assert watch.next_pass(scope="1 named")
        assert [each["merchants"] for each in watch.log if each["event"] == "merchants_queued_by_listing"] == [1]


@pytest.mark.waits
@pytest.mark.over_tcp
def test_in_run_whoever_a_webhook_led_to_is_not_looked_at_once_more_for_the_listing(
    tmp_path: Path, emulator: Emulator
) -> None:
    place = Place(tmp_path, emulator)
    place.provision("ann", "bob")
    books = {
        name: f"/companies/{place.company(name)['id']}/connections/{place.accounting_connection(name)['id']}"
        for name in ("ann", "bob")
    }
    variables = {"MERCHANTCTL_LISTING_POLL_INTERVAL": "1s", "MERCHANTCTL_WEBHOOK_SECRET": SECRET}
    with running_controller(place, "--resync", "1h", **variables) as watch:
        hook = {"url": f"{watch.address}/webhooks", "eventTypes": ["connection.disconnected"]}
        made = emulator.api.post("/webhooks", json=hook).json()
        emulator.control("PATCH", f"/webhooks/{made['id']}", {"secret": SECRET})
        watch.wait_until(lambda: watch.passes)
        by_passes = watch.wait_until(lambda: emulator.counts()[LIST_COMPANIES])
        watch.wait_until(lambda: emulator.counts()[LIST_COMPANIES] >= by_passes + 2)
        emulator.fault(LIST_COMPANIES, "status", code=503, times=1000)
        emulator.control("POST", f"{books['ann']}/deauthorize")
        assert watch.next_pass(scope="1 named")
        emulator.api.delete(f"/webhooks/{made['id']}").raise_for_status()
        emulator.control("DELETE", "/faults")
        emulator.control("POST", f"{books['bob']}/deauthorize")
        assert watch.next_pass(scope="1 named")
        assert [each["merchants"] for each in watch.log if each["event"] == "merchants_queued_by_listing"] == [1]
        assert [each["merchant"] for each in watch.log if each["event"] == "finding_opened"] == ["ann", "bob"]


# -- Values


@given(st.integers(0, 200_000), st.integers(1, 1_000_000))
def test_both_listings_take_a_tenth_of_a_days_requests_at_most(rows: int, limit: int) -> None:
    requests = max(1, -(-rows // 5000))
    for share in (0.03, 0.07):
        wait = poll_interval(MINUTE, limit, rows, share)
        assert wait >= MINUTE
        assert requests * DAY_S / wait.total_seconds() <= limit * share * 1.000_001


def companies() -> st.SearchStrategy[dict[str, Company]]:
    status = st.sampled_from(("Linked", *NOT_LINKED_STATUSES))
    pairs = st.tuples(status, status)
    return st.dictionaries(st.sampled_from("abcdef"), pairs).map(
        lambda found: {
            id_: Company(id_, id_, tuple(Connection(f"{id_}{n}", "gbol", "", each) for n, each in enumerate(pair)))
            for id_, pair in found.items()
        }
    )


def rows(listed: dict[str, Company]) -> dict[str, Any]:
    return {
        id_: (each.name, frozenset((one.id, one.status) for one in each.connections)) for id_, each in listed.items()
    }


def not_linked(listed: dict[str, Company]) -> Iterator[Company]:
    return (each for each in listed.values() if any(one.status in NOT_LINKED_STATUSES for one in each.connections))


@given(companies(), companies())
def test_the_short_listing_finds_every_change_of_a_status_and_invents_none(
    before: dict[str, Company], later: dict[str, Company]
) -> None:
    """Of companies that are in both; who came or went as linked is for the complete listing to tell."""
    both = before.keys() & later.keys()
    now = {id_: later[id_] for id_ in both}
    then = {id_: before[id_] for id_ in both}
    found = changed_company_ids(rows(then), merge_status_listing(rows(then), not_linked(now)))
    assert found == {id_ for id_ in both if rows(then)[id_] != rows(now)[id_]}
