"""What a delivery says, in either generation's words (REFERENCE 6.2, 6.4)."""

import pytest

from controller.web.event import Event, event_of

ZEROS = "00000000-0000-0000-0000-000000000000"


@pytest.mark.parametrize("name", ["RuleType", "ruleType", "Type", "type"])
def test_the_legacy_rule_has_two_names_and_members_come_in_any_case(name):
    assert event_of({name: "Data sync completed", "alertID": "a1", "companyid": "c1"}) == Event(
        "a1", "Data sync completed", "c1"
    )


def test_rule_type_is_preferred_to_type():
    assert event_of({"Type": "x", "RuleType": "y"}).name == "y"


def test_a_deleted_connection_of_all_zeros_is_about_its_company():
    body = {
        "RuleType": "Sync Connection Deleted",
        "AlertId": "a",
        "CompanyId": "c",
        "DataConnectionId": ZEROS,
        "Data": {},
    }
    assert event_of(body).company_id == "c"


def test_the_newer_envelope_names_the_company_within_its_payload():
    body = {"id": "e1", "eventType": "connection.deleted", "payload": {"referenceCompany": {"id": "c1"}}}
    assert event_of(body) == Event("e1", "connection.deleted", "c1")


def test_of_a_companys_own_events_the_payload_is_the_company():
    assert event_of({"eventType": "company.deleted", "payload": {"id": "c1", "name": "acme"}}).company_id == "c1"
    push = {"eventType": "chartOfAccounts.write.successful", "payload": {"id": "push-1"}}
    assert event_of(push).company_id is None


@pytest.mark.parametrize(
    "name", ["Rate Limit Reached", "Rate Limit Reset", "ClientRateLimitReached", "client.rateLimit.reset"]
)
def test_a_rate_limit_is_known_by_all_its_names_and_has_no_company(name):
    key = "eventType" if "." in name else "RuleType"
    event = event_of({key: name, "Data": {"DailyQuota": 1000}})
    assert (event.about_limits, event.company_id) == (True, None)


@pytest.mark.parametrize("odd", [None, 7, [], {}, "", "x" * 201, "\x00", "a\nb", "\ud800"])
def test_what_cannot_be_stored_or_shown_is_as_good_as_absent(odd):
    assert event_of({"RuleType": odd, "AlertId": odd, "CompanyId": odd}) == Event(None, "", None)
    assert event_of({"eventType": odd, "payload": odd}).company_id is None
    assert event_of({"eventType": "x", "payload": {"referenceCompany": odd}}).company_id is None
