"""What is worth a message, and the message: each piece of it once."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from controller.model.controller_status import ControllerStatus
from controller.model.desired import Diagnostic
from controller.model.finding_evidence import Ended
from controller.model.plan import Actor, Direction, Finding, PlanStatus
from controller.model.report import Applied, Failed, LimitExceeded, Outcome, Refusal, Skipped, Unchanged
from controller.telemetry.alerts import Alert, FindingAlert, alert_json, mask_volatile_parts, new_alert, standing_topics
from tests.unit.reporting.fleets import NOW, finding, fleet, merchant


def drift(name: str = "acme", **more: Any) -> Finding:
    return finding("mapping-changed", name, direction=Direction.DRIFT, field="enabled", since=NOW, **more)


def came(*findings: Finding, **more: Any) -> tuple[FindingAlert, ...]:
    return tuple(FindingAlert(each, number, **more) for number, each in enumerate(findings, 1))


class Chat:
    """What is told of one pass after another, and remembered as told."""

    def __init__(self) -> None:
        self.told: frozenset[tuple[str, str]] = frozenset()

    def after(
        self,
        *,
        outcomes: Mapping[str, Outcome] | None = None,
        refusal: Refusal | None = None,
        complaints: tuple[Diagnostic, ...] = (),
        trouble: str | None = None,
        whole: bool = True,
        names: Sequence[str] = ("acme", "beta"),
    ) -> Alert:
        plan = fleet(*(merchant(name, PlanStatus.CHANGE) for name in names), refusal=refusal)
        latest = ControllerStatus(plan=plan, diagnostics=complaints, pass_failure=trouble)
        now = standing_topics(latest, self.told, plan, outcomes or {}, is_whole_fleet=whole)
        fresh = new_alert((), now, self.told)
        self.told = (self.told - now.over) | now.topics
        return fresh


REASON = "GET /x: 503 no luck (correlation id {})"


def test_a_failure_is_told_once_whatever_moves_in_its_words_and_another_reason_anew() -> None:
    chat = Chat()
    first = chat.after(outcomes={"acme": Failed(REASON.format("a1"), True)})
    assert first.failures == (("acme", REASON.format("a1")),)
    assert not chat.after(outcomes={"acme": Failed(REASON.format("b2"), True)})
    assert chat.after(outcomes={"acme": Failed("400: no such tax rate", False)}).failures


def test_who_is_left_alone_for_a_while_and_fails_again_is_no_news() -> None:
    """Each back-off told the same failure anew."""
    chat = Chat()
    assert chat.after(outcomes={"acme": Failed("503", True)})
    assert not chat.after(outcomes={"acme": Skipped("left alone until 12:01:00 UTC")})
    assert not chat.after(outcomes={"acme": Failed("503", True)})


def test_who_did_well_and_fails_again_is_news_again() -> None:
    for well in (Applied(1), Unchanged()):
        chat = Chat()
        assert chat.after(outcomes={"acme": Failed("503", True)})
        assert not chat.after(outcomes={"acme": well})
        assert chat.after(outcomes={"acme": Failed("503", True)}).failures


def test_a_failure_of_another_merchant_ends_nothing() -> None:
    chat = Chat()
    chat.after(outcomes={"acme": Failed("503", True)})
    assert not chat.after(outcomes={"beta": Applied(1)}, whole=False, names=("beta",))
    assert not chat.after(outcomes={"acme": Failed("503", True)})


def test_a_failure_is_not_over_because_another_pass_looked_at_the_merchant_meanwhile() -> None:
    chat = Chat()
    assert chat.after(outcomes={"acme": Failed("503", True)})
    status = ControllerStatus(plan=fleet(*(merchant(name, PlanStatus.CHANGE) for name in ("acme", "beta"))))
    without_acme = fleet(merchant("beta", PlanStatus.CHANGE))
    assert not standing_topics(status, chat.told, without_acme, {}, is_whole_fleet=True).over
    without_either = ControllerStatus(plan=without_acme)
    assert standing_topics(without_either, chat.told, without_acme, {}, is_whole_fleet=True).over == chat.told


def test_a_refusal_is_told_once_however_its_numbers_move() -> None:
    refused = Refusal((LimitExceeded("disable", 7, 1, "--allow disable"),))
    more = Refusal((LimitExceeded("disable", 9, 1, "--allow disable"),))
    worse = Refusal((LimitExceeded("delete", 1, 0, "--allow delete"),))
    chat = Chat()
    assert chat.after(refusal=refused).refusal
    assert not chat.after(refusal=more)
    assert chat.after(refusal=worse).refusal
    assert not chat.after()
    assert chat.after(refusal=worse).refusal, "it was over"


def test_complaints_are_told_once_wherever_their_line_moves_to() -> None:
    complaint = Diagnostic("a.yaml", 1, 2, "unknown key 'x'")
    chat = Chat()
    assert chat.after(complaints=(complaint,)).diagnostics == (complaint,)
    assert not chat.after(complaints=(replace(complaint, line=7),))
    assert not chat.after()
    assert chat.after(complaints=(complaint,)).diagnostics


def test_trouble_stands_until_a_look_at_everyone_came_through() -> None:
    """A webhook in between told a standing trouble anew, and so did another correlation id."""
    chat = Chat()
    assert chat.after(trouble=REASON.format("a1"), whole=False).pass_failure
    assert not chat.after(whole=False, names=("acme",))
    assert not chat.after(trouble=REASON.format("b2"), whole=False)
    assert not chat.after()
    assert chat.after(trouble=REASON.format("c3"), whole=False).pass_failure


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("the state is locked since 2026-11-22 10:00:01 UTC", "the state is locked since 2026-11-23 11:00:09 UTC"),
        ("used up until 12:00 UTC: 3 of 200 were not read", "used up until 13:00 UTC: 4 of 200 were not read"),
        ("after 1 failure: 503", "after 12 failures: 503"),
        (
            "company 5f0c1a7e-2b64-4c9f-8a51-7d3e6b9f1003 is gone",
            "company 6f0c1a7e-2b64-4c9f-8a51-7d3e6b9f1003 is gone",
        ),
        ("no answer within 30.5 s", "no answer within 31 s"),
        ("trace 0HMVFE0A1B2C3D4E5 failed", "trace 0HMVFE0A1B2C3D4E6 failed"),
    ],
)
def test_what_moves_while_it_is_the_same_is_no_part_of_its_identity(one: str, other: str) -> None:
    assert mask_volatile_parts(one) == mask_volatile_parts(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("GET /companies: 503", "GET /companies: 401"),
        ("account 610 is archived", "account 820 is archived"),
        ("the tax rate 20 has no selection", "the tax rate 5 has no selection"),
    ],
)
def test_what_names_something_is_part_of_it(one: str, other: str) -> None:
    assert mask_volatile_parts(one) != mask_volatile_parts(other)


# The message --------------------------------------------------------------------------------------------


def test_the_message_says_it_in_words_and_in_fields() -> None:
    refusal = Refusal((LimitExceeded("disable", 7, 1, "--allow disable"),))
    gone = FindingAlert(drift("cem"), 9, is_new=False, ended=Ended.SOMEBODY, gone_at=NOW)
    sent = alert_json(Alert((*came(drift()), gone), (("beta", "400: no"),), refusal))
    assert sent["text"].splitlines() == [
        "merchantctl: a safety limit keeps all writes back; 1 merchant failed; 1 new drift finding; 1 finding gone",
        "disable: 7, and the limit is 1. To allow it: merchantctl apply --allow disable",
        "beta: 400: no",
        "acme: mapping-changed enabled. someone changed it merchantctl apply",
        "cem: mapping-changed enabled: gone, put right by somebody else.",
    ]
    assert sent["kind"] == "Alert"
    assert (sent["drift"]["count"], sent["drift"]["findings"][0]["merchant"]) == (1, "acme")
    assert sent["drift"]["findings"][0]["occurrence"] == 1
    assert [(each["how"], each["goneAt"]) for each in sent["gone"]["findings"]] == [
        ("somebody", "2026-11-22T06:00:00Z")
    ]
    assert sent["failures"] == {"count": 1, "merchants": [{"merchant": "beta", "reason": "400: no"}]}
    assert sent["refusal"]["limitsExceeded"][0]["flag"] == "--allow disable"


def test_what_was_put_right_at_once_asks_for_nothing() -> None:
    sent = alert_json(Alert(came(drift(), ended=Ended.MENDED, gone_at=NOW)), "sandbox")
    assert (sent["environment"], sent["text"].partition(":")[0]) == ("sandbox", "merchantctl in sandbox")
    assert sent["text"].endswith("someone changed it Put right.")
    assert sent["drift"]["findings"][0]["corrected"] is True


def test_a_thousand_findings_are_one_short_message() -> None:
    sent = alert_json(Alert(came(*(drift(f"m-{n:04d}") for n in range(1000)))))
    assert len(sent["text"].splitlines()) == 14
    assert sent["text"].endswith("and 988 more")
    assert sent["drift"]["count"] == 1000
    assert len(sent["drift"]["findings"]) == 100


def test_nobody_is_called_by_a_merchants_name() -> None:
    sent = alert_json(Alert(came(drift("<!channel> & <http://x|y>\n", actor=Actor.OPERATOR))))
    assert "&lt;!channel&gt; &amp; &lt;http:\u2060//x|y&gt;:" in sent["text"]
    assert "<" not in sent["text"]
