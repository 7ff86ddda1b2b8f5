"""What a mapping points at: accounts, customers, suppliers and tax rates that are gone, archived, new or unclear."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

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


def dangling_findings(case: Case, live: Configuration, resolved: Resolved, kept: frozenset[str]) -> tuple[Finding, ...]:
    """A finding for every selection that is not offered any more; `kept` are the fields that policy leaves alone."""
    found = dangling(live)
    declared = {locate(live.values, path): path for path in case.wanted.fields} if found else {}
    return tuple(_gone(case, Gone(place, declared.get(place), at), resolved, kept) for place, at in found.items())


@dataclass(frozen=True, slots=True)
class Gone:
    """A selection that is not offered any more: live's own path, the manifest's (None: undeclared), what it was."""

    place: str
    declared: str | None
    selected: Option


def _gone(case: Case, gone: Gone, resolved: Resolved, kept: frozenset[str]) -> Finding:
    """What `/data` says of it, and who can mend it."""
    kind, path, selected = ref_kind(gone.place), gone.declared or gone.place, _as_remembered(case, gone)
    record = case.observed.records.get((str(kind), selected.id), Unread("it was not asked for"))
    if isinstance(record, Unread):
        cause = f"{selected.id} is not offered any more, and why could not be read: {record.reason}"
        return case.found("unknown", cause, "run it again", Actor.SERVICE, field=path, live=selected)
    wish = resolved.values.get(path)
    word, cause = _what_became(case, gone, record, wish)
    actor, remedy = _who_mends(case, gone, resolved, kept)
    asked = case.wanted.fields.get(path)
    more = {
        "field": path,
        "live": Option(selected.id, record.name, record.code) if isinstance(record, Record) else selected,
        "wanted": asked if wish is None and isinstance(asked, Ref) else wish,
        "direction": Direction.DRIFT,
    }
    return case.found(f"{kind}-{word}", cause, remedy, actor, **more)


def _what_became(case: Case, gone: Gone, record: Record | Absent, wish: Value) -> tuple[str, str]:
    called = _called(_as_remembered(case, gone), record)
    if isinstance(record, Absent) or record.deleted:
        if isinstance(wish, Option) and _was_meant(case, gone):
            return "recreated", f"{called} was deleted in the books, and the same reference now means {wish.id}"
        return "deleted", f"{called} was deleted in the books"
    if record.status == "Archived":
        return "archived", f"{called} is archived in the books"
    return "unresolved", f"{called} is {record.status.lower()} in the books but not offered here"


def _was_meant(case: Case, gone: Gone) -> bool:
    """Whether the manifest's reference is the one that led to what is gone now."""
    ref, last = case.wanted.fields.get(gone.declared or ""), _as_remembered(case, gone)
    return isinstance(ref, Ref) and ref.by != "id" and getattr(last, ref.by) == ref.value


def _as_remembered(case: Case, gone: Gone) -> Option:
    """What is gone has no name any more but the one that we remember."""
    last = case.memory.applied.get(gone.declared or "")
    return last if isinstance(last, Option) and same(last, gone.selected) else gone.selected


def _called(selected: Option, record: Record | Absent) -> str:
    name = record.name if isinstance(record, Record) else selected.name
    return f"{name!r} ({selected.id})" if name else selected.id


def _who_mends(case: Case, gone: Gone, resolved: Resolved, kept: frozenset[str]) -> tuple[Actor, str]:
    if gone.declared is None:
        flow = f"merchantctl link {case.wanted.name} --sync-flow"
        return Actor.MERCHANT, f"restore it in the books and refresh, or choose another: {flow}, or a manifest"
    if gone.declared in kept:
        return Actor.US, "policy drift: Report keeps it; set drift: Correct to have the manifest's one selected"
    if gone.declared in resolved.values:
        return Actor.APPLY, "merchantctl apply puts it as the manifest says"
    near = next((each.candidates for each in resolved.problems if each.field == gone.declared), ())
    return Actor.US, f"restore it in the books and merchantctl refresh, or name another; nearest: {_list(near)}"


def problem_findings(case: Case, live: Configuration, resolved: Resolved) -> tuple[Finding, ...]:
    """References without a single answer; those that dangle have their finding already."""
    gone = dangling(live)
    open_ = [each for each in resolved.problems if (locate(live.values, each.field) or each.field) not in gone]
    return tuple(_unclear(case, problem, live) for problem in open_)


def _unclear(case: Case, problem: Problem, live: Configuration) -> Finding:
    wish = case.wanted.fields[problem.field]
    more: dict[str, Any] = {"field": problem.field, "wanted": wish if isinstance(wish, Ref) else None}
    if problem.kind == "not-offered":
        cause = "the service offers no such account or tax rate for this merchant"
        remedy = f"un-declare it for this merchant: unmanaged: ['{problem.field}']"
        return case.found("mapping-invalid", cause, remedy, Actor.US, **more)
    more["live"] = live.values.get(locate(live.values, problem.field) or problem.field)
    code = f"{ref_kind(problem.field)}-{problem.kind}"
    return case.found(code, _cause(case, problem, live), _choice(problem), Actor.US, **more)


def _choice(problem: Problem) -> str:
    """What could be written instead; where a name fits several, only their ids tell them apart."""
    if not problem.candidates:
        return "add it to the merchant's books and merchantctl refresh: there is nothing to choose from"
    if problem.kind == "ambiguous":
        return "write one of: " + ", ".join(f"{{id: {each.id}}}" for each in problem.candidates)
    return f"write one of: {_list(problem.candidates)}"


def _cause(case: Case, problem: Problem, live: Configuration) -> str:
    if problem.kind == "ambiguous":
        return f"{problem.wish} matches {len(problem.candidates)} of this merchant's options"
    last, ref = case.memory.applied.get(problem.field), case.wanted.fields[problem.field]
    options = live.options.get(locate(live.values, problem.field) or "", ())
    renamed = next((each for each in options if isinstance(last, Option) and same(each, last)), None)
    if renamed and isinstance(ref, Ref) and getattr(last, ref.by) == ref.value:
        return f"{problem.wish} was renamed in the books: {renamed.id} is now {_list((renamed,))}"
    return f"{problem.wish} matches none of this merchant's options"


def _list(options: tuple[Option, ...]) -> str:
    return "; ".join(_word(each) for each in options) or "none"


def _word(option: Option) -> str:
    return (option.name or option.id) + (f" (code {option.code})" if option.code else "")
