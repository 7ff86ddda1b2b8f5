"""References that do not resolve: one line for each address, however many merchants share it."""

from __future__ import annotations

from controller.model.lookup import FleetLookup, LookedUp, Misfit, TooEarly
from controller.model.merchant import Origin
from controller.model.observed import Unread
from controller.model.values import Option
from controller.reporting.lookup import lookup_json, lookup_lines, lookup_summary

PROFILE = Origin("manifests/base.yaml", 16, 19, "MappingProfile base")
OWN = Origin("manifests/acme.yaml", 9, 7, "Merchant acme")
TIPS = "mapping.sales.accounts.gratuity"


def tips(*candidates: Option, kind: str = "unresolved", origin: Origin = PROFILE) -> Misfit:
    return Misfit(origin, TIPS, kind, "name 'Tips'", candidates)


def test_a_mistake_in_a_profile_is_one_line_with_the_nearest_of_one_merchant():
    near = Option("a", "Tips payable", "825")
    looked = FleetLookup({name: LookedUp((tips(near),)) for name in ("acme", "bolt", "cafe", "dora")})
    assert lookup_lines(looked) == [
        "manifests/base.yaml:16:19: mapping.sales.accounts.gratuity: name 'Tips' matches none of the options of "
        "acme, bolt, cafe and 1 more (the nearest: Tips payable (code 825) at acme)"
    ]
    (entry,) = lookup_json(looked)["references"]
    assert [each["merchant"] for each in entry["merchants"]] == ["acme", "bolt", "cafe", "dora"]


def test_lines_stand_in_the_order_of_their_addresses():
    several = tips(Option("a", "Tips"), Option("b", "Tips"), kind="ambiguous", origin=OWN)
    gone = Misfit(PROFILE, 'mapping.sales.taxRates["17.5"]', "not-offered", "id 'X'")
    lines = lookup_lines(FleetLookup({"acme": LookedUp((gone, several))}))
    assert lines[0].endswith("matches several options of acme (write one of: {id: a} Tips; {id: b} Tips)")
    assert "un-declare it there: unmanaged: ['mapping.sales.taxRates[\"17.5\"]']" in lines[1]


def test_the_summary_counts_who_was_looked_up_who_is_early_and_who_could_not_be_read():
    looked = FleetLookup(
        {
            "acme": LookedUp((tips(),)),
            "bolt": LookedUp(),
            "cafe": TooEarly("not created yet"),
            "dora": Unread("a page failed"),
        }
    )
    assert lookup_summary(looked) == (
        "2 merchants looked up, 1 with references that do not resolve, 1 too early (not created yet), "
        "1 could not be read."
    )
    assert (looked.complete, looked.misfits) == (False, True)
    assert "dora: could not be read: a page failed" in lookup_lines(looked)
