"""Order and case of Codat's own words carry no meaning; Codat stores its own."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from controller.model.observed import Configuration
from tests import build
from tests.build import change_kinds, finding_codes

FIELDS = ("Location", "Country")


def spellings(word: str) -> st.SearchStrategy[str]:
    return st.sampled_from([word, word.lower(), word.upper(), word.swapcase()])


def documents(period: str, frequency: str, status: str, offered: list[str], chosen: list[str]) -> Configuration:
    level = {"selectedGroupByOptions": chosen, "groupByOptions": offered}
    grouping = {"groupingPeriod": {"selectedGroupingPeriod": period}, "groupingLevels": {"invoiceLevel": level}}
    sales = {"invoiceStatus": {"selectedInvoiceStatus": status}, "grouping": grouping}
    return build.usual_configuration({"configuration": {"sales": sales}, "schedule": {"selectedFrequency": frequency}})


@given(
    period=spellings("Daily"),
    frequency=spellings("Daily"),
    status=spellings("Submitted"),
    offered=st.permutations(FIELDS),
    chosen=st.permutations(FIELDS).flatmap(lambda words: st.tuples(*map(spellings, words))),
)
def test_live_in_any_order_and_any_case_is_in_sync(
    period: str, frequency: str, status: str, offered: list[str], chosen: tuple[str, ...]
) -> None:
    wish = build.desired_merchant({"mapping.sales.grouping.invoice": FIELDS})
    live = documents(period, frequency, status, list(offered), list(chosen))
    plan = build.make_usual_plan(wish, build.observed(live))
    assert (finding_codes(plan), change_kinds(plan)) == ([], [])


def test_another_word_is_still_drift() -> None:
    wish = build.desired_merchant({"mapping.sales.grouping.invoice": FIELDS})
    plan = build.make_usual_plan(wish, build.observed(documents("Daily", "Daily", "draft", [*FIELDS], ["Location"])))
    assert {each.field for change in plan.changes for each in change.fields} == {
        "mapping.sales.grouping.invoice",
        "mapping.sales.invoiceStatus",
    }


def test_what_is_sent_is_spelled_as_the_service_spells_it() -> None:
    wish = build.desired_merchant({"mapping.sales.grouping.invoice": ("Location", "Country")})
    plan = build.make_usual_plan(
        wish, build.observed(documents("Daily", "Daily", "Submitted", ["country", "LOCATION"], []))
    )
    (sent,) = (each.wanted for change in plan.changes for each in change.fields)
    assert sent == ("LOCATION", "country")


def test_white_space_around_a_company_s_name_is_nobody_s_rename_and_its_case_is() -> None:
    assert (
        change_kinds(build.make_usual_plan(seen=build.observed(company=build.usual_company({"name": " acme-coffee "}))))
        == []
    )
    assert change_kinds(
        build.make_usual_plan(seen=build.observed(company=build.usual_company({"name": "Acme-Coffee"})))
    ) == ["rename-company"]
