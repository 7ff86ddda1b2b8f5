"""Findings about references: accounts, customers, suppliers and tax rates that are gone, archived, moved or unclear."""

from __future__ import annotations

from typing import Any

from controller.model.field_values import (
    Option,
    Ref,
    Value,
    parse_tax_rate_path,
    ref_kind,
    resolve_live_path,
    split_account_path,
    values_equal,
)
from controller.model.observed import Absent, BooksRecord, Configuration, Unread
from controller.model.plan import RECHECK_UNREAD_AFTER, Actor, ChangeClass, Direction, FieldChange, Finding
from controller.model.yaml_snippets import option_as_yaml
from controller.planning.context import PlanningContext
from controller.planning.holds import allow_command
from controller.planning.remedies import (
    APPLY_COMMAND,
    MAX_SIMILAR_SHOWN,
    all_options_line,
    choose_any_remedy,
    choose_option_remedy,
    command_line,
    join_steps,
    possible_values_text,
    refresh_command,
    undeclare_remedy,
    where_to_write,
    write_value_remedy,
)
from controller.planning.resolve import ResolutionProblem, ResolvedFields, describe_near_misses, reference_led_to_option
from controller.quick_dataclasses import dataclass


def find_dangling_selections(live: Configuration) -> dict[str, Option]:
    """Live's selections that its own options lack, by live's path; empty where no options were read at all."""
    if not live.offers_options:
        return {}
    return {
        path: value
        for path, value in live.values.items()
        if isinstance(value, Option) and all(value.id != option.id for option in live.options.get(path, ()))
    }


def dangling_findings(
    context: PlanningContext, live: Configuration, resolved: ResolvedFields, left_alone: frozenset[str]
) -> tuple[Finding, ...]:
    """A finding for every selection that is not offered any more. `left_alone`: fields that policy does not correct."""
    dangling = find_dangling_selections(live)
    declared = {resolve_live_path(live.values, path): path for path in context.desired.fields} if dangling else {}
    selections = (
        DanglingSelection(live_path, declared.get(live_path), option) for live_path, option in dangling.items()
    )
    return tuple(_dangling_finding(context, selection, live, resolved, left_alone) for selection in selections)


def former_option_if_moved(context: PlanningContext, live: Configuration, path: str, resolved: Value) -> Option | None:
    """The option that the manifest's reference led to before, where the same reference leads to another now.

    Then the books were renumbered or renamed, and nobody asked for another account. None where that option is not
    offered any more.
    """
    ref, last = context.desired.fields.get(path), context.recorded.last_applied.get(path)
    if not (isinstance(ref, Ref) and isinstance(last, Option) and isinstance(resolved, Option)):
        return None
    if values_equal(last, resolved):
        return None
    if not reference_led_to_option(ref, last):
        return None
    offered = live.options.get(resolve_live_path(live.values, path) or path, ())
    # One that is not offered any more dangles, if it is selected still, and has a finding for that.
    return next((option for option in offered if values_equal(option, last)), None)


def remapped_finding(
    context: PlanningContext, change: FieldChange, old: Option, live: Configuration, *, kept: bool, followed: bool
) -> Finding:
    """Renumbered or renamed books made the manifest's reference mean another option.

    old       the option that it led to before, as the books call it now
    kept      policy leaves live as it is
    followed  a person released it, and the plan writes the new option
    """
    ref, new = context.desired.fields[change.field], change.wanted
    assert isinstance(ref, Ref)
    assert isinstance(new, Option)
    last = context.recorded.last_applied.get(change.field)
    old_name = _name_and_code(last) if isinstance(last, Option) else old.id
    cause = (
        f"the books moved: {ref} led to {old_name} ({old.id}), which is now {_name_and_code(old)}; "
        f"the same reference now leads to {_name_and_code(new)} ({new.id})"
    )
    offered = live.options.get(resolve_live_path(live.values, change.field) or change.field, ())
    stay = f"to stay with it: {where_to_write(context, change.field)}: {option_as_yaml(old, among=offered)}"
    follow = allow_command(ChangeClass.REMAP, context.desired.name)
    actor, remedy = Actor.OPERATOR, f"{stay}\nto follow it to {_name_and_code(new)}: {follow}"
    if kept:
        actor, remedy = Actor.NOBODY, f"policy drift: Report keeps live; {stay}"
    elif followed:
        actor, remedy = Actor.APPLY, APPLY_COMMAND
    code = f"{ref_kind(change.field)}-remapped"
    fields = {"field": change.field, "live": change.live, "wanted": new, "direction": Direction.DRIFT}
    return context.finding(code, cause, remedy, actor, **fields)


@dataclass(frozen=True, slots=True)
class DanglingSelection:
    """A live selection that is not offered any more. `declared_path`: the manifest's path, None where undeclared."""

    live_path: str
    declared_path: str | None
    selected: Option


def _dangling_finding(
    context: PlanningContext,
    dangling: DanglingSelection,
    live: Configuration,
    resolved: ResolvedFields,
    left_alone: frozenset[str],
) -> Finding:
    """What the books say of a selection that is not offered any more, and who can correct it."""
    kind, path, selected = (
        ref_kind(dangling.live_path),
        dangling.declared_path or dangling.live_path,
        _selection_with_recorded_name(context, dangling),
    )
    record = context.observed.records.get((str(kind), selected.id), Unread("it was not asked for"))
    if isinstance(record, Unread):
        cause = f"{selected.id} is not offered any more, and why could not be read: {record.reason}"
        return context.finding(
            "unknown", cause, "run it again", Actor.CODAT, field=path, live=selected, recheck_after=RECHECK_UNREAD_AFTER
        )
    resolved_value = resolved.values.get(path)
    word, cause = _code_ending_and_cause(context, dangling, record, resolved_value)
    actor, remedy = _actor_and_remedy(context, dangling, record, live, resolved, left_alone)
    declared = context.desired.fields.get(path)
    fields = {
        "field": path,
        "live": Option(selected.id, record.name, record.code) if isinstance(record, BooksRecord) else selected,
        "wanted": declared if resolved_value is None and isinstance(declared, Ref) else resolved_value,
        "direction": Direction.DRIFT,
    }
    return context.finding(f"{kind}-{word}", cause, remedy, actor, **fields)


def _code_ending_and_cause(
    context: PlanningContext, dangling: DanglingSelection, record: BooksRecord | Absent, resolved_value: Value
) -> tuple[str, str]:
    """The end of the finding's code, and its cause."""
    name = _describe(_selection_with_recorded_name(context, dangling), record)
    if isinstance(record, Absent) or record.deleted:
        if isinstance(resolved_value, Option) and _reference_led_to_selection(context, dangling):
            return "recreated", f"{name} was deleted in the books, and the same reference now means {resolved_value.id}"
        return "deleted", f"{name} was deleted in the books"
    if record.status == "Archived":
        return "archived", f"{name} is archived in the books"
    kind = ref_kind(dangling.live_path)
    why = "its type was changed in the books, or the options are older than they are"
    return (
        "unresolved",
        f"{name} is {record.status.lower()} in the books, but no {kind} for this field any more: {why}",
    )


def _reference_led_to_selection(context: PlanningContext, dangling: DanglingSelection) -> bool:
    """Whether the manifest's reference, by code or name, is the one that led to what is gone now."""
    ref, last = (
        context.desired.fields.get(dangling.declared_path or ""),
        _selection_with_recorded_name(context, dangling),
    )
    return isinstance(ref, Ref) and ref.by != "id" and getattr(last, ref.by) == ref.value


def _selection_with_recorded_name(context: PlanningContext, dangling: DanglingSelection) -> Option:
    """The selection with the name that we recorded; Codat returns none for what is gone."""
    last = context.recorded.last_applied.get(dangling.declared_path or "")
    return last if isinstance(last, Option) and values_equal(last, dangling.selected) else dangling.selected


def _describe(selected: Option, record: BooksRecord | Absent) -> str:
    name = record.name if isinstance(record, BooksRecord) else selected.name
    return f"{name!r} ({selected.id})" if name else selected.id


def _actor_and_remedy(
    context: PlanningContext,
    dangling: DanglingSelection,
    record: BooksRecord | Absent,
    live: Configuration,
    resolved: ResolvedFields,
    left_alone: frozenset[str],
) -> tuple[Actor, str]:
    path = dangling.declared_path
    if path is None:
        choose = command_line("link", context.desired.name, "--sync-flow")
        choose += f"\nor {write_value_remedy(context, dangling.live_path, dangling.live_path, live)}"
        restore = _restore_remedy(context, record, None)
        return Actor.MERCHANT, join_steps(restore, f"{'or ' if restore else ''}choose another: {choose}")
    # Elsewhere `Report` makes drift nobody's; but what is gone from the books stops the syncs (API notes 4.8).
    if path in left_alone:
        manifest = f"in the manifest of {context.desired.name}"
        return Actor.OPERATOR, (
            f"policy drift: Report keeps it; {manifest} write policy: {{drift: Correct}}; then {APPLY_COMMAND}"
        )
    if path in resolved.values:
        return Actor.APPLY, APPLY_COMMAND
    problem = next(problem for problem in resolved.problems if problem.field == path)
    restore, other = (
        _restore_remedy(context, record, context.desired.fields[path]),
        choose_option_remedy(context, problem, live, dangling.live_path),
    )
    other = other or choose_any_remedy(context, path, dangling.live_path, live)
    return Actor.OPERATOR, join_steps(restore, f"or {other}" if restore else other)


def _restore_remedy(context: PlanningContext, record: BooksRecord | Absent, declared: object) -> str:
    """How the same record becomes available again; empty where it cannot: added again, it has another id."""
    if isinstance(record, Absent) or record.deleted:
        if not isinstance(declared, Ref) or declared.by == "id":
            return ""
        return f"add it to the books again; then {refresh_command(context)} && {APPLY_COMMAND}"
    if record.status == "Archived":
        return f"restore it in the books; then {refresh_command(context)}"
    return f"give it its former type back in the books; then {refresh_command(context)}"


def problem_findings(context: PlanningContext, live: Configuration, resolved: ResolvedFields) -> tuple[Finding, ...]:
    """A finding for each reference without a single answer; those that dangle have one already."""
    dangling = find_dangling_selections(live)
    return tuple(
        _problem_finding(context, problem, live)
        for problem in resolved.problems
        if (resolve_live_path(live.values, problem.field) or problem.field) not in dangling
    )


def _problem_finding(context: PlanningContext, problem: ResolutionProblem, live: Configuration) -> Finding:
    declared = context.desired.fields[problem.field]
    live_path = resolve_live_path(live.values, problem.field) or problem.field
    fields: dict[str, Any] = {"field": problem.field, "wanted": declared if isinstance(declared, Ref) else None}
    if problem.kind == "not-offered":
        remedy = undeclare_remedy(context, problem.field)
        return context.finding(
            "mapping-invalid", _not_offered_cause(problem.field, live), remedy, Actor.OPERATOR, **fields
        )
    fields["live"] = live.values.get(live_path)
    code = f"{ref_kind(problem.field)}-{problem.kind}"
    remedy = choose_option_remedy(context, problem, live, live_path) or _nothing_similar_remedy(
        context, problem.field, live_path, live
    )
    return context.finding(code, _problem_cause(context, problem, live_path, live), remedy, Actor.OPERATOR, **fields)


def _not_offered_cause(path: str, live: Configuration) -> str:
    """Codat decides for each merchant which accounts and tax rates can be mapped; nobody can add one."""
    if key := parse_tax_rate_path(path):
        rates = ", ".join(sorted(filter(None, map(parse_tax_rate_path, live.values)), key=float)) or "none"
        return f"Codat offers no tax rate {key} for this merchant; it offers {rates}"
    section, account = split_account_path(path) or ("", path)
    keys = [parts[1] for live_path in live.values if (parts := split_account_path(live_path)) and parts[0] == section]
    offered = f"in {section} it offers {', '.join(keys) or 'none'}"
    return f"Codat offers no account {account} for this merchant; {offered}"


def _nothing_similar_remedy(context: PlanningContext, path: str, live_path: str, live: Configuration) -> str:
    offered = len(live.options.get(live_path, ()))
    add = f"add it to the merchant's books; then {refresh_command(context)} && {APPLY_COMMAND}"
    if not offered:
        return f"there is nothing to choose from: {add}"
    other = f"or {where_to_write(context, path)}: {possible_values_text(live_path, live)}"
    return join_steps(
        f"nothing similar is offered: {add}", other, all_options_line(context, path, offered, MAX_SIMILAR_SHOWN)
    )


def _problem_cause(context: PlanningContext, problem: ResolutionProblem, live_path: str, live: Configuration) -> str:
    if problem.kind == "ambiguous":
        return f"{problem.reference} matches {len(problem.candidates)} of this merchant's options"
    if problem.renamed_option:
        how = "renumbered" if problem.reference.startswith("code") else "renamed"
        return (
            f"{problem.reference} was {how} in the books: {problem.renamed_option.id} is now "
            f"{_name_and_code(problem.renamed_option)}"
        )
    ref, options = context.desired.fields[problem.field], live.options.get(live_path, ())
    near_misses = f"; {words}" if isinstance(ref, Ref) and (words := describe_near_misses(ref, options)) else ""
    return f"{problem.reference} matches none of this merchant's options{near_misses}"


def _name_and_code(option: Option) -> str:
    """`Sales returns (code 205)`"""
    return (option.name or option.id) + (f" (code {option.code})" if option.code else "")
