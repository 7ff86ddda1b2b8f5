"""Manifests in one layout: two spaces a level, keys in the order of the documents, comments where they were. Pure.

Only layout changes: the result is read back, and has the same values and the same comments, or there is none.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate

from controller.desired import yaml_reader
from controller.desired.yaml_reader import ValueSpan

_SECTION_ORDER = ("sync", "invoiceStatus", "customer", "supplier", "accounts", "taxRates", "grouping")
KEY_ORDER: Mapping[tuple[str, ...], tuple[str, ...]] = {
    (): ("apiVersion", "kind", "metadata", "spec"),
    ("metadata",): ("name", "renamedFrom", "labels"),
    ("spec",): (
        *("profile", "extends", "company", "connection", "enabled", "schedule", "mapping"),
        *("text", "visibleAccounts", "redirectUrl", "whiteListUrls", "branding", "dataTypes", "rules", "consumers"),
        *("unmanaged", "policy", "suspend"),
    ),
    ("spec", "company"): ("name", "books"),
    ("spec", "connection"): ("platform", "state"),
    ("spec", "schedule"): ("frequency", "startDate", "time", "timeZone", "syncHourUtc"),
    ("spec", "mapping"): ("sales", "payments", "fees"),
    **{("spec", "mapping", section): _SECTION_ORDER for section in ("sales", "payments", "fees")},
    ("spec", "policy"): ("drift", "deletion", "adopt", "ignore"),
    ("spec", "suspend"): ("reason", "until"),
    ("spec", "branding"): ("name", "logoUrl", "iconUrl"),
}
"""By the keys down to a mapping, the order of its own; others keep theirs, behind those that are named."""

_COMMENT = re.compile(r"(?:^|(?<=\s))#.*")
_ENDS = re.compile("\r\n|[\r\x85\u2028\u2029]")


class _CannotFormat(Exception):
    """It is written in a way that could not be laid out without losing something."""


def format_manifests(content: bytes) -> bytes | None:
    """The file in the one layout; None where it cannot be laid out, as with anchors. It has to be valid YAML."""
    before = yaml_reader.parse_yaml(content, "")
    if before.diagnostics:
        return None
    text = _ENDS.sub("\n", content.decode().removeprefix("\ufeff"))
    try:
        after = "".join(_laid_out_documents(text)).encode()
    except _CannotFormat:
        return None
    read = yaml_reader.parse_yaml(after, "")
    same = not read.diagnostics and [each.value for each in read.documents] == [each.value for each in before.documents]
    return after if same and _count_comments(text) == _count_comments(after.decode()) else None


def _count_comments(text: str) -> Counter[str]:
    """What comments say; of text with a # in it perhaps too much, but the same before and after."""
    return Counter(found.rstrip() for line in text.split("\n") for found in _COMMENT.findall(line))


def _laid_out_documents(text: str) -> Iterator[str]:
    lines = text.split("\n")
    offsets = [0, *accumulate(len(line) + 1 for line in lines[:-1])]
    regions = yaml_reader.document_line_spans(text.encode())
    spans = iter(yaml_reader.value_spans(text.encode()))
    first = regions[0][0] if regions else len(lines)
    if any(line.strip() and not line.startswith("#") for line in lines[:first] if line.rstrip() != "---"):
        raise _CannotFormat
    # Comments above the first mark belong to the first document.
    preamble = [line for line in lines[:first] if line.startswith("#")]
    for number, (start, end) in enumerate(regions):
        stop = len(lines) if end is None else end
        if number and any(line.rstrip() != "---" for line in lines[regions[number - 1][1] or 0 : start]):
            raise _CannotFormat
        body = lines[start:stop]
        if not any(line.strip() and not line.lstrip().startswith("#") for line in body):
            raise _CannotFormat
        laid_out = _Document(text, lines, offsets, start, stop).lay_out(next(spans))
        yield "---\n" if number else ""
        yield "".join(f"{line}\n" for line in (*preamble, *laid_out))
        preamble = []


class _Document:
    """The lines of one document, and what stands in which of them."""

    def __init__(self, text: str, lines: Sequence[str], offsets: Sequence[int], start: int, stop: int) -> None:
        """`offsets`: where each line of the file begins in its text."""
        self._text, self._lines, self._offsets = text, lines, offsets
        self._start, self._stop = start, stop

    def lay_out(self, span: ValueSpan) -> list[str]:
        if span.keys is None or span.is_flow:
            raise _CannotFormat
        # What stands above the first key is about the document, and stays above it whichever key comes first.
        above = self._line_of(min(span.keys.values(), default=span.start))
        head = [line.strip() for line in self._lines[self._start : above]]
        self._require_only_comments(head)
        return _without_extra_blanks([*head, *self._mapping_lines(span, (), above, self._stop)])

    def _line_of(self, offset: int) -> int:
        low, high = 0, len(self._offsets)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self._offsets[middle] <= offset else (low, middle)
        return low

    def _last_line(self, span: ValueSpan) -> int:
        """The last line on which something of it stands."""
        return self._line_of(span.start + len(self._text[span.start : span.end].rstrip()))

    def _mapping_lines(self, span: ValueSpan, path: tuple[str, ...], first: int, stop: int) -> list[str]:
        """The lines of a mapping in block style; those from `first` to `stop` are its own, with its comments."""
        if span.is_shared:
            raise _CannotFormat
        indent = "  " * len(path)
        starts = dict(span.keys or {})
        order = sorted(starts, key=lambda key: starts[key])
        entries: dict[str, list[str]] = {}
        at = first
        for position, key in enumerate(order):
            key_line = self._line_of(starts[key])
            if starts[key] - self._offsets[key_line] != span.column:
                raise _CannotFormat  # two on one line
            child = span.children[key]
            next_line = self._line_of(starts[order[position + 1]]) if position + 1 < len(order) else stop
            last = self._last_line(child) if child.end > child.start else key_line
            end = self._end_of_entry(child, last + 1, next_line, span.column)
            head = [f"{indent}{line.strip()}" if line.strip() else "" for line in self._lines[at:key_line]]
            self._require_only_comments(head)
            entries[key] = [*head, *self._entry_lines(starts[key], child, (*path, key), end)]
            at = end
        tail = [f"{indent}{line.strip()}" if line.strip() else "" for line in self._lines[at:stop]]
        self._require_only_comments(tail)
        known = KEY_ORDER.get(path, ())
        ordered = sorted(order, key=lambda key: known.index(key) if key in known else len(known))
        return [line for key in ordered for line in entries[key]] + tail

    def _end_of_entry(self, child: ValueSpan, line: int, stop: int, column: int) -> int:
        """The line after an entry: comments below a block that are indented as it is are still its own."""
        if child.keys is None or child.is_flow:
            return line
        end = line
        for number in range(line, stop):
            text = self._lines[number]
            if text.strip() and len(text) - len(text.lstrip()) <= column:
                break
            if text.strip():
                end = number + 1
        return end

    def _entry_lines(self, key_start: int, child: ValueSpan, path: tuple[str, ...], end: int) -> list[str]:
        indent = "  " * (len(path) - 1)
        key_line = self._line_of(key_start)
        if child.is_shared:
            raise _CannotFormat
        is_block = child.keys is not None and not child.is_flow
        # The key as it is written, quotes and all.
        until = child.start if not is_block else self._offsets[key_line] + len(self._lines[key_line])
        written, colon, rest = self._text[key_start:until].partition(":")
        if is_block:
            head = f"{indent}{written.rstrip()}:{_space_comment(rest)}"
            if rest.strip() and not rest.strip().startswith("#"):
                raise _CannotFormat
            if self._text[child.start] == "-":
                return [head, *self._list_lines(child, len(path), key_line + 1, end)]
            return [head, *self._mapping_lines(child, path, key_line + 1, end)]
        if not colon or rest.strip():
            raise _CannotFormat
        return self._value_lines(
            f"{indent}{written.rstrip()}:", child, len(indent) - (key_start - self._offsets[key_line])
        )

    def _value_lines(self, head: str, child: ValueSpan, shift: int) -> list[str]:
        """A value that begins on its key's line; what it has on further lines moves along with it."""
        end = child.start + len(self._text[child.start : child.end].rstrip())
        first, *more = self._text[child.start : end].split("\n")
        last = self._line_of(end)
        comment = self._text[end : self._offsets[last] + len(self._lines[last])]
        if comment.strip() and not comment.strip().startswith("#"):
            raise _CannotFormat
        moved = [_shift_indent(line, shift) for line in more]
        lines = [f"{head} {first}".rstrip(), *moved]
        lines[-1] = f"{lines[-1].rstrip()}{_space_comment(comment)}"
        return lines

    def _list_lines(self, span: ValueSpan, level: int, first: int, stop: int) -> list[str]:
        """A list in block style, moved as a whole: its items are short."""
        shift = 2 * level - span.column
        return [_shift_indent(line, shift).rstrip() for line in self._lines[first:stop]]

    def _require_only_comments(self, lines: Sequence[str]) -> None:
        if any(line.strip() and not line.strip().startswith("#") for line in lines):
            raise _CannotFormat


def _shift_indent(line: str, shift: int) -> str:
    if not line.strip():
        return ""
    return " " * shift + line if shift >= 0 else line[min(-shift, len(line) - len(line.lstrip())) :]


def _space_comment(comment: str) -> str:
    """A comment beside something: as many spaces as it had, and at least two."""
    text = comment.strip()
    spaces = len(comment) - len(comment.lstrip())
    return f"{' ' * max(2, spaces)}{text}" if text else ""


def _without_extra_blanks(lines: Sequence[str]) -> list[str]:
    """No blank line at either end, and nowhere two."""
    kept: list[str] = []
    for line in (each.rstrip() for each in lines):
        if line or (kept and kept[-1]):
            kept.append(line)
    while kept and not kept[-1]:
        kept.pop()
    return kept
