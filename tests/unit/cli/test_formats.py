"""What cannot be told of one merchant spoils nobody else's part, in whichever form that is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from controller.cli.formats import (
    APPLY_FORMATS,
    DRIFT_FORMATS,
    PLAN_FORMATS,
    STATUS_FORMATS,
    View,
    render_isolating_faults,
)
from controller.model.exit_codes import exit_code
from controller.model.plan import PlanStatus
from controller.model.report import Applied, Failed, FleetPlan
from controller.reporting.paint import WITHOUT_COLOUR
from tests.narrowing import expect
from tests.unit.reporting.fleets import changing, finding, fleet, merchant, report


class Untellable:
    """A value such as no field has: a fault of ours, wherever it comes from."""

    def __repr__(self) -> str:
        raise ZeroDivisionError("no words for it")

    __str__ = __repr__


BAD: Any = Untellable()
ILL = replace(changing("ill"), findings=(finding(merchant="ill", live=BAD, wanted=BAD), finding(BAD, "ill")))
WELL = replace(changing("well"), findings=(finding(merchant="well"),))

VIEW = View(WITHOUT_COLOUR)
FORMATS = {
    **{f"plan {name}": (render, VIEW) for name, render in PLAN_FORMATS.items()},
    **{f"drift {name}": (render, VIEW) for name, render in DRIFT_FORMATS.items()},
    "status in depth": (STATUS_FORMATS["text"], replace(VIEW, in_depth=True)),
    "status json": (STATUS_FORMATS["json"], VIEW),
}


@pytest.mark.parametrize("name", [name for name in FORMATS if "junit" not in name])  # it shows no value
def test_a_fault_while_one_merchant_is_rendered_is_its_own(name: str) -> None:
    render, view = FORMATS[name]
    with pytest.raises((ZeroDivisionError, TypeError)):
        render(fleet(ILL, WELL), view)
    text, told = render_isolating_faults(fleet(ILL, WELL), render, view)
    assert "well" in text
    assert "internal-error" in text
    assert [(each.merchant, each.status) for each in told.plans] == [
        ("ill", PlanStatus.UNKNOWN),
        ("well", PlanStatus.CHANGE),
    ]
    assert told.plans[1] == WELL
    assert exit_code("plan", told) == 5, "not everything could be told"


@pytest.mark.parametrize("form", [form for form in APPLY_FORMATS if form != "junit"])  # it shows no value
def test_a_report_keeps_what_was_written_for_whom_it_cannot_render(form: str) -> None:
    done = report(fleet(ILL, WELL), {"ill": Applied(1, ILL.findings), "well": Applied(1)}, confirmed=False)
    text, told = render_isolating_faults(done, APPLY_FORMATS[form], VIEW)
    assert "well" in text
    assert "a fault of merchantctl itself" in text
    assert (expect(Failed, told.outcomes["ill"]).writes, told.outcomes["well"]) == (1, Applied(1))


def test_what_can_be_rendered_is_rendered_once_and_as_it_is() -> None:
    seen: list[FleetPlan] = []

    def rendered(each: FleetPlan, view: View) -> str:
        seen.append(each)
        return "all"

    plan = fleet(WELL, merchant("idle"))
    text, told = render_isolating_faults(plan, rendered, VIEW)
    assert (text, told, seen) == ("all", plan, [plan])
