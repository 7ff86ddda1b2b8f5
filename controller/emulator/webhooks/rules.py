"""Legacy rules, and the log of what they fired (API notes 3.14; endpoints 43 and 44)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid4

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from controller.emulator.http.api_profile import current_profile
from controller.emulator.http.handler_helpers import json_object, json_response, paged_response, world_of
from controller.emulator.service import companies
from controller.emulator.service.errors import ApiError, not_valid
from controller.emulator.service.world import ServiceEvent, World
from controller.emulator.webhooks import legacy_events, outbox
from controller.emulator.webhooks.addresses import is_web_address

_MAX_ALERTS_KEPT = 5000

Rule = Mapping[str, Any]


def fire_matching_rules(world: World, event: ServiceEvent) -> None:
    """Fire every rule that the event satisfies: an alert each, and a webhook where it has one."""
    rules = world.table("rules")
    if not rules:
        return
    for notice in legacy_events.notices_of(event):
        for rule in list(rules.values()):
            if rule["type"] == notice.rule_type and rule.get("companyId") in (None, event.company_id):
                _fire_rule(world, rule, notice, event)


def create(world: World, body: Mapping[str, Any]) -> Rule:
    """A new rule. Raises ApiError 400 for a type or notifiers it cannot have, 404 for an unknown company."""
    return _store_rule(world, str(uuid4()), body)


def find(world: World, rule_id: str) -> Rule:
    """The rule of that id. Raises ApiError 404."""
    rule: Rule | None = world.table("rules").get(rule_id.lower())
    if rule is None:
        raise ApiError(404, f"Rule {rule_id} not found", "ClientsApi")
    return rule


def _store_rule(world: World, rule_id: str, body: Mapping[str, Any]) -> Rule:
    if body.get("type") not in legacy_events.RULE_TYPES:
        raise not_valid()
    rule = {"id": rule_id, "type": body["type"], "notifiers": _checked_notifiers(body.get("notifiers"))}
    company_id = body.get("companyId")
    if company_id is not None:
        rule["companyId"] = companies.find(world, _parse_uuid(company_id)).id
    world.table("rules")[rule_id] = rule
    return rule


def _checked_notifiers(body: Any) -> dict[str, Any]:
    """`{"emails": [...], "webhook": address}`; either may be empty or absent."""
    if not isinstance(body, dict):
        raise not_valid()
    emails, webhook = body.get("emails") or [], body.get("webhook") or ""
    if not isinstance(emails, list) or not all(isinstance(email, str) for email in emails):
        raise not_valid()
    if webhook and not is_web_address(webhook):
        raise not_valid()
    return {"emails": emails, **({"webhook": webhook} if webhook else {})}


def _parse_uuid(text: Any) -> str:
    try:
        return str(UUID(text))
    except (ValueError, TypeError, AttributeError):
        raise not_valid() from None


def _fire_rule(world: World, rule: Rule, notice: legacy_events.LegacyNotice, event: ServiceEvent) -> None:
    alerts = world.table("alerts")
    alert = legacy_events.legacy_body(notice, event, rule["id"], str(uuid4()), current_profile(world)["name"])
    alerts[alert["AlertId"]] = alert
    if len(alerts) > _MAX_ALERTS_KEPT:
        del alerts[next(iter(alerts))]
    if webhook := rule["notifiers"].get("webhook"):
        outbox.queue_delivery(world, "legacy", rule["id"], webhook, alert, event.company_id)


async def list_rules(request: Request) -> Response:
    """43; `companyId` leaves out the rules for all companies."""
    rules = list(world_of(request).table("rules").values())
    if company_id := request.query_params.get("companyId"):
        rules = [rule for rule in rules if rule.get("companyId") == company_id.lower()]
    return paged_response(request, rules, "/rules", "Rule")


async def create_rule(request: Request) -> Response:
    """43."""
    body = await json_object(request)
    return json_response(create(world_of(request), body))


async def get_rule(request: Request) -> Response:
    """43."""
    return json_response(find(world_of(request), request.path_params["ruleId"]))


async def put_rule(request: Request) -> Response:
    """43: the whole rule; without `companyId` it applies to all companies."""
    body = await json_object(request)
    world = world_of(request)
    rule = find(world, request.path_params["ruleId"])
    return json_response(_store_rule(world, rule["id"], body))


async def list_alerts(request: Request) -> Response:
    """44, latest first."""
    alerts = list(reversed(world_of(request).table("alerts").values()))
    return paged_response(request, alerts, "/rules/alerts", "Alert")


async def list_rule_alerts(request: Request) -> Response:
    """44, of one rule."""
    world = world_of(request)
    rule = find(world, request.path_params["ruleId"])
    alerts = [alert for alert in reversed(world.table("alerts").values()) if alert["RuleId"] == rule["id"]]
    return paged_response(request, alerts, f"/rules/{rule['id']}/alerts", "Alert")


async def get_alert(request: Request) -> Response:
    """44, one."""
    alert_id = request.path_params["alertId"]
    alert = world_of(request).table("alerts").get(alert_id.lower())
    if alert is None:
        raise ApiError(404, f"Alert {alert_id} not found", "ClientsApi")
    return json_response(alert)


routes = [
    Route("/rules", list_rules, methods=["GET"]),
    Route("/rules", create_rule, methods=["POST"]),
    Route("/rules/alerts", list_alerts, methods=["GET"]),
    Route("/rules/alerts/{alertId}", get_alert, methods=["GET"]),
    Route("/rules/{ruleId}", get_rule, methods=["GET"]),
    Route("/rules/{ruleId}", put_rule, methods=["PUT"]),
    Route("/rules/{ruleId}/alerts", list_rule_alerts, methods=["GET"]),
]
