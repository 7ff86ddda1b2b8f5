"""Which companies an import takes, from a listing alone: those that a manifest can adopt."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

import pytest

from controller.codat.client import Reader
from controller.model.desired import DesiredMerchant, Fleet
from controller.model.observed import Company, Connection, Listing, RecordedState
from controller.operations.import_ import ImportOptions, ImportResult, KnownMerchants, read_companies
from tests import build


class Listed(Reader):
    """The reading half of the API, of which an import of merchants without consent needs only the listing."""

    def __init__(self, found: tuple[Company, ...]) -> None:
        self.found = found

    async def companies(self, connection_statuses: Collection[str] = ()) -> Listing:
        return Listing(self.found, True, build.USUAL_NOW)


def company(id_: str, name: str, *connections: tuple[str, str]) -> Company:
    """With accounting connections of these platforms and statuses; one that waits for consent unless said."""
    waiting = connections or (("gbol", "PendingAuth"),)
    ours = (Connection(f"{id_}-{n}", platform, "Accounting", status) for n, (platform, status) in enumerate(waiting))
    return Company(id_, name, tuple(ours))


def imported(
    *companies: Company, known: KnownMerchants | None = None, choice: ImportOptions | None = None
) -> ImportResult:
    nobody = KnownMerchants(Fleet({}, frozenset(), (), False, ""), {})
    work = read_companies(
        Listed(companies),
        choice or ImportOptions(),
        known or nobody,
        lambda: build.USUAL_NOW,
        2,
        lambda done, of, failed: None,
    )
    return asyncio.run(work)


def bound(**companies: str) -> KnownMerchants:
    """What the state remembers: merchant=company id."""
    memories = {name: RecordedState(company_id) for name, company_id in companies.items()}
    return KnownMerchants(Fleet({}, frozenset(), (), False, ""), memories)


def names(found: ImportResult) -> list[str]:
    return [each.name for each in found.manifests]


def left_out(found: ImportResult) -> dict[str, str]:
    return {each.company.id: each.reason for each in found.skipped}


@pytest.mark.parametrize(
    ("odd", "why"),
    [
        (company("1", "shop", ("zzzz", "PendingAuth")), "platform 'zzzz'"),
        (company("1", "shop", ("gbol", "Linked"), ("qhyg", "Linked")), "2 accounting connections"),
        (company("1", "shop", ("gbol", "Unlinked"), ("gbol", "PendingAuth")), "2 accounting connections"),
        (company("1", "merchant_1"), "no manifest finds it"),
        (company("1", "café"), "no manifest finds it"),
        (company("1", "x" * 501), "no manifest finds it"),
        (company("1", "   "), "no manifest finds it"),
        (company("1", "Acme\u00a0Foods"), "its name has a NO-BREAK SPACE (U+00A0)"),
        (company("1", "Acme\u200bFoods"), "its name has a ZERO WIDTH SPACE (U+200B)"),
    ],
)
def test_what_no_manifest_can_adopt_is_left_out_with_the_reason(odd: Company, why: str) -> None:
    found = imported(odd, company("2", "usual"))
    assert names(found) == ["usual"]
    assert why in left_out(found)["1"]
    assert not found.skipped[0].unread


def test_of_two_connections_the_linked_one_counts_and_else_the_one_that_state_has_bound() -> None:
    spare = company("1", "shop", ("qhyg", "PendingAuth"), ("gbol", "PendingAuth"))
    known = KnownMerchants(Fleet({}, frozenset(), (), False, ""), {"shop": RecordedState("1", "1-1")})
    (manifest,) = imported(spare, known=known).manifests
    assert manifest.spec == {"connection": {"platform": "xero"}}


def test_of_namesakes_only_the_one_that_state_has_bound_is_taken() -> None:
    twins = company("1", "shop"), company("2", "shop")
    assert [*left_out(imported(*twins))] == ["1", "2"]
    found = imported(*twins, known=bound(acme="2"))
    assert names(found) == ["acme"]
    assert [*left_out(found)] == ["1"]
    assert [*left_out(imported(*twins, known=bound(a="1", b="2")))] == ["1", "2"]


def test_a_namesake_that_was_not_asked_for_is_a_namesake_all_the_same() -> None:
    twins = company("1", "shop", ("gbol", "PendingAuth")), company("2", "shop", ("qhyg", "PendingAuth"))
    found = imported(*twins, choice=ImportOptions(platform="gbol"))
    assert (names(found), [*left_out(found)]) == ([], ["1"])


def test_a_name_that_state_has_bound_to_another_company_is_not_given_away() -> None:
    assert names(imported(company("1", "acme"), company("2", "shop"), known=bound(acme="2"))) == ["acme-2", "acme"]


def test_a_company_that_a_manifest_declares_or_has_bound_is_passed_over() -> None:
    fleet = Fleet({"acme": DesiredMerchant("acme", "Acme")}, frozenset({"acme", "beta"}), (), True, "")
    known = KnownMerchants(fleet, {"beta": RecordedState("2")})
    found = imported(company("1", "Acme"), company("2", "renamed"), company("3", "beta"), known=known)
    assert found.already_declared == 2
    assert [(each.name, each.spec.get("company")) for each in found.manifests] == [("beta-2", {"name": "beta"})]


def test_the_limit_counts_what_is_new_in_the_order_of_names() -> None:
    fleet = Fleet({"a": DesiredMerchant("a", "a")}, frozenset({"a"}), (), True, "")
    found = imported(
        *(company(name, name) for name in "dcba"), known=KnownMerchants(fleet, {}), choice=ImportOptions(limit=2)
    )
    assert names(found) == ["b", "c"]
