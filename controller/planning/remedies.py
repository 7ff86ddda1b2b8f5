"""What to do about a finding, in words that can be pasted: commands for a shell, values for a manifest.

A value is to be written in the merchant's own manifest, even where a profile has it: that always works, and an id or a
name from one merchant's books may be unknown in everybody else's.
"""

from __future__ import annotations

import shlex
from collections.abc import Collection
from datetime import UTC, date, datetime, time, timedelta

from controller.model.field_values import (
    LOCAL_TIME_PATH,
    START_DATE_PATH,
    SYNC_HOUR_PATH,
    DeclaredValue,
    LocalTime,
    Option,
    Ref,
    Value,
    parse_tax_rate_path,
    ref_kind,
    split_account_path,
)
from controller.model.observed import Configuration
from controller.model.yaml_snippets import ReferenceKey, describe_option, value_as_yaml
from controller.model.zones import time_zone
from controller.planning.configuration_rules import without_refused_options
from controller.planning.context import PlanningContext
from controller.planning.resolve import ResolutionProblem
from controller.planning.suggestions import suggest_options

APPLY_COMMAND = "merchantctl apply"
MAX_SIMILAR_SHOWN = 3
MAX_MATCHES_SHOWN = 5
"""Options that match are written out up to this number; more than similar ones, since a person must tell them apart."""


def command_line(*words: str) -> str:
    """A merchantctl command line, quoted for a shell: `merchantctl link 'acme coffee'`."""
    return f"merchantctl {shlex.join(words)}"


def refresh_command(context: PlanningContext) -> str:
    """The command that makes Codat read the books again, and with them what it offers."""
    return command_line("refresh", "--target", context.desired.name, "--wait")


def where_to_write(context: PlanningContext, path: str) -> str:
    """Where to write a field: the merchant's own manifest overrides its profiles and concerns nobody else."""
    return f"in the manifest of {context.desired.name} write {path}"


def undeclare_remedy(context: PlanningContext, path: str) -> str:
    """How a merchant stops declaring a field: delete it from its own manifest, un-declare it where a profile has it."""
    layers = [origin.manifest.partition(" ")[0] for origin in context.desired.origins.get(path, ())]
    delete_own = f"delete {path} from the manifest of {context.desired.name}"
    profiles = f"in the manifest of {context.desired.name} write unmanaged: ['{path}']"
    if layers and layers[-1] == "Merchant":
        return delete_own if layers == ["Merchant"] else f"{delete_own}; and {profiles}"
    return profiles


def choose_option_remedy(
    context: PlanningContext, problem: ResolutionProblem, live: Configuration, live_path: str
) -> str:
    """What could be written instead, empty where nothing resembles it; by id where a name fits several."""
    shown = candidate_texts(problem, context.desired.fields.get(problem.field), live, live_path)
    if not shown:
        return ""
    choice = f"{where_to_write(context, problem.field)}: {_join_with_rest(shown, len(problem.candidates))}"
    return join_steps(
        choice, all_options_line(context, problem.field, len(live.options.get(live_path, ())), len(shown))
    )


def all_options_line(context: PlanningContext, path: str | None, offered: int, shown: int) -> str:
    """The command that shows everything that a field can be set to; empty where all of it is shown already."""
    words = (context.desired.name, path) if path else (context.desired.name,)
    command = command_line("options", *words)
    return f"all {offered:,} that are offered: {command}" if offered > shown else ""


def candidate_texts(
    problem: ResolutionProblem, declared: DeclaredValue, live: Configuration, live_path: str
) -> list[str]:
    """What could be written instead, ready to paste: by the key that the manifest used, or by id among alike ones."""
    options, selected = live.options.get(live_path, ()), live.values.get(live_path)
    selected_option = selected if isinstance(selected, Option) else None
    key: ReferenceKey | None = (
        "id" if problem.kind == "ambiguous" else declared.by if isinstance(declared, Ref) else None
    )
    return [
        describe_option(candidate, key, options, selected_option)
        for candidate in problem.candidates[:MAX_MATCHES_SHOWN]
    ]


def choose_any_remedy(context: PlanningContext, path: str, live_path: str, live: Configuration) -> str:
    """What could be written where nothing resembles what is declared, and the command that shows the rest."""
    shown, _ = _likely_option_texts(live_path, live, None)
    if not shown:
        return f"add another one to the books, which is offered then: {refresh_command(context)}"
    choice = f"{where_to_write(context, path)}: {possible_values_text(live_path, live)}"
    return join_steps(choice, all_options_line(context, path, len(live.options.get(live_path, ())), len(shown)))


def _likely_option_texts(path: str, live: Configuration, excluded: Value) -> tuple[list[str], int]:
    """Some options of a reference that it may be about, each ready to paste; and how many are offered."""
    excluded_id = excluded.id if isinstance(excluded, Option) else None
    offered = (option for option in live.options.get(path, ()) if option.id != excluded_id)
    options = without_refused_options(path, offered, live.values)
    account = split_account_path(path)
    searched = account[1] if account else f"{parse_tax_rate_path(path) or ''}%"
    similar = suggest_options(Ref("name", searched), options) or options
    return [describe_option(option, "name", options) for option in similar[:MAX_SIMILAR_SHOWN]], len(options)


def possible_values_text(path: str, live: Configuration, excluded: Value = None) -> str:
    """What a field could be set to: `{name: "5% (VAT on income)"}; or 2 more`, `Daily`; empty where nothing is offered.

    `excluded` is the value that it has, and is not offered; of a list, those of its words that are offered.
    """
    if ref_kind(path):
        shown, offered = _likely_option_texts(path, live, excluded)
        return _join_with_rest(shown, offered) if shown else ""
    words = live.allowed_words.get(path, ())
    if isinstance(excluded, tuple):
        known = {word.lower() for word in words}
        return f"[{', '.join(word for word in excluded if word.lower() in known)}]"
    if words:
        return "; or ".join(word for word in words if word != excluded)
    if isinstance(excluded, bool):
        return "false" if excluded else "true"
    return "the first day to synchronise, YYYY-MM-DD" if path == START_DATE_PATH else "a value"


def write_value_remedy(
    context: PlanningContext, path: str, live_path: str, live: Configuration, excluded: Value = None
) -> str:
    """What to write at a field, with what could stand there; before that what the books lack, where nothing could."""
    values = possible_values_text(live_path, live, excluded)
    return f"{where_to_write(context, path)}: {values}" if values else _add_to_books_remedy(context, path)


def _add_to_books_remedy(context: PlanningContext, path: str) -> str:
    plan = command_line("plan", "--target", context.desired.name)
    return f"add one to the books for {path}, which the next plan then names: {refresh_command(context)} && {plan}"


def declare_remedy(context: PlanningContext, paths: Collection[str], live: Configuration) -> str:
    """A line for each missing field, with what could be written there."""
    where = f"in the manifest of {context.desired.name}, or in its profile"
    values = {path: possible_values_text(path, live) for path in paths}
    lines = [f"write {path}: {text}" if text else _add_to_books_remedy(context, path) for path, text in values.items()]
    if any(len(live.options.get(path, ())) > MAX_SIMILAR_SHOWN for path in paths):
        lines.append(f"all that is offered: {command_line('options', context.desired.name)}")
    return "\n".join((f"{where}, write what is lacking; then {APPLY_COMMAND}", *lines))


def report_policy_remedy(context: PlanningContext, path: str, live: Value) -> str:
    """For drift that `Report` leaves alone: declare what is live, or change the policy so that it is corrected."""
    correct = "write policy: {drift: Correct}"
    value = f"{first_local_day_from(context, live):%Y-%m-%d}" if isinstance(live, datetime) else value_as_yaml(live)
    if path == LOCAL_TIME_PATH:
        path = SYNC_HOUR_PATH
    kept = f"policy drift: Report keeps it; in the manifest of {context.desired.name}"
    if value is None:  # live has nothing there, and a manifest cannot say so for this field
        return f"{kept} {correct}; then {APPLY_COMMAND}"
    return f"{kept} write {path}: {value}; or to have it put right {correct}"


def first_local_day_from(context: PlanningContext, at: datetime) -> date:
    """The first day, in the merchant's zone, that does not begin before an instant."""
    local_time = context.desired.fields.get(LOCAL_TIME_PATH)
    zone = time_zone(local_time.zone) if isinstance(local_time, LocalTime) else UTC
    local = at.astimezone(zone)
    return local.date() if local.time() == time() else local.date() + timedelta(days=1)


def avoid_replay_remedy(context: PlanningContext) -> str:
    """What to change in the manifest before a re-create, so that the first configuration books nothing twice.

    Empty where nothing was booked. Told with the re-create, and not only once its configuration is held.
    """
    start, last_configured_at = context.desired.fields.get(START_DATE_PATH), context.recorded.last_configured_at
    booked_until = max(filter(None, (last_configured_at, context.observed.last_successful_sync)), default=None)
    if last_configured_at is None or booked_until is None or not isinstance(start, datetime) or start >= booked_until:
        return ""
    day = first_local_day_from(context, booked_until)
    return (
        f"what was before is booked already: in the manifest of {context.desired.name} write {START_DATE_PATH}: {day}"
    )


def join_steps(*steps: str) -> str:
    """Steps one after another, a line each; empty ones are left out."""
    return "\n".join(step for step in steps if step)


def _join_with_rest(shown: Collection[str], total: int) -> str:
    rest = total - len(shown)
    return "; or ".join(shown) + (f"; or {rest} more" if rest > 0 else "")
