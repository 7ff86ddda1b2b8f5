"""Two JSON reports compared: findings that are new, gone or changed, and numbers that moved."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from controller.model.errors import UsageError
from controller.quick_dataclasses import dataclass
from controller.reporting.formatting import align_columns, clean, format_count
from controller.reporting.history import stored_value_text
from controller.reporting.paint import WITHOUT_COLOUR, Paint

COMPARABLE_KINDS = ("Report", "DriftReport")
MAX_FINDINGS_SHOWN = 50
"""Findings of each sort that the text names; the JSON has all."""

Document = Mapping[str, Any]
Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class ReportDiff:
    """new, gone   findings that only the later, only the earlier report has
    changed        findings of both whose actual or desired value differs: (earlier, later)
    numbers        by name (before, after), where they differ
    """

    before_at: str
    after_at: str
    new: tuple[Document, ...]
    gone: tuple[Document, ...]
    changed: tuple[tuple[Document, Document], ...]
    unchanged: int
    numbers: Mapping[str, tuple[int, int]]

    @property
    def is_different(self) -> bool:
        return bool(self.new or self.gone or self.changed or self.numbers)


def read_report(content: bytes, name: str) -> Document:
    """A report as JSON. Raises UsageError for anything else."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{name} is no JSON: {error}") from None
    findings = document.get("findings") if isinstance(document, dict) else None
    if document.get("kind") not in COMPARABLE_KINDS if isinstance(document, dict) else True:
        raise UsageError(f"{name} is no report: merchantctl report -o json, or drift -o json, prints one")
    if not isinstance(findings, list) or not all(isinstance(each, dict) for each in findings):
        raise UsageError(f"{name}: `findings` is not a list of findings")
    return dict(document)


def compare_reports(before: Document, after: Document) -> ReportDiff:
    earlier, later = _findings_by_key(before), _findings_by_key(after)
    both = [key for key in later if key in earlier]
    changed = tuple(
        (earlier[key], later[key]) for key in both if _live_and_wanted(earlier[key]) != _live_and_wanted(later[key])
    )
    numbers = {name: (_numbers(before).get(name, 0), number) for name, number in _numbers(after).items()}
    numbers |= {name: (number, 0) for name, number in _numbers(before).items() if name not in numbers}
    return ReportDiff(
        str(before.get("generatedAt")),
        str(after.get("generatedAt")),
        tuple(each for key, each in later.items() if key not in earlier),
        tuple(each for key, each in earlier.items() if key not in later),
        changed,
        len(both) - len(changed),
        {name: pair for name, pair in numbers.items() if pair[0] != pair[1]},
    )


def diff_json(difference: ReportDiff) -> dict[str, Any]:
    return {
        "schemaVersion": 1,
        "kind": "ReportDiff",
        "complete": True,
        "before": difference.before_at,
        "after": difference.after_at,
        "new": list(difference.new),
        "gone": list(difference.gone),
        "changed": [{"before": earlier, "after": later} for earlier, later in difference.changed],
        "unchanged": difference.unchanged,
        "numbers": {name: {"before": pair[0], "after": pair[1]} for name, pair in difference.numbers.items()},
    }


def diff_text(difference: ReportDiff, paint: Paint = WITHOUT_COLOUR) -> str:
    """Signs as in a diff: + is new, - is gone, ~ has other values."""
    lines = _signed_lines("+", [(each, _values_text(each)) for each in difference.new], paint)
    lines += _signed_lines("-", [(each, _values_text(each)) for each in difference.gone], paint)
    changed = [(later, f"{_values_text(earlier)}, now {_values_text(later)}") for earlier, later in difference.changed]
    lines += _signed_lines("~", changed, paint)
    rows = [(clean(name), f"{before:,}", "->", f"{after:,}") for name, (before, after) in difference.numbers.items()]
    lines += [paint("strong", "Numbers"), *align_columns(rows, "  "), ""] if rows else []
    lines.append(paint("quiet", clean(f"Of {difference.before_at}, compared with {difference.after_at}.")))
    found = format_count(len(difference.new), "finding")
    summary = f"{found} new, {len(difference.gone):,} gone, {len(difference.changed):,} with other values, "
    return "\n".join([*lines, paint("strong", "Diff: ") + summary + f"{difference.unchanged:,} as before."])


def _signed_lines(sign: str, findings: list[tuple[Document, str]], paint: Paint) -> list[str]:
    rows = [
        (
            paint.colour_word(sign),
            clean(str(finding.get("merchant") or "the fleet")),
            clean(str(finding.get("code"))),
            clean(str(finding.get("field") or "")),
            clean(values),
        )
        for finding, values in findings[:MAX_FINDINGS_SHOWN]
    ]
    more = (
        [f"{sign} {len(findings) - MAX_FINDINGS_SHOWN:,} more; -o json has all"]
        if len(findings) > MAX_FINDINGS_SHOWN
        else []
    )
    return [*align_columns(rows, ""), *more, *([""] if rows else [])]


def _values_text(finding: Document) -> str:
    if finding.get("live") is None and finding.get("wanted") is None:
        return ""
    field = str(finding.get("field") or "")
    live, wanted = (stored_value_text(field, finding.get(name)) for name in ("live", "wanted"))
    return f"actual {live}, desired {wanted}"


def _findings_by_key(document: Document) -> dict[Key, Document]:
    return {
        (str(each.get("merchant")), str(each.get("code")), str(each.get("field"))): each
        for each in document["findings"]
    }


def _live_and_wanted(finding: Document) -> tuple[Any, Any]:
    return finding.get("live"), finding.get("wanted")


def _numbers(document: Document) -> dict[str, int]:
    """Merchants by status, findings by code, steps of the funnel and outcomes of syncs: whatever both may have."""
    numbers: dict[str, int] = {}
    for name in ("statuses", "funnel", "summary"):
        part = document.get(name)
        pairs = part.items() if isinstance(part, dict) else ()
        numbers |= {f"{name}.{key}": value for key, value in pairs if isinstance(value, int)}
    not_booked = document.get("notBooked")
    reasons = not_booked.get("reasons") if isinstance(not_booked, dict) else None
    pairs = reasons.items() if isinstance(reasons, dict) else ()
    numbers |= {f"notBooked.{key}": value for key, value in pairs if isinstance(value, int)}
    merchants = document.get("merchants")
    return numbers | ({"merchants": merchants} if isinstance(merchants, int) else {})
