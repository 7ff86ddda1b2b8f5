"""Changes single values of one manifest in its file's text; every other character stays, comments and order too.

The result is read back: the one value is as wanted, nothing else is another, and no comment is lost, or there is no
result. A comment inside what is replaced stays beside its item of a list, or else moves above.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from controller.desired import yaml_reader
from controller.desired.yaml_reader import ValueSpan, YamlNode
from controller.desired.yaml_writer import block_lines, flow_text

Keys = tuple[str, ...]

_QUOTES = " \"'"
_COMMENT = re.compile(r"(?:^|(?<=\s))#.*", re.MULTILINE)


class FileEdits:
    """Changes of one file, document by document: what has not changed is not read again, however many there are."""

    def __init__(self, content: bytes) -> None:
        self.before = content
        self._documents = _split_documents(content)
        self._numbers: dict[tuple[str, str], list[int]] = {}
        for number, document in enumerate(self._documents):
            for node in yaml_reader.parse_yaml(document, "").documents:
                if node.is_mapping and (named := node.get("metadata", "name")) is not None:
                    self._numbers.setdefault((str(node.value.get("kind")), str(named.value)), []).append(number)

    @property
    def content(self) -> bytes:
        """The file as it is to be."""
        return b"".join(self._documents)

    def edit(self, kind: str, name: str, change: Callable[[bytes], bytes | None]) -> bool:
        """Whether the one document of that kind and name was changed. `change`: its new text; None where it cannot."""
        numbers = self._numbers.get((kind, name), [])
        if len(numbers) != 1:
            return False
        after = change(self._documents[numbers[0]])
        if after is None:
            return False
        # Whatever follows begins on a line of its own.
        is_last = numbers[0] + 1 == len(self._documents)
        self._documents[numbers[0]] = after if is_last or after.endswith(b"\n") else after + b"\n"
        return True


def _split_documents(content: bytes) -> list[bytes]:
    """The documents of a file, each with the mark before it; together they are the file."""
    text = content.decode()
    # What stands before a byte order mark's end is no part of the parser's count.
    offset = 1 if text.startswith("\ufeff") else 0
    starts = [start + offset for start in yaml_reader.document_start_offsets(content)[1:]]
    return [text[start:end].encode() for start, end in pairwise([0, *starts, len(text)])]


def set_value(
    content: bytes, kind: str, name: str, keys: Keys, value: Any, comment: tuple[str, str] | None = None
) -> bytes | None:
    """The file with this value at these keys of the manifest; None where that cannot be written.

    value    plain: a dict, list, str, bool, int or None
    comment  a comment beside the value that says just the first becomes the second: it names what the value meant
    """
    read = yaml_reader.parse_yaml(content, "")
    index = _document_index(read.documents, kind, name)
    if read.diagnostics or index is None:
        return None
    text = content.decode()
    # What stands before a byte order mark's end is no part of the parser's count.
    start = 1 if text.startswith("\ufeff") else 0
    edited = _edit_text(text[start:], yaml_reader.value_spans(content)[index], keys, value, comment)
    if edited is None:
        return None
    if "\n" not in text.replace("\r\n", ""):
        edited = edited.replace("\r\n", "\n").replace("\n", "\r\n")
    result = (text[:start] + edited).encode()
    if not _reads_as_intended(result, read.documents, index, keys, value):
        return None
    lost = _count_comments(text[start:], content) - _count_comments(edited, result)
    return result if not lost or (comment and set(lost) == {f"# {comment[0]}"}) else None


def _document_index(documents: Sequence[YamlNode], kind: str, name: str) -> int | None:
    found = [
        index
        for index, node in enumerate(documents)
        if node.is_mapping
        and node.value.get("kind") == kind
        and (named := node.get("metadata", "name")) is not None
        and named.value == name
    ]
    return found[0] if len(found) == 1 else None


def _edit_text(text: str, span: ValueSpan, keys: Keys, value: Any, comment: tuple[str, str] | None) -> str | None:
    """The text with the value in place of the old one, or as a new entry of the deepest mapping that is there."""
    for depth, key in enumerate(keys):
        if span.is_shared:
            return None
        if span.keys is None:  # nothing, or null, where a mapping is to be
            return _replace_span(text, span, _nest_under_keys(keys[depth:], value))
        if key not in span.children:
            return _with_entry(text, span, key, _nest_under_keys(keys[depth + 1 :], value))
        span = span.children[key]
    if span.is_shared:
        return None
    replaced = _replace_span(text, span, value)
    return _update_comment(replaced, text, span, comment) if replaced is not None and comment else replaced


def _nest_under_keys(keys: Keys, value: Any) -> Any:
    for key in reversed(keys):
        value = {key: value}
    return value


def _replace_span(text: str, span: ValueSpan, value: Any) -> str | None:
    end = span.start + len(text[span.start : span.end].rstrip())
    new = flow_text(value)
    if span.keys is not None and not span.is_flow:
        # In block style it has lines of its own, and keeps them where its new value is of the same kind.
        is_list = text[span.start] == "-"
        if isinstance(value, dict) and len(value) == 1 and not is_list:
            new = new[1:-1]
        elif isinstance(value, list) and value and is_list:
            new = ("\n" + " " * span.column).join(_item_lines(text, span, end, value))
        else:
            return None
    elif span.start == end and text[span.start - 1 : span.start] == ":":
        new = f" {new}"
    line = text.rfind("\n", 0, span.start) + 1
    before = text[line : span.start]
    indent = before[: len(before) - len(before.lstrip())]
    lost = Counter(_comments_in_span(text, span, end)) - Counter(found.rstrip() for found in _COMMENT.findall(new))
    above = "".join(f"{indent}{each}\n" for each in lost.elements())
    return text[:line] + above + before + new + text[end:]


def _item_lines(text: str, span: ValueSpan, end: int, value: Sequence[Any]) -> Iterator[str]:
    """The items of a list in block style, each with the comment that it has beside it; not the last, it is behind."""
    beside: dict[str, str] = {}
    for item in span.children.values():
        rest, _, _ = text[item.end : max(item.end, end)].partition("\n")
        beside[text[item.start : item.end].strip(_QUOTES)] = rest.rstrip()
    for item in value[:-1]:
        yield f"- {flow_text(item)}{beside.get(flow_text(item).strip(_QUOTES), '')}"
    yield f"- {flow_text(value[-1])}"


def _comments_in_span(text: str, span: ValueSpan, end: int) -> Iterator[str]:
    """The comments in the lines of a value, up to `end`; what has a # in it and is text is none."""
    masked = list(text[span.start : end])
    for leaf in _leaves(span):
        masked[leaf.start - span.start : leaf.end - span.start] = "x" * (min(leaf.end, end) - leaf.start)
    for found in _COMMENT.finditer("".join(masked)):
        yield text[span.start + found.start() : span.start + found.end()].rstrip()


def _leaves(span: ValueSpan) -> Iterator[ValueSpan]:
    if span.keys is None:
        yield span
    for child in span.children.values():
        yield from _leaves(child)


def _count_comments(text: str, content: bytes) -> Counter[str]:
    """Every comment of the file."""
    documents = {str(number): span for number, span in enumerate(yaml_reader.value_spans(content))}
    return Counter(_comments_in_span(text, ValueSpan(0, len(text), 0, False, {}, documents), len(text)))


def _with_entry(text: str, span: ValueSpan, key: str, value: Any) -> str:
    last = max((child.end for child in span.children.values()), default=span.start + 1)
    last = span.start + len(text[span.start : last].rstrip()) if span.children else last
    if span.is_flow:
        entry = f"{flow_text(key)}: {flow_text(value)}"
        return text[:last] + (f", {entry}" if span.children else entry) + text[last:]
    end_of_line = text.find("\n", last)
    lines = "".join(f"{line}\n" for line in block_lines(key, value, span.column))
    if end_of_line < 0:
        return f"{text}\n{lines}"
    if text[end_of_line - 1] == "\r":
        lines = lines.replace("\n", "\r\n")
    return text[: end_of_line + 1] + lines + text[end_of_line + 1 :]


def _update_comment(replaced: str, text: str, span: ValueSpan, comment: tuple[str, str]) -> str:
    """With the comment on the value's line changed, where it says just what the value meant before."""
    end = span.start + len(text[span.start : span.end].rstrip()) + len(replaced) - len(text)
    rest, _, _ = replaced[end:].partition("\n")
    before, new = comment
    if rest.strip() != f"# {before}":
        return replaced
    return replaced[:end] + rest.replace(f"# {before}", f"# {new}") + replaced[end + len(rest) :]


def _reads_as_intended(content: bytes, before: Sequence[YamlNode], index: int, keys: Keys, value: Any) -> bool:
    read = yaml_reader.parse_yaml(content, "")
    intended = [node.value for node in before]
    intended[index] = _with_value_at(intended[index], keys, value)
    return not read.diagnostics and [node.value for node in read.documents] == intended


def _with_value_at(tree: Any, keys: Keys, value: Any) -> Any:
    if not keys:
        return value
    below: Mapping[str, Any] = tree if isinstance(tree, dict) else {}
    return {**below, keys[0]: _with_value_at(below.get(keys[0]), keys[1:], value)}
