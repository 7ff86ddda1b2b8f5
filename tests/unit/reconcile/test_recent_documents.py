"""A document that was planned for serves as the read before its POST: while it is fresh, and once."""

from __future__ import annotations

import pytest

from controller.reconcile.recent_documents import MAX_AGE_S, RecentDocument, RecentDocuments
from tests import build

LIVE = build.usual_configuration()


@pytest.mark.parametrize(("age", "fresh"), [(0, True), (MAX_AGE_S, True), (MAX_AGE_S + 0.001, False), (-1, False)])
def test_a_document_is_fresh_for_a_moment(age: float, fresh: bool) -> None:
    assert RecentDocument(LIVE, read_at=0.0).is_fresh(age) is fresh


def test_it_is_given_out_once() -> None:
    documents = RecentDocuments()
    documents.keep("acme", RecentDocument(LIVE, 1.0))
    assert documents.take("acme") == RecentDocument(LIVE, 1.0)
    assert documents.take("acme") is None


def test_of_a_fleet_only_the_fresh_ones_are_kept() -> None:
    documents = RecentDocuments()
    for number in range(1000):
        documents.keep(f"m-{number}", RecentDocument(LIVE, number * MAX_AGE_S))
    assert [number for number in range(1000) if documents.take(f"m-{number}")] == [998, 999]
