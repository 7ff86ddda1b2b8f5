"""Who depends on something, and what would become of them: a table, the effects, and the same as JSON."""

from __future__ import annotations

from collections import Counter
from typing import Any

from controller.model.impact import Impact
from controller.reporting.closed_merchants import closed_counts_text, closed_flags_json
from controller.reporting.formatting import align_columns, clean, format_count, format_list
from controller.reporting.paint import WITHOUT_COLOUR, Paint

MAX_ROWS_SHOWN = 20
"""More dependents than these are counted by field; `-o json` has them all."""


def impact_text(impact: Impact, paint: Paint = WITHOUT_COLOUR) -> str:
    """Dependents by name where they are few, else by field; then what would happen to how many."""
    merchants = {each.merchant for each in impact.dependents}
    of = format_count(impact.asked, "merchant")
    if not merchants:
        return f"{clean(impact.subject)}: none of {of} depends on it."
    lines = [*_dependent_lines(impact, paint), ""]
    for effect in impact.effects:
        count = format_count(len(effect.merchants), "merchant")
        code = f"  {effect.finding}" if effect.finding else ""
        lines.append(f"if {effect.event}: {paint('strong', count)}{code}")
        lines += [f"    {clean(effect.consequence)}", paint("quiet", f"    {format_list(effect.merchants)}")]
    left_alone = closed_counts_text({each.merchant: each.hold for each in impact.dependents}.values(), infix="of them ")
    summary = f"{len(merchants):,} of {of} depend on it{left_alone}. Nobody was asked: as of manifests and state."
    return "\n".join([*lines, paint("strong", f"{clean(impact.subject)}: ") + summary])


def _dependent_lines(impact: Impact, paint: Paint) -> list[str]:
    if len(impact.dependents) <= MAX_ROWS_SHOWN:
        rows = [
            (clean(each.merchant), clean(each.field or ""), clean(each.how), each.standing, clean(each.where))
            for each in impact.dependents
        ]
        head = tuple(paint("strong", word) for word in ("MERCHANT", "FIELD", "HOW", "STANDS", "DECLARED AT"))
        return align_columns([head, *rows], "")
    counts = Counter((each.field or "", each.how, each.where) for each in impact.dependents)
    table = [(f"{number:,}", *map(clean, key)) for key, number in counts.most_common()]
    head = tuple(paint("strong", word) for word in ("MERCHANTS", "FIELD", "HOW", "DECLARED AT"))
    more = [paint("quiet", f"and {len(table) - MAX_ROWS_SHOWN:,} rows more; -o json has all")]
    return [*align_columns([head, *table[:MAX_ROWS_SHOWN]], ""), *(more if len(table) > MAX_ROWS_SHOWN else [])]


def impact_json(impact: Impact) -> dict[str, Any]:
    return {
        "subject": impact.subject,
        "asked": impact.asked,
        "bound": impact.bound_count,
        "merchants": sorted({each.merchant for each in impact.dependents}),
        "dependents": [
            {
                "merchant": each.merchant,
                "field": each.field,
                "how": each.how,
                "manifest": each.where or None,
                "standing": each.standing,
                **closed_flags_json(each.hold),
            }
            for each in impact.dependents
        ],
        "effects": [
            {
                "event": each.event,
                "merchants": list(each.merchants),
                "finding": each.finding,
                "consequence": each.consequence,
            }
            for each in impact.effects
        ],
    }
