"""What is worth a message, and the message."""

from dataclasses import replace
from datetime import timedelta

from controller.model.latest import Latest
from controller.model.merchant import Complaint
from controller.model.plan import Actor, Direction, State
from controller.model.report import Done, Excess, Failed, Refusal
from controller.reporting.news import message, news
from tests.unit.reporting.fleets import NOW, finding, fleet, merchant, waiting

BEGAN = NOW - timedelta(minutes=1)


def drift(name="acme", since=NOW, **more):
    return finding("mapping-changed", name, direction=Direction.DRIFT, field="enabled", since=since, **more)


def moment(*findings, outcomes=None, **more):
    plans = [merchant(each.merchant, State.CHANGE, findings=(each,)) for each in findings]
    return Latest(plan=fleet(*plans, **more), outcomes=outcomes or {})


def told(before, now):
    return news(before, now, since=BEGAN)


def test_drift_is_told_once():
    first = moment(drift())
    assert [each.merchant for each in told(Latest(plan=fleet()), first).drift] == ["acme"]
    assert not told(first, first)


def test_what_waits_for_a_merchant_or_only_pends_is_no_news():
    pending = finding(direction=Direction.PENDING, since=NOW)
    now = Latest(plan=fleet(waiting(), merchant("b", State.CHANGE, findings=(pending,))))
    assert not told(Latest(plan=fleet()), now)


def test_after_a_start_only_what_nobody_saw_before_is_news():
    """The ledger remembers what the process does not: a restart does not tell everything again."""
    old = drift("old", since=NOW - timedelta(days=3))
    assert [each.merchant for each in told(Latest(), moment(old, drift("new"))).drift] == ["new"]


def test_drift_that_was_put_right_and_comes_again_is_news_again():
    mended = moment(drift(), outcomes={"acme": Done(1)})
    assert told(mended, moment(drift())).drift


def test_a_failure_is_told_once_and_another_reason_anew():
    failed = moment(outcomes={"acme": Failed("400: no such tax rate", False)})
    assert told(Latest(plan=fleet()), failed).failures == (("acme", "400: no such tax rate"),)
    assert not told(failed, failed)
    assert told(failed, moment(outcomes={"acme": Failed("503", True)})).failures == (("acme", "503"),)


def test_a_refusal_is_told_once_however_its_numbers_move():
    refused = moment(refusal=Refusal((Excess("disable", 7, 1, "--allow disable"),)))
    more = moment(refusal=Refusal((Excess("disable", 9, 1, "--allow disable"),)))
    worse = moment(refusal=Refusal((Excess("delete", 1, 0, "--allow delete"),)))
    assert told(Latest(plan=fleet()), refused).refusal
    assert not told(refused, more)
    assert told(refused, worse).refusal


def test_complaints_and_a_pass_that_came_to_nothing_are_news():
    complaint = Complaint("a.yaml", 1, 2, "unknown key")
    now = replace(moment(), complaints=(complaint,), trouble="no answer")
    assert told(moment(), now).complaints == (complaint,)
    assert told(moment(), now).trouble == "no answer"
    assert not told(now, now)
    assert not told(now, moment())


def test_the_message_says_it_in_words_and_in_fields():
    refusal = Refusal((Excess("disable", 7, 1, "--allow disable"),))
    now = moment(drift(), outcomes={"beta": Failed("400: no", False)}, refusal=refusal)
    sent = message(told(Latest(plan=fleet()), now))
    assert sent["text"].splitlines() == [
        "merchantctl: a safety limit keeps all writes back; 1 merchant failed; 1 new drift finding",
        "disable: 7, and the limit is 1. To allow it: merchantctl apply --allow disable",
        "beta: 400: no",
        "acme: mapping-changed enabled. someone changed it merchantctl apply",
    ]
    assert sent["kind"] == "News"
    assert sent["drift"]["findings"][0]["merchant"] == "acme"
    assert sent["failures"] == {"count": 1, "merchants": [{"merchant": "beta", "reason": "400: no"}]}
    assert sent["refusal"]["excesses"][0]["flag"] == "--allow disable"


def test_what_was_put_right_at_once_asks_for_nothing():
    sent = message(told(Latest(plan=fleet()), moment(drift(), outcomes={"acme": Done(1)})))
    assert sent["text"].endswith("someone changed it Put right.")
    assert sent["drift"]["findings"][0]["mended"] is True


def test_a_thousand_findings_are_one_short_message():
    sent = message(told(Latest(plan=fleet()), moment(*(drift(f"m-{n:04d}") for n in range(1000)))))
    assert len(sent["text"].splitlines()) == 14
    assert sent["text"].endswith("and 988 more")
    assert sent["drift"]["count"] == 1000
    assert len(sent["drift"]["findings"]) == 100


def test_nobody_is_called_by_a_merchants_name():
    sent = message(told(Latest(plan=fleet()), moment(drift("<!channel> & <http://x|y>\n", actor=Actor.US))))
    assert "&lt;!channel&gt; &amp; &lt;http://x|y&gt;:" in sent["text"]
    assert "<" not in sent["text"]
