"""A rollout, before and after: its waves in a table, who failed and why, and what to do next."""

from __future__ import annotations

from collections import Counter
from typing import Any

from controller.model.rollout import ACTIVE_ROLLOUT_STATES, MemberState, Rollout, RolloutPreview, RolloutState
from controller.reporting.formatting import align_columns, clean, format_count, format_iso, format_time
from controller.reporting.paint import WITHOUT_COLOUR, Paint
from controller.reporting.text import plan_text

_SHOWN = 20
"""Merchants named with their reasons; the JSON has all."""


def preview_text(preview: RolloutPreview, paint: Paint = WITHOUT_COLOUR) -> str:
    """The plan of everyone in it, the waves, and what it leaves to others."""
    lines = [plan_text(preview.plan, paint), ""]
    lines += [paint("change", "Note: ") + each for each in preview.not_included]
    sizes = [(f"wave {number}", format_count(len(wave), "merchant")) for number, wave in enumerate(preview.waves, 1)]
    return "\n".join([*lines, paint("strong", f"Rollout {clean(preview.name)}:"), *align_columns(sizes, "  ")])


def rollout_text(rollout: Rollout, paint: Paint = WITHOUT_COLOUR) -> str:
    """Where it stands, wave by wave, and the next step."""
    colour = _COLOURS[rollout.state]
    head = (
        f"{paint('strong', clean(rollout.name))}  {paint(colour, rollout.state.value)} since "
        f"{format_time(rollout.since)}"
    )
    lines = [head, *([f"  {clean(rollout.reason)}"] if rollout.reason else [])]
    rows = [("WAVE", "MERCHANTS", *_COUNT_COLUMNS.values(), "")]
    for number in range(1, rollout.wave_count + 1):
        wave = wave_json(rollout, number)
        cells = (str(wave[each]) if wave[each] else "-" for each in _COUNT_COLUMNS)
        rows.append((str(number), f"{wave['merchants']:,}", *cells, _wave_note(rollout, number)))
    lines += align_columns(rows, "  ")
    lines += _trouble_lines(rollout, paint)
    return "\n".join([*lines, *(f"{paint('strong', '>')} {each}" for each in next_steps(rollout))])


def rollout_json(rollout: Rollout) -> dict[str, Any]:
    """`state` and `reason`; per wave how many are done, failed, left to others and to do; everyone by name."""
    return {
        "schemaVersion": 1,
        "kind": "Rollout",
        "complete": True,
        "name": rollout.name,
        "state": rollout.state.value,
        "reason": rollout.reason or None,
        "orphaned": rollout.orphaned,
        "since": format_iso(rollout.since),
        "started": format_iso(rollout.started_at),
        "wave": rollout.current_wave,
        "soakUntil": format_iso(rollout.soak_until),
        "terms": {
            "waves": list(rollout.spec.waves),
            "soakSeconds": rollout.spec.soak,
            "maxFailures": rollout.spec.max_failures,
            "step": rollout.spec.step,
            "allow": list(rollout.spec.allow),
        },
        "waves": [wave_json(rollout, number) for number in range(1, rollout.wave_count + 1)],
        "merchants": [
            {"merchant": each.merchant, "wave": each.wave, "state": each.state.value, "reason": each.reason or None}
            for each in rollout.members
        ],
    }


def wave_json(rollout: Rollout, number: int) -> dict[str, Any]:
    """A wave in numbers: `left` is still to be reached, `toApply` what it leaves to an apply."""
    counted = Counter(each.state for each in rollout.members_of_wave(number))
    return {
        "wave": number,
        "merchants": counted.total(),
        "done": counted[MemberState.DONE],
        "failed": counted[MemberState.FAILED],
        "left": counted[MemberState.PENDING] + counted[MemberState.IN_PROGRESS],
        "toApply": counted[MemberState.DEFERRED],
        "undone": counted[MemberState.UNDONE],
        "kept": counted[MemberState.NOT_REVERTED],
    }


def next_steps(rollout: Rollout) -> tuple[str, ...]:
    """What to do about it, in commands."""
    name = clean(rollout.name)
    if rollout.orphaned:
        return (f"the process that carried it out is dead: merchantctl rollout resume {name} goes on",)
    return tuple(step.format(name=name) for step in _NEXT_STEPS[rollout.state])


def rollout_exit_code(rollout: Rollout, signal: int | None) -> int:
    """130 or 143 on a signal; 3 where it stopped before its end, or somebody failed; a pause by --step is 0.

    Who failed before anything was written to it has nothing that could be put back, and is no failure of an undo.
    """
    if signal:
        return 128 + signal
    failed = any(
        each.state is MemberState.NOT_REVERTED
        or (each.state is MemberState.FAILED and (each.changed or rollout.state is not RolloutState.UNDONE))
        for each in rollout.members
    )
    if rollout.state is RolloutState.PAUSED:
        return 0 if rollout.spec.step and _is_between_waves(rollout) else 3
    return 0 if rollout.state in (RolloutState.DONE, RolloutState.UNDONE) and not failed else 3


def _is_between_waves(rollout: Rollout) -> bool:
    """The wave before the one in hand ended well, and this one is not begun."""
    return (
        all(each.state is MemberState.PENDING for each in rollout.members_of_wave(rollout.current_wave))
        and rollout.current_wave > 1
    )


def _wave_note(rollout: Rollout, number: int) -> str:
    if number != rollout.current_wave or rollout.state not in ACTIVE_ROLLOUT_STATES:
        return ""
    return f"watched until {format_time(rollout.soak_until)}" if rollout.soak_until else "in hand"


def _trouble_lines(rollout: Rollout, paint: Paint) -> list[str]:
    troubled = [each for each in rollout.members if each.reason and each.state is not MemberState.DONE]
    lines = [
        f"{paint('strong', clean(each.merchant))}  {paint('bad', each.state.value)}  {clean(each.reason)}"
        for each in troubled[:_SHOWN]
    ]
    more = len(troubled) - _SHOWN
    return [*lines, f"and {more:,} more: -o json lists all"] if more > 0 else lines


_COUNT_COLUMNS = {
    "done": "DONE",
    "failed": "FAILED",
    "left": "LEFT",
    "toApply": "TO APPLY",
    "undone": "UNDONE",
    "kept": "KEPT",
}

_COLOURS = {
    RolloutState.RUNNING: "change",
    RolloutState.PAUSED: "change",
    RolloutState.ABORTED: "bad",
    RolloutState.DONE: "good",
    RolloutState.UNDOING: "bad",
    RolloutState.UNDONE: "change",
}

_NEXT_STEPS = {
    RolloutState.RUNNING: ("merchantctl rollout pause {name} stops it between two merchants",),
    RolloutState.PAUSED: (
        "merchantctl rollout resume {name} goes on where it stands; whoever failed is tried again",
        "merchantctl rollout abort {name} leaves everyone as they are; undo puts back what it changed",
    ),
    RolloutState.ABORTED: (
        "what is done stays, and nobody else is touched until the manifests change",
        "merchantctl rollout undo {name} puts back what it changed; rollout start goes on with another one",
    ),
    RolloutState.DONE: (),
    RolloutState.UNDOING: ("merchantctl rollout undo {name} finishes it",),
    RolloutState.UNDONE: ("change the manifests back: until they say something else, its merchants are left alone",),
}
