"""What enters each hash and key by which wishes, plans and revisions are compared: docs/architecture.md says why.

Each table names every field of a value. Whoever adds a field decides here whether it enters; what is said to enter, or
to stay out, is tried.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from controller.desired.loader import load_fleet
from controller.model.desired import DesiredMerchant, DesiredSettings, Fleet, MerchantPolicy
from controller.model.field_values import Value
from controller.model.hooks import DeclaredHook, Hook, HookKind
from controller.model.observed import Company, Configuration, Connection, LastSync, Observed, RecordedState
from controller.model.plan import Actor, Direction, Finding, Plan, PlanStatus
from controller.planning.context import PlanningContext
from controller.planning.plan import fingerprint
from controller.reconcile.failure_policy import quarantine_key
from controller.reconcile.in_sync_cache import cache_key
from controller.reconcile.observe import BasicObservation
from controller.reconcile.snapshot import RunSnapshot
from state.revisions import Revision
from tests import build
from tests.unit.reconcile.run_of_values import run_at

NOW = datetime(2026, 11, 28, 6, tzinfo=UTC)
EARLIER = NOW - timedelta(hours=3)
WEEK = timedelta(days=7)
TODAY = NOW.date()
Json = dict[str, Any]


def names_of_fields(value: type) -> set[str]:
    return {each.name for each in fields(value)}


# The digest of a merchant's wish, and that of all manifests ----------------------------------------------

USUAL_SPEC: Json = {
    "company": {"name": "Acme"},
    "connection": {"platform": "xero"},
    "mapping": {"sales": {"accounts": {"card": {"code": "610"}}}},
}
IGNORED = {"finding": "sync-disabled", "reason": "known", "until": "2026-12-20"}
WISH: Mapping[str, tuple[bool, Json]] = {
    "company_name": (True, {"spec": {"company": {"name": "Other"}}}),
    "platform": (True, {"spec": {"connection": {"platform": "quickbooks-online"}}}),
    "link_state": (True, {"spec": {"connection": {"state": "Unlinked"}}}),
    "books": (True, {"spec": {"company": {"books": "Acme Ltd"}}}),
    "fields": (True, {"spec": {"mapping": {"sales": {"accounts": {"card": {"code": "620"}}}}}}),
    "policy": (True, {"spec": {"policy": {"drift": "Report"}}}),
    "labels": (True, {"metadata": {"labels": {"country": "uk"}}}),
    "profile": (True, {"spec": {"profile": "empty"}}),
    "name": (False, {"metadata": {"name": "acme-2"}}),
    "manifest_company_name": (False, {"spec": {"company": {"name": "Acme\u00ae"}}}),
    "hold": (False, {"spec": {"suspend": {"reason": "an audit"}}}),
    "ignore": (False, {"spec": {"policy": {"ignore": [IGNORED]}}}),
}
"""By field of a wish whether the digest follows it, and a manifest in which it is another."""
NOT_DECLARED = {"origins", "removal", "exact_json", "digest", "content_digest"}
"""Where it is declared; what an absent manifest and the undoing of a rollout make of it; the digests themselves."""
POLICY: Mapping[str, Json] = {
    "drift": {"drift": "Report"},
    "deletion": {"deletion": "Unlink"},
    "adopt": {"adopt": False},
    "replace_connection": {"replaceConnection": {"to": "xero"}},
}


def load(root: Path, patch: Json | None = None, *others: Json) -> Fleet:
    """The usual merchant but for a patch, and other documents."""
    usual = {"kind": "Merchant", "metadata": {"name": "acme"}, "spec": USUAL_SPEC}
    profile = {"kind": "MappingProfile", "metadata": {"name": "empty"}, "spec": {}}
    documents = [build.merge_patch(usual, patch or {}), profile, *others]
    text = "\n---\n".join(json.dumps({"apiVersion": "merchantctl/v1", **each}) for each in documents)
    (root / "fleet.yaml").write_text(text)
    fleet = load_fleet(root, today=TODAY)
    assert not fleet.diagnostics, fleet.diagnostics
    return fleet


def only_merchant(fleet: Fleet) -> DesiredMerchant:
    (only,) = fleet.merchants.values()
    return only


def test_of_every_field_of_a_wish_it_is_decided_whether_its_digest_follows_it() -> None:
    assert WISH.keys() | NOT_DECLARED == names_of_fields(DesiredMerchant)
    assert POLICY.keys() == names_of_fields(MerchantPolicy), "all of the policy enters"


@pytest.mark.parametrize("field", WISH)
def test_the_digest_of_a_wish_follows_what_is_desired_and_nothing_else(field: str, tmp_path: Path) -> None:
    follows, patch = WISH[field]
    before, after = (only_merchant(load(tmp_path, each)) for each in ({}, patch))
    assert getattr(before, field) != getattr(after, field), "the example is one"
    assert (before.digest != after.digest) is follows


def test_the_digest_of_a_wish_follows_every_policy(tmp_path: Path) -> None:
    digests = {only_merchant(load(tmp_path, {"spec": {"policy": each}})).digest for each in ({}, *POLICY.values())}
    assert len(digests) == 1 + len(POLICY)


@pytest.mark.parametrize("field", WISH)
def test_the_digest_of_the_content_follows_it_without_names_labels_and_profile(field: str, tmp_path: Path) -> None:
    follows, patch = WISH[field]
    before, after = (only_merchant(load(tmp_path, each)) for each in ({}, patch))
    expected = follows and field not in {"company_name", "labels", "profile"}
    assert (before.content_digest != after.content_digest) is expected


FLEET_DECIDED = {
    "merchants": True,
    "renames": True,
    "account_settings": True,
    # What was asked for, how it was read, and from where.
    **dict.fromkeys(("known_names", "profile_names", "diagnostics", "is_complete", "root_is_complete"), False),
    **dict.fromkeys(("commit", "has_account_documents", "files", "content_digests"), False),
}
FLOW = {"kind": "SyncFlow", "metadata": {"name": "flow"}, "spec": {"visibleAccounts": []}}


def test_of_every_field_of_a_fleet_it_is_decided_whether_the_revision_follows_it() -> None:
    assert FLEET_DECIDED.keys() == names_of_fields(Fleet) - {"digest"}


@pytest.mark.parametrize("field", WISH)
def test_a_revision_follows_whatever_a_manifest_says_of_its_merchant(field: str, tmp_path: Path) -> None:
    follows = field != "manifest_company_name"
    assert (load(tmp_path).digest != load(tmp_path, WISH[field][1]).digest) is follows


def test_a_revision_follows_renames_and_the_account_and_no_profile_that_nobody_builds_on(tmp_path: Path) -> None:
    unused = {"kind": "MappingProfile", "metadata": {"name": "unused"}, "spec": {"enabled": True}}
    usual = load(tmp_path).digest
    assert load(tmp_path, {}, unused).digest == usual
    renamed = load(tmp_path, {"metadata": {"renamedFrom": "acme-old"}}).digest
    assert len({usual, renamed, load(tmp_path, {}, FLOW).digest}) == 3


def test_what_stands_beside_the_digest_is_the_rest_of_what_a_manifest_says() -> None:
    beside = {name for name, (follows, _) in WISH.items() if not follows} - {"name", "manifest_company_name"}
    marks: Json = {name: name for name in beside}
    marked = replace(DesiredMerchant("acme", "acme"), **marks)
    assert set(marked.declared_outside_digest) == beside


# The digest of the account's settings -----------------------------------------------------------------------

SETTINGS: Mapping[str, Json] = {
    "values": {"spec": {"visibleAccounts": [], "redirectUrl": "https://shop.example/done"}},
    "report_only": {"spec": {"visibleAccounts": [], "policy": {"drift": "Report"}}},
}
CONSUMER: Json = {
    "kind": "AlertRules",
    "metadata": {"name": "alerts"},
    "spec": {"consumers": {"main": {"eventTypes": ["read.completed"], "url": "https://shop.example/hook"}}},
}


def test_of_every_field_of_the_account_it_is_decided_whether_its_digest_follows_it() -> None:
    assert SETTINGS.keys() | {"hooks"} | {"origins", "digest"} == names_of_fields(DesiredSettings)


def test_the_digest_of_the_account_follows_all_that_is_declared_of_it(tmp_path: Path) -> None:
    flows = [FLOW, *({**FLOW, **each} for each in SETTINGS.values())]
    digests = {load(tmp_path, {}, each).account_settings.digest for each in flows}
    digests |= {load(tmp_path, {}, FLOW, CONSUMER).account_settings.digest, load(tmp_path).account_settings.digest}
    assert len(digests) == len(flows) + 2


def test_two_hooks_that_differ_anywhere_are_written_differently() -> None:
    """The digest has a hook as it is written, at its path."""
    usual = DeclaredHook("main", Hook(HookKind.CONSUMER, frozenset({"read.completed"}), "https://shop.example/hook"))
    others: Json = {
        "kind": HookKind.RULE,
        "events": frozenset({"other"}),
        "url": "https://other.example",
        "emails": frozenset({"a@shop.example"}),
        "tags": frozenset({"other"}),
    }
    assert others.keys() == names_of_fields(Hook)
    for name, value in others.items():
        other = replace(usual, hook=replace(usual.hook, **{name: value}))
        assert (other.path, str(other.hook)) != (usual.path, str(usual.hook)), name


# The fingerprint of a plan, and the key of a quarantine ---------------------------------------------------------

LIVE = build.usual_configuration()
CONNECTION = Connection("con", "gbol", "Accounting", "Linked")
COMPANY = Company("company", "acme", (CONNECTION,))
RESOLVED: dict[str, Value] = {"enabled": True}
FINGERPRINTED: Mapping[type, set[str]] = {
    Company: {"name", "connections"},
    Connection: {"id", "status"},
    Configuration: {"values"},
}
STAYS_OUT: Mapping[type, set[str]] = {
    Company: {"id", "unreadable_parts"},
    # When and how it was pulled moves by itself; a connection of another platform has another id.
    Connection: {"platform", "source_type", "link_url", "last_pulled_at", "error"},
    # What no manifest declares of the document, and how it is written. The value of a selection is its id.
    Configuration: {
        *("enabled", "configured", "books", "options", "allowed_words", "required_paths", "document", "local_time"),
        "unreadable_fields",
    },
}
OTHER: Mapping[type, Json] = {
    Company: {"id": "2", "name": "other", "connections": (), "unreadable_parts": "$.x"},
    Connection: {
        "id": "2",
        "platform": "qhyg",
        "source_type": "Commerce",
        "status": "Unlinked",
        "link_url": "https://x",
        "last_pulled_at": NOW,
        "error": "why",
    },
    Configuration: {
        "enabled": False,
        "configured": False,
        "books": "other",
        "options": {},
        "allowed_words": {},
        "required_paths": frozenset({"x"}),
        "document": b"{}",
        "local_time": None,
        "unreadable_fields": {"x": "y"},
        "values": {**LIVE.values, "enabled": not LIVE.values["enabled"]},
    },
}


def fingerprint_of(company: Company = COMPANY, live: Configuration = LIVE, **context: Any) -> str:
    given: Json = {
        "desired": build.desired_merchant(),
        "recorded": build.recorded_state(),
        "now": NOW,
        "company": company,
        "observed": Observed(company, configuration=live),
        **context,
    }
    return fingerprint(PlanningContext(**given), RESOLVED)


def other_company(value: type, field: str) -> Company:
    """One that differs in this field, or in that of its connection."""
    if value is Company:
        return replace(COMPANY, **{field: OTHER[value][field]})
    return replace(COMPANY, connections=(replace(CONNECTION, **{field: OTHER[value][field]}),))


def differing(value: type, field: str) -> str:
    if value is Configuration:
        return fingerprint_of(live=replace(LIVE, **{field: OTHER[value][field]}))
    return fingerprint_of(other_company(value, field))


@pytest.mark.parametrize("value", FINGERPRINTED)
def test_of_every_field_that_is_observed_it_is_decided_whether_a_saved_plan_is_void_with_another(value: type) -> None:
    assert FINGERPRINTED[value] | STAYS_OUT[value] == names_of_fields(value)
    assert {name for name in OTHER[value] if differing(value, name) != fingerprint_of()} == FINGERPRINTED[value]


def test_a_fingerprint_has_nothing_of_what_is_recorded_and_of_a_wish_only_what_it_resolves_to() -> None:
    decided = {"observed", "company"} | {"desired", "recorded", "now", "connection", "replaced", "remap_allowed"}
    assert decided == names_of_fields(PlanningContext)
    usual = fingerprint_of()
    assert fingerprint_of(recorded=RecordedState(), now=EARLIER, replaced=(CONNECTION,), remap_allowed=True) == usual
    assert fingerprint_of(desired=replace(build.desired_merchant(), digest="other", name="other")) == usual
    assert fingerprint(build_context(), {"enabled": False}) != usual == fingerprint(build_context(), RESOLVED)


def build_context() -> PlanningContext:
    observed = Observed(COMPANY, configuration=LIVE)
    return PlanningContext(build.desired_merchant(), observed, build.recorded_state(), NOW, COMPANY)


def test_a_quarantine_ends_with_another_wish_or_another_fingerprint_and_with_nothing_else() -> None:
    wish, plan = DesiredMerchant("acme", "acme", digest="wish"), Plan("acme", PlanStatus.CHANGE, fingerprint="seen")
    usual = quarantine_key(plan, snapshot(wish))
    assert quarantine_key(plan, snapshot(replace(wish, digest="other"))) != usual
    assert quarantine_key(replace(plan, fingerprint="other"), snapshot(wish)) != usual
    otherwise = replace(plan, status=PlanStatus.BLOCKED, company_id="2", configured=True)
    assert quarantine_key(otherwise, snapshot(replace(wish, ignore=()))) == usual


# The key of the cache of merchants in sync ----------------------------------------------------------------------

SYNC = LastSync(200, "done", EARLIER, EARLIER, EARLIER)
RECORDED = RecordedState("company", "con", {"enabled": True}, EARLIER, last_sync=SYNC)
DOCUMENT = b'{"enabled":true}'
OTHER_RECORDED: Json = {
    "company_id": "2",
    "connection_id": "2",
    "last_applied": {"enabled": False},
    "last_configured_at": NOW,
    "deletion_policy": "Unlink",
    "removed_at": NOW,
    "retained_since": NOW,
    "last_sync": None,
}
OTHER_SYNC: Json = {
    "code": 500,
    "message": "failed",
    "ran_at": NOW - WEEK,
    "first_read_at": NOW,
    "read_at": NOW + WEEK,
    "detail": "why",
    "failing_since": NOW,
    "last_success_at": NOW,
}
KEYED: Mapping[type, set[str]] = {
    Company: {"id", "name", "connections"},
    Connection: {"id", "platform", "source_type", "status"},
    RecordedState: {"company_id", "connection_id", "last_applied", "last_sync"},
    LastSync: {"code", "message", "ran_at", "read_at"},
    BasicObservation: {"company", "document"},
}
NOT_KEYED: Mapping[type, set[str]] = {
    # With a part that cannot be read there is no company, but `Unread`.
    Company: {"unreadable_parts"},
    # Whether it was pulled too long ago enters, by the day on which it is.
    Connection: {"link_url", "last_pulled_at", "error"},
    # Who was never configured, was removed or is retained has a finding or no plan that says in-sync.
    RecordedState: {"last_configured_at", "deletion_policy", "removed_at", "retained_since"},
    # Of the times, how many days went by without a sync; they count from the first look where none ran yet.
    LastSync: {"first_read_at", "detail", "failing_since", "last_success_at"},
    # Another company of the name keeps the verdict from being used at all; the rest is about who is not there.
    BasicObservation: {"same_name_companies", "name_holder", "similar_names", "read_at"},
}


def snapshot(wish: DesiredMerchant, recorded: RecordedState = RECORDED) -> RunSnapshot:
    return RunSnapshot(
        run=run_at(NOW),
        desired={"acme": wish},
        recorded={"acme": recorded},
        records={},
        company_index=None,
        merchant_by_company_id={},
        quarantined={},
    )


def in_sync_key(
    company: Company = COMPANY, recorded: RecordedState = RECORDED, document: bytes = DOCUMENT, digest: str = "wish"
) -> str | None:
    wish = DesiredMerchant("acme", "acme", digest=digest)
    return cache_key("acme", BasicObservation(company, (), document), snapshot(wish, recorded))


def keyed_otherwise(value: type, field: str) -> str | None:
    if value is RecordedState:
        return in_sync_key(recorded=replace(RECORDED, **{field: OTHER_RECORDED[field]}))
    if value is LastSync:
        return in_sync_key(recorded=replace(RECORDED, last_sync=replace(SYNC, **{field: OTHER_SYNC[field]})))
    return in_sync_key(other_company(value, field))


@pytest.mark.parametrize("value", KEYED)
def test_of_every_field_that_a_verdict_rests_on_it_is_decided_whether_another_voids_it(value: type) -> None:
    assert KEYED[value] | NOT_KEYED[value] == names_of_fields(value)
    if value is not BasicObservation:
        others = KEYED[value] | NOT_KEYED[value]
        assert {name for name in others if keyed_otherwise(value, name) != in_sync_key()} == KEYED[value]


def test_a_verdict_is_void_with_another_wish_and_with_another_byte_of_the_document() -> None:
    assert None is not in_sync_key() != in_sync_key(digest="other")
    assert in_sync_key() != in_sync_key(document=b'{"enabled": true}')


# A revision, and a finding ---------------------------------------------------------------------------------------


def test_a_revision_is_known_by_its_digest_ordered_by_its_commit_and_told_by_its_source() -> None:
    assert names_of_fields(Revision) == {"digest"} | {"git_commit"} | {"source"}


def test_a_finding_is_the_same_one_by_merchant_code_and_field() -> None:
    usual = Finding("mapping-changed", "acme", "cause", "remedy", Actor.APPLY, "enabled")
    others: Json = {
        "code": "sync-disabled",
        "merchant": "bob",
        "cause": "other",
        "remedy": "other",
        "actor": Actor.NOBODY,
        "field": None,
        "live": 1,
        "wanted": 2,
        "direction": Direction.DRIFT,
        "link": "https://x",
        "since": NOW,
        "affected_merchants": ("bob",),
        "manifest": "a.yaml:1:1",
        "occurrences": 2,
        "recheck_after": timedelta(1),
    }
    assert others.keys() == names_of_fields(Finding)
    changed = {name for name, value in others.items() if replace(usual, **{name: value}).key != usual.key}
    assert changed == {"code", "merchant", "field"}
