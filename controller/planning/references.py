"""What a mapping points at: accounts, customers, suppliers and tax rates that are gone, archived, new or unclear."""

from __future__ import annotations

from controller.model.observed import Absent, Configuration, Record, Unread
from controller.model.plan import Actor, Direction, Finding
from controller.model.values import Option, Ref, Value, locate, ref_kind, same
from controller.planning.case import Case
from controller.planning.resolve import Problem, Resolved


def dangling(live: Configuration) -> dict[str, Option]:
    """Live's selections that their own options lack; only where options were read at all."""
    if not live.offers_options:
        return {}
    return {
        path: value
        for path, value in live.values.items()
        if isinstance(value, Option) and all(value.id != option.id for option in live.options.get(path, ()))
    }


def dangling_findings(case: Case, live: Configuration, resolved: Resolved) -> tuple[Finding, ...]:
    declared = {locate(live.values, path) or path: path for path in case.wanted.fields}
    found = dangling(live).items()
    return tuple(_gone(case, path, declared.get(path), selected, resolved) for path, selected in found)


def _gone(case: Case, place: str, path: str | None, selected: Option, resolved: Resolved) -> Finding:
    """One selection that is not offered any more, with what `/data` says of it."""
    kind = ref_kind(place)
    record = case.observed.records.get((str(kind), selected.id), Unread("it was not asked for"))
    if isinstance(record, Unread):
        cause = f"{selected.id} is not offered any more, and why could not be read: {record.reason}"
        return case.found("unknown", cause, "run it again", Actor.SERVICE, field=path or place, live=selected)
    wish = resolved.values.get(path) if path else None
    word, cause = _what_became(case, path, selected, record, wish)
    actor, remedy = _who_mends(path, wish, resolved)
    seen = Option(selected.id, record.name, record.code) if isinstance(record, Record) else selected
    more = {"field": path or place, "live": seen, "wanted": wish, "direction": Direction.DRIFT}
    return case.found(f"{kind}-{word}", cause, remedy, actor, **more)


def _what_became(
    case: Case, path: str | None, selected: Option, record: Record | Absent, wish: Value
) -> tuple[str, str]:
    last = case.memory.applied.get(path) if path else None
    if isinstance(wish, Option) and isinstance(last, Option) and _refers_to(case, path, last):
        return "recreated", f"{last.id} is gone from the books and the same reference now means {wish.id}"
    if isinstance(record, Absent) or record.deleted:
        return "deleted", f"{_called(selected, record)} was deleted in the books"
    if record.status == "Active":
        return "unresolved", f"{_called(selected, record)} is active in the books but not offered here"
    return "archived", f"{_called(selected, record)} is {record.status} in the books"


def _refers_to(case: Case, path: str | None, last: Option) -> bool:
    ref = case.wanted.fields.get(path or "")
    return isinstance(ref, Ref) and ref.by != "id" and getattr(last, ref.by) == ref.value


def _called(selected: Option, record: Record | Absent) -> str:
    name = record.name if isinstance(record, Record) else selected.name
    return f"{name!r} ({selected.id})" if name else selected.id


def _who_mends(path: str | None, wish: Value, resolved: Resolved) -> tuple[Actor, str]:
    if wish is not None:
        return Actor.APPLY, "merchantctl apply selects the one that the manifest names"
    problem = next((each for each in resolved.problems if each.field == path), None)
    if path is None or problem is None:
        return Actor.MERCHANT, "restore it in the books and refresh, or choose another in the Sync Flow or a manifest"
    return Actor.US, f"restore it in the books and refresh, or name another; nearest: {_list(problem.candidates)}"


def problem_findings(case: Case, live: Configuration, resolved: Resolved) -> tuple[Finding, ...]:
    """References without a single answer; those that dangle have their finding already."""
    gone = dangling(live)
    open_ = [each for each in resolved.problems if (locate(live.values, each.field) or each.field) not in gone]
    return tuple(_unclear(case, problem, live) for problem in open_)


def _unclear(case: Case, problem: Problem, live: Configuration) -> Finding:
    if problem.kind == "not-offered":
        cause, remedy = "the service does not offer this row for the merchant", "remove it from the manifest"
        return case.found("mapping-invalid", cause, remedy, Actor.US, field=problem.field)
    kind = ref_kind(problem.field)
    wish = case.wanted.fields[problem.field]
    code, cause = f"{kind}-{problem.kind}", _cause(case, problem, live)
    remedy = f"write one of: {_list(problem.candidates)}" if problem.candidates else "the merchant's books have none"
    stands = live.values.get(locate(live.values, problem.field) or problem.field)
    more = {
        "field": problem.field,
        "live": stands,
        "wanted": wish if isinstance(wish, Ref) else None,
        "direction": Direction.PENDING,
    }
    return case.found(code, cause, remedy, Actor.US, **more)


def _cause(case: Case, problem: Problem, live: Configuration) -> str:
    if problem.kind == "ambiguous":
        return f"{problem.wish} matches {len(problem.candidates)} of this merchant's options"
    last = case.memory.applied.get(problem.field)
    options = live.options.get(locate(live.values, problem.field) or "", ())
    renamed = next((each for each in options if isinstance(last, Option) and same(each, last)), None)
    if renamed:
        return f"{problem.wish} was renamed in the books: {renamed.id} is now {_list((renamed,))}"
    return f"{problem.wish} matches none of this merchant's options"


def _list(options: tuple[Option, ...]) -> str:
    return (
        "; ".join(f"{each.name or each.id}" + (f" (code {each.code})" if each.code else "") for each in options)
        or "none"
    )
