"""Rules and webhook consumers between the API's JSON and values (API notes 3.14 #43, 3.15 #46). Pure."""

from __future__ import annotations

from typing import Any

from controller.codat.answer_parsing import UnreadableAnswer
from controller.codat.raw_json import JsonObject
from controller.model.hooks import RULE_TYPES, Hook, HookKind, LiveHook
from controller.model.id_format import has_id_format

PATHS = {HookKind.RULE: "/rules", HookKind.CONSUMER: "/webhooks"}
RULES_PAGE_SIZE = 1000

_TYPE_BY_ANY_CASE = {each.casefold(): each for each in RULE_TYPES}


def hooks_from(kind: HookKind, answer: JsonObject) -> list[LiveHook]:
    """The rows of a page of rules, or of the one list of consumers. UnreadableAnswer for one that says not what it is:
    nothing may be created beside what could not be read."""
    rows = answer.get("results")
    if not isinstance(rows, list):
        raise UnreadableAnswer(".results: no list")
    return [_live_hook(kind, row, f".results[{number}]") for number, row in enumerate(rows)]


def created_id(answer: JsonObject) -> str:
    """The id of what was created. Raises UnreadableAnswer."""
    hook_id = answer.get("id")
    if not has_id_format(hook_id):
        raise UnreadableAnswer(".id: missing")
    return hook_id


def hook_body(hook: Hook) -> dict[str, Any]:
    """What to send to create it."""
    if hook.kind is HookKind.RULE:
        (rule_type,) = hook.events
        notifiers = {"emails": sorted(hook.emails)} | ({"webhook": hook.url} if hook.url else {})
        return {"type": rule_type, "notifiers": notifiers}
    tags = {"companyTags": sorted(hook.tags)} if hook.tags else {}
    return {"url": hook.url, "eventTypes": sorted(hook.events), "disabled": False, **tags}


def _live_hook(kind: HookKind, row: Any, place: str) -> LiveHook:
    if not isinstance(row, dict) or not has_id_format(row.get("id")):
        raise UnreadableAnswer(f"{place}.id: missing")
    if kind is HookKind.CONSUMER:
        tags, events = _texts(row, "companyTags", place), _texts(row, "eventTypes", place)
        hook = Hook(kind, events, _text(row, "url", place), tags=tags)
        return LiveHook(row["id"], hook, disabled=row.get("disabled") is True)
    rule_type, notifiers = _text(row, "type", place), row.get("notifiers") or {}
    if not isinstance(notifiers, dict):
        raise UnreadableAnswer(f"{place}.notifiers: no object")
    events = frozenset({_TYPE_BY_ANY_CASE.get(rule_type.casefold(), rule_type)})
    hook = Hook(kind, events, _text(notifiers, "webhook", place), emails=_texts(notifiers, "emails", place))
    return LiveHook(row["id"], hook, company_id=_text(row, "companyId", place) or None)


def _text(row: JsonObject, key: str, place: str) -> str:
    value = row.get(key) or ""
    if not isinstance(value, str):
        raise UnreadableAnswer(f"{place}.{key}: no text")
    return value


def _texts(row: JsonObject, key: str, place: str) -> frozenset[str]:
    values = row.get(key) or []
    if not isinstance(values, list) or not all(isinstance(each, str) for each in values):
        raise UnreadableAnswer(f"{place}.{key}: no list of text")
    return frozenset(values)
