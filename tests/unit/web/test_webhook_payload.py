"""What a delivery says, in either generation's words (API notes 6.2, 6.4)."""

from typing import Any

import pytest

from controller.web.webhook_payload import WebhookEvent, parse_event

ZEROS = "00000000-0000-0000-0000-000000000000"


@pytest.mark.parametrize("name", ["RuleType", "ruleType", "Type", "type"])
def test_the_legacy_rule_has_two_names_and_members_come_in_any_case(name: str) -> None:
    assert parse_event({name: "Data sync completed", "alertID": "a1", "companyid": "c1"}) == WebhookEvent(
        "a1", "Data sync completed", "c1"
    )


def test_rule_type_is_preferred_to_type() -> None:
    assert parse_event({"Type": "x", "RuleType": "y"}).name == "y"


def test_a_deleted_connection_of_all_zeros_is_about_its_company() -> None:
    body = {
        "RuleType": "Sync Connection Deleted",
        "AlertId": "a",
        "CompanyId": "c",
        "DataConnectionId": ZEROS,
        "Data": {},
    }
    assert parse_event(body).company_id == "c"


def test_the_newer_envelope_names_the_company_within_its_payload() -> None:
    body = {"id": "e1", "eventType": "connection.deleted", "payload": {"referenceCompany": {"id": "c1"}}}
    assert parse_event(body) == WebhookEvent("e1", "connection.deleted", "c1")


def test_of_a_companys_own_events_the_payload_is_the_company() -> None:
    assert parse_event({"eventType": "company.deleted", "payload": {"id": "c1", "name": "acme"}}).company_id == "c1"
    push = {"eventType": "chartOfAccounts.write.successful", "payload": {"id": "push-1"}}
    assert parse_event(push).company_id is None


@pytest.mark.parametrize(
    "name", ["Rate Limit Reached", "Rate Limit Reset", "ClientRateLimitReached", "client.rateLimit.reset"]
)
def test_a_rate_limit_is_known_by_all_its_names_and_has_no_company(name: str) -> None:
    key = "eventType" if "." in name else "RuleType"
    event = parse_event({key: name, "Data": {"DailyQuota": 1000}})
    assert (event.is_about_rate_limit, event.company_id) == (True, None)


@pytest.mark.parametrize("odd", [None, 7, [], {}, "", "x" * 201, "\x00", "a\nb", "\ud800"])
def test_what_cannot_be_stored_or_shown_is_as_good_as_absent(odd: Any) -> None:
    assert parse_event({"RuleType": odd, "AlertId": odd, "CompanyId": odd}) == WebhookEvent(None, "", None)
    assert parse_event({"eventType": odd, "payload": odd}).company_id is None
    assert parse_event({"eventType": "x", "payload": {"referenceCompany": odd}}).company_id is None
