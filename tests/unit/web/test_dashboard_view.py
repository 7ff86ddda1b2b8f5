"""The dashboard as a value, kept from one pass to the next."""

from __future__ import annotations

from dataclasses import replace

from controller.model.controller_status import ControllerStatus
from controller.model.desired import DesiredMerchant, Fleet
from controller.model.merchant_status import MerchantStatus
from controller.web.dashboard_view import DashboardView, DashboardViewCache, MerchantRow
from tests.unit.reporting.fleets import changing, fleet, merchant


def rows(view: DashboardView) -> dict[str, MerchantRow]:
    return {row.merchant: row for row in view.rows}


def test_after_a_pass_the_rows_of_whom_nothing_is_new_are_kept_and_all_others_are_as_they_are_now() -> None:
    ann, bob, cat = merchant("ann"), merchant("bob"), merchant("cat")
    desired = {name: DesiredMerchant(name, name, profile="uk") for name in ("ann", "bob", "cat")}
    manifests = Fleet(desired, frozenset(desired), (), True, "")
    status, views = ControllerStatus(manifests, fleet(ann, bob, cat)), DashboardViewCache()
    before = rows(views.get(status))
    moved = {**desired, "cat": replace(desired["cat"], profile="us")}
    later = replace(status, plan=fleet(changing("ann"), bob, cat), fleet=replace(manifests, merchants=moved))
    after = rows(views.get(later))
    assert after["bob"] is before["bob"]
    assert (after["ann"].status, after["cat"].profile) == (MerchantStatus.CHANGE, "us")
    assert views.get(later).profiles == (("uk", 2), ("us", 1))
