"""References that do not resolve: one line for each address, however many merchants share it."""

from __future__ import annotations

from controller.model.desired import Origin
from controller.model.field_values import Option
from controller.model.observed import Unread
from controller.model.reference_check import (
    CheckedReferences,
    FleetReferenceCheck,
    NotYetCheckable,
    UnresolvedReference,
)
from controller.model.yaml_snippets import describe_option
from controller.reporting.reference_check import reference_check_json, reference_check_lines, reference_check_summary

PROFILE = Origin("manifests/base.yaml", 16, 19, "MappingProfile base")
OWN = Origin("manifests/acme.yaml", 9, 7, "Merchant acme")
TIPS = "mapping.sales.accounts.gratuity"


def tips(*candidates: Option, kind: str = "unresolved", origin: Origin = PROFILE) -> UnresolvedReference:
    written = tuple(describe_option(each, "id" if kind == "ambiguous" else "name") for each in candidates)
    return UnresolvedReference(origin, TIPS, kind, "name 'Tips'", candidates, written)


def test_a_mistake_in_a_profile_is_one_line_with_the_nearest_of_one_merchant() -> None:
    near = Option("a", "Tips payable", "825")
    looked = FleetReferenceCheck({name: CheckedReferences((tips(near),)) for name in ("acme", "bolt", "cafe", "dora")})
    assert reference_check_lines(looked) == [
        "manifests/base.yaml:16:19: mapping.sales.accounts.gratuity: name 'Tips' matches none of the options of "
        'acme, bolt, cafe and 1 more (write {name: "Tips payable"} (code 825))'
    ]
    (entry,) = reference_check_json(looked)["references"]
    assert [each["merchant"] for each in entry["merchants"]] == ["acme", "bolt", "cafe", "dora"]


def test_where_the_books_differ_the_candidates_are_told_by_merchant() -> None:
    tips_payable, trinkgeld = Option("a", "Tips payable"), Option("b", "Trinkgeld")
    looked = FleetReferenceCheck(
        {
            "acme": CheckedReferences((tips(tips_payable),)),
            "bolt": CheckedReferences((tips(trinkgeld),)),
            "cafe": CheckedReferences((tips(),)),
        }
    )
    assert reference_check_lines(looked)[0].endswith(
        '(write at acme: {name: "Tips payable"}; at bolt: {name: "Trinkgeld"}; at cafe: nothing similar is offered)'
    )


def test_lines_stand_in_the_order_of_their_addresses() -> None:
    several = tips(Option("a", "Tips"), Option("b", "Tips"), kind="ambiguous", origin=OWN)
    gone = UnresolvedReference(PROFILE, 'mapping.sales.taxRates["17.5"]', "not-offered", "id 'X'")
    lines = reference_check_lines(FleetReferenceCheck({"acme": CheckedReferences((gone, several))}))
    assert lines[0].endswith('matches several options of acme (write {id: "a"} (Tips); or {id: "b"} (Tips))')
    assert "un-declare it there: unmanaged: ['mapping.sales.taxRates[\"17.5\"]']" in lines[1]


def test_the_summary_counts_who_was_looked_up_who_is_early_and_who_could_not_be_read() -> None:
    looked = FleetReferenceCheck(
        {
            "acme": CheckedReferences((tips(),)),
            "bolt": CheckedReferences(),
            "cafe": NotYetCheckable("not created yet"),
            "dora": Unread("a page failed"),
        }
    )
    assert reference_check_summary(looked) == (
        "2 merchants looked up, 1 with references that do not resolve, 1 too early (not created yet), "
        "1 could not be read."
    )
    assert (looked.is_complete, looked.has_unresolved) == (False, True)
    assert "dora: could not be read: a page failed" in reference_check_lines(looked)
