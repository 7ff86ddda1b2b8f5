"""What the remote side looks like at a moment, and what a run may and may not have done to it.

before ──── run ──── after          every difference needs a licence: a declared field, a policy, an `--allow`
   └── what the report claims ──┘   every claim is true, and nothing happened that it does not claim
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from controller.model.field_values import Option, Value
from controller.model.plan import Change, ChangeKind, Plan
from controller.model.report import Applied, ChangedSincePlan, Failed, FleetReport, Skipped, Unchanged
from tests.crash.expected import Document, differences, undeclared_values
from tests.end_to_end.place import Place

MerchantByCompany = Mapping[str, str]
"""Company id → merchant."""
LINKED_STATUS = "Linked"
CALL_BY_CHANGE_KIND = {
    ChangeKind.CREATE_COMPANY: "POST /meta/companies/sync",
    ChangeKind.CREATE_CONNECTION: "POST /meta/companies/{companyId}/connections",
    ChangeKind.RENAME_COMPANY: "PUT /companies/{companyId}",
    ChangeKind.SET_CONFIGURATION: "POST /config/companies/{companyId}/sync/commerce",
    ChangeKind.UNLINK_CONNECTION: "PATCH /meta/companies/{companyId}/connections/{connectionId}",
    ChangeKind.DELETE_COMPANY: "DELETE /companies/{companyId}",
}
"""The request that a change is, as the emulator counts it."""


@dataclass(frozen=True)
class RemoteView:
    """The remote side at one moment: companies and documents by company id."""

    companies: dict[str, dict[str, Any]]
    documents: dict[str, Document | None]

    def accounting(self, company_id: str) -> list[dict[str, Any]]:
        connections = self.companies[company_id]["dataConnections"]
        return [each for each in connections if each["sourceType"] == "Accounting"]

    def linked_connections(self, company_id: str) -> set[str]:
        return {each["id"] for each in self.accounting(company_id) if each["status"] == LINKED_STATUS}

    def is_enabled(self, company_id: str) -> bool:
        document = self.documents.get(company_id)
        return bool(document and document["enabled"] and self.linked_connections(company_id))


@dataclass(frozen=True)
class Licence:
    """What a run may do to one merchant's company.

    fields     the configuration's declared fields; None where its document is nobody's business
    names      the names it may bear after the run
    """

    fields: Mapping[str, Any] = field(default_factory=dict)
    names: frozenset[str] = frozenset()
    connects: bool = False
    disables: bool = False
    unlinks: bool = False
    deletes: bool = False


NO_LICENCE = Licence()


def observe_remote(place: Place) -> RemoteView:
    companies = {each["id"]: each for each in place.companies()}
    return RemoteView(companies, {company_id: _document(place, company_id) for company_id in companies})


def _document(place: Place, company_id: str) -> Document | None:
    answer = place.emulator.api.get(f"/config/companies/{company_id}/sync/commerce")
    return answer.json() if answer.is_success else None


def unlicensed_differences(
    before: RemoteView, after: RemoteView, owners: MerchantByCompany, licences: Mapping[str, Licence]
) -> Iterator[str]:
    """Every difference that nobody declared or allowed. `owners`: company id → merchant."""
    for company_id, company in before.companies.items():
        owner = owners.get(company_id, "nobody")
        licence = licences.get(owner, NO_LICENCE)
        if company_id in after.companies:
            for each in _touched(before, after, company_id, licence):
                yield f"{owner}: {each}"
        elif not licence.deletes:
            yield f"{owner}: company {company['name']!r} was deleted"
    for company_id in after.companies.keys() - before.companies.keys():
        licence, name = licences.get(owners.get(company_id, ""), NO_LICENCE), after.companies[company_id]["name"]
        if company_id in owners and name not in licence.names:
            yield f"company {name!r} was created for nobody"
    yield from remote_duplicates(after)


def _touched(before: RemoteView, after: RemoteView, company_id: str, licence: Licence) -> Iterator[str]:
    old, new = before.companies[company_id], after.companies[company_id]
    if new["name"] != old["name"] and new["name"] not in licence.names:
        yield f"renamed from {old['name']!r} to {new['name']!r}"
    if (old.get("description"), old.get("tags")) != (new.get("description"), new.get("tags")):
        yield "description or tags were lost"
    yield from _relinked(before, after, company_id, licence)
    fields = licence.fields if not licence.disables else {**licence.fields, "enabled": False}
    moved = _moved(before.documents[company_id], after.documents[company_id], fields)
    if moved:
        yield f"undeclared: {moved}"
    if before.is_enabled(company_id) and not after.is_enabled(company_id) and not (licence.disables or licence.unlinks):
        yield "was switched off"


def _relinked(before: RemoteView, after: RemoteView, company_id: str, licence: Licence) -> Iterator[str]:
    old = {each["id"]: each["status"] for each in before.companies[company_id]["dataConnections"]}
    new = {each["id"]: each["status"] for each in after.companies[company_id]["dataConnections"]}
    for connection_id, status in old.items():
        became = new.get(connection_id)
        if became != status and (not licence.unlinks or (status, became) != (LINKED_STATUS, "Unlinked")):
            yield f"connection {status} became {became}"
    made = len(new.keys() - old.keys())
    if made and (not licence.connects or made > 1 or before.accounting(company_id)):
        yield f"{made} connections were made beside {len(before.accounting(company_id))}"


def _moved(old: Document | None, new: Document | None, fields: Mapping[str, Any]) -> list[str]:
    one, two = undeclared_values(old, fields), undeclared_values(new, fields)
    return [f"{path} {one.get(path)!r} -> {two.get(path)!r}" for path in one | two if one.get(path) != two.get(path)]


def remote_duplicates(sight: RemoteView) -> Iterator[str]:
    names = Counter(each["name"] for each in sight.companies.values())
    yield from (f"{number} companies are called {name!r}" for name, number in names.items() if number > 1)
    for company_id, company in sight.companies.items():
        if len(sight.accounting(company_id)) > 1:
            yield f"{company['name']!r} has {len(sight.accounting(company_id))} accounting connections"


def over_limits(before: RemoteView, after: RemoteView, allow: frozenset[str]) -> Iterator[str]:
    """What went through without its flag: more than one unlink, more than one switched off, any delete."""
    stayed = before.companies.keys() & after.companies.keys()
    unlinked = sum(bool(before.linked_connections(each) - after.linked_connections(each)) for each in stayed)
    disabled = sum(before.is_enabled(each) and not after.is_enabled(each) for each in stayed)
    deleted = len(before.companies.keys() - after.companies.keys())
    for word, number, limit in (("unlink", unlinked, 1), ("delete", deleted, 0), ("disable", disabled, 1)):
        if number > limit and word not in allow and not (word == "disable" and "unlink" in allow):
            yield f"{number} went through without --allow {word}"


def untrue_claims(
    report: FleetReport, before: RemoteView, after: RemoteView, owners: MerchantByCompany, now: datetime
) -> Iterator[str]:
    """Claims that the remote side does not bear out, and deeds that nobody claims."""
    for plan in report.plan.plans:
        outcome = report.outcomes.get(plan.merchant)
        if isinstance(outcome, Applied):
            for change in plan.changes:
                if not _stands(plan, change, before, after, owners, now):
                    yield f"{plan.merchant}: Done, but not {change.kind} {[each.field for each in change.fields]}"
        elif isinstance(outcome, Unchanged | Skipped) and _moved_at_all(plan.merchant, before, after, owners):
            yield f"{plan.merchant}: {type(outcome).__name__}, but something was done"


def _stands(
    plan: Plan, change: Change, before: RemoteView, after: RemoteView, owners: MerchantByCompany, now: datetime
) -> bool:
    company_id = plan.company_id or next((each for each, owner in owners.items() if owner == plan.merchant), "")
    company = after.companies.get(company_id)
    if change.kind is ChangeKind.DELETE_COMPANY:
        return company is None
    if company is None or change.kind is ChangeKind.CREATE_COMPANY:
        # One that was there before is the one that an earlier run began to make and did not see made.
        return company is not None
    if change.kind is ChangeKind.CREATE_CONNECTION:
        return bool(after.accounting(company_id))
    if change.kind is ChangeKind.RENAME_COMPANY:
        return bool(company["name"] == change.fields[0].wanted)
    if change.kind is ChangeKind.UNLINK_CONNECTION:
        return not after.linked_connections(company_id)
    return _configured(change, after.documents[company_id], now)


def _configured(change: Change, document: Document | None, now: datetime) -> bool:
    fields = {each.field: each.wanted for each in change.fields}
    hours = {"schedule.time", "schedule.startDate"} & fields.keys()
    plain = {path: _as_declared(wish) for path, wish in fields.items() if path not in hours}
    return document is not None and not differences(document, plain, now)


def _as_declared(wish: Value) -> Any:
    """As the manifest of a merchant would say it."""
    match wish:
        case Option():
            return {"id": wish.id}
        case tuple():
            return list(wish)
    return wish


def _moved_at_all(merchant: str, before: RemoteView, after: RemoteView, owners: MerchantByCompany) -> bool:
    ours = [company_id for company_id, owner in owners.items() if owner == merchant]
    return any(
        _shape(before.companies.get(each)) != _shape(after.companies.get(each))
        or undeclared_values(before.documents.get(each), ()) != undeclared_values(after.documents.get(each), ())
        for each in ours
    )


def _shape(company: dict[str, Any] | None) -> Any:
    """What of a company a run can change."""
    return company and (company["name"], [(each["id"], each["status"]) for each in company["dataConnections"]])


def miscounted_writes(report: FleetReport, counts: Mapping[str, int]) -> Iterator[str]:
    """Where nothing was disturbed: the writes that the report claims are exactly those that the server saw."""
    claimed = sum(
        each.writes for each in report.outcomes.values() if isinstance(each, Applied | Failed | ChangedSincePlan)
    )
    refused = sum(isinstance(each, Failed) and each.status is not None for each in report.outcomes.values())
    seen = {call: number for call, number in counts.items() if not call.startswith("GET ")}
    claimed += refused
    if claimed != sum(seen.values()):
        yield f"{claimed} writes were claimed, the server saw {seen}"
    if all(isinstance(each, Applied | Unchanged | Skipped) for each in report.outcomes.values()):
        done = [plan for plan in report.plan.plans if isinstance(report.outcomes.get(plan.merchant), Applied)]
        kinds = Counter(CALL_BY_CHANGE_KIND[change.kind] for plan in done for change in plan.changes)
        if kinds != Counter(seen):
            yield f"{dict(kinds)} were claimed, the server saw {seen}"
