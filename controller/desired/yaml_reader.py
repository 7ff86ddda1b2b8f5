"""YAML text as values with their line and column; whatever is wrong with the text is a diagnostic.

The only user of PyYAML. Its C parser only delivers events; what is built from them follows the YAML 1.2 core
schema (`no` is text, `12:30` is text), refuses duplicate keys and tags, and stops at the limits below. All text comes
in one Unicode form (NFC), in whichever form an editor or a file system saved it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from yaml import (
    AliasEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    StreamEndEvent,
    YAMLError,
)
from yaml._yaml import CParser

from controller.model.desired import Diagnostic
from controller.model.name_matching import nfc

MAX_FILE_BYTES = 8 * 1024 * 1024
MAX_DEPTH = 32
MAX_NODES = 20_000
MAX_NODES_PER_FILE = 400_000
MAX_DOCUMENTS = 20_000
MAX_DIAGNOSTICS = 500
MAX_NUMBER_LENGTH = 18
MAX_SHOWN_LENGTH = 60

_KEYWORD_VALUES = {
    "": None,
    "~": None,
    "null": None,
    "Null": None,
    "NULL": None,
    "true": True,
    "True": True,
    "TRUE": True,
    "false": False,
    "False": False,
    "FALSE": False,
}
_NUMBER_STARTS = frozenset("0123456789+-.")
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


_NO_CHILDREN: Mapping[str, Any] = MappingProxyType({})


class Position(NamedTuple):
    """Line and column, counted from 1 as in editors."""

    line: int
    column: int


class YamlNode(NamedTuple):
    """A value and its place in the file.

    value     plain: a dict, list, str, bool, int, float or None
    mark      where the value begins, in the parser's terms
    children  the values of a mapping by key; empty for all else
    items     the values of a list in order; empty for all else
    text      of a value that is no text, what the file has: `0205` where the value is 205; None for text
    keys      where each key of a mapping begins; None for all else
    """

    value: Any
    mark: Any
    children: Mapping[str, YamlNode] = _NO_CHILDREN
    keys: Mapping[str, Any] | None = None
    items: Sequence[YamlNode] = ()
    text: str | None = None

    @property
    def position(self) -> Position:
        return Position(self.mark.line + 1, self.mark.column + 1)

    @property
    def is_mapping(self) -> bool:
        return self.keys is not None

    def key_position(self, key: str) -> Position:
        """Where a key of this mapping begins; where the mapping begins when it has no such key."""
        mark = (self.keys or {}).get(key, self.mark)
        return Position(mark.line + 1, mark.column + 1)

    def get(self, *path: str) -> YamlNode | None:
        """The node at this path of keys below this one, None where there is none."""
        node = self
        for key in path:
            child = node.children.get(key)
            if child is None:
                return None
            node = child
        return node


class ParsedDocument(NamedTuple):
    """One document of a file. `is_incomplete`: some of it could not be read."""

    node: YamlNode
    is_incomplete: bool


class ParsedYaml(NamedTuple):
    """A file's documents, and what is wrong with it."""

    documents: tuple[YamlNode, ...]
    diagnostics: tuple[Diagnostic, ...]


def parse_yaml(content: bytes, file: str) -> ParsedYaml:
    """The documents of one file, empty ones left out; `file` is its name in diagnostics."""
    diagnostics: list[Diagnostic] = []
    documents = tuple(document.node for document in parse_yaml_lazily(content, file, diagnostics))
    return ParsedYaml(documents, tuple(diagnostics))


def parse_yaml_lazily(content: bytes, file: str, diagnostics: list[Diagnostic]) -> Iterator[ParsedDocument]:
    """The same one after another: of a file with thousands of documents, only one has its nodes in memory. What is
    wrong with the file is added to `diagnostics` as far as it was read."""
    diagnostic = _encoding_diagnostic(content, file)
    if diagnostic:
        diagnostics.append(diagnostic)
    else:
        yield from _Reader(content, file, diagnostics).documents()


def document_line_spans(content: bytes) -> list[tuple[int, int | None]]:
    """For each document of valid text, empty ones too: its first line, and the one after its last (None = to the end).

    Lines are counted from 0; the marks between documents (`---`, `...`) belong to none.
    """
    spans: list[tuple[int, int | None]] = []
    next_event: Callable[[], Any] = CParser(content).get_event
    while (kind := type(event := next_event())) is not StreamEndEvent:
        if kind is DocumentStartEvent:
            if spans and spans[-1][1] is None:
                spans[-1] = spans[-1][0], event.start_mark.line
            spans.append((event.end_mark.line + 1 if event.explicit else 0, None))
        elif kind is DocumentEndEvent and event.explicit:
            spans[-1] = spans[-1][0], event.start_mark.line
    return spans


def document_start_offsets(content: bytes) -> list[int]:
    """For each document of valid text, where it begins, its mark (`---`) included: in characters from the beginning."""
    next_event: Callable[[], Any] = CParser(content).get_event
    starts = []
    while (kind := type(event := next_event())) is not StreamEndEvent:
        if kind is DocumentStartEvent:
            starts.append(event.start_mark.index if event.explicit else 0)
    return starts


class ValueSpan(NamedTuple):
    """Where a value of valid text stands, in characters from the beginning of the file.

    column     of its first character, counted from 0
    is_flow    a mapping or list in brackets
    keys       of a mapping, by key: where the key begins
    children   the values of a mapping by key
    is_shared  it has an anchor, or is an alias of another: a change of its text changes something else, too
    """

    start: int
    end: int
    column: int
    is_flow: bool = False
    keys: Mapping[str, int] | None = None
    children: Mapping[str, ValueSpan] = _NO_CHILDREN
    is_shared: bool = False


def value_spans(content: bytes) -> list[ValueSpan]:
    """For each document of valid text, empty ones left out, where its values stand."""
    next_event: Callable[[], Any] = CParser(content).get_event
    found = []
    while (kind := type(next_event())) is not StreamEndEvent:
        if kind is DocumentStartEvent:
            first = next_event()
            span = _value_span(first, next_event)
            if not (type(first) is ScalarEvent and first.implicit[0] and first.value in ("", "~", "null")):
                found.append(span)
    return found


def _value_span(event: Any, next_event: Callable[[], Any]) -> ValueSpan:
    start, end, is_shared = event.start_mark, event.end_mark.index, getattr(event, "anchor", None) is not None
    if type(event) in (ScalarEvent, AliasEvent):
        return ValueSpan(start.index, end, start.column, is_shared=is_shared)
    keys: dict[str, int] = {}
    children: dict[str, ValueSpan] = {}
    is_mapping = type(event) is MappingStartEvent
    while type(inner := next_event()) not in (MappingEndEvent, SequenceEndEvent):
        key = str(getattr(inner, "value", "")) if is_mapping else str(len(children))
        keys[nfc(key)] = inner.start_mark.index
        child = children[nfc(key)] = _value_span(next_event() if is_mapping else inner, next_event)
        end = max(end, child.end)
    # In block style the end event stands at whatever comes next, behind comments and blank lines.
    end = inner.end_mark.index if event.flow_style else end
    return ValueSpan(start.index, end, start.column, bool(event.flow_style), keys, children, is_shared)


def too_large_diagnostic(file: str, size: int) -> Diagnostic:
    limit = MAX_FILE_BYTES // 1024 // 1024
    what = f"the file has {size / 1024 / 1024:.1f} MiB, more than {limit} MiB"
    return Diagnostic(file, 1, 1, what, "split it into several files")


def _encoding_diagnostic(content: bytes, file: str) -> Diagnostic | None:
    if len(content) > MAX_FILE_BYTES:
        return too_large_diagnostic(file, len(content))
    try:
        content.decode()
    except UnicodeDecodeError as error:
        return Diagnostic(file, *_position_of(content, error.start), "this is not UTF-8", "save the file as UTF-8")
    null = content.find(b"\x00")
    if null >= 0:
        return Diagnostic(file, *_position_of(content, null), "a null byte", "save the file as UTF-8 text")
    return None


def _position_of(content: bytes, offset: int) -> Position:
    line_start = content.rfind(b"\n", 0, offset) + 1
    before = content[line_start:offset].decode(errors="replace")
    return Position(content.count(b"\n", 0, offset) + 1, len(before) + 1)


class _Unreadable(Exception):
    """The rest of the file cannot be read; its diagnostic has been added."""


class _Reader:
    """Builds nodes from the events of one file."""

    def __init__(self, content: bytes, file: str, diagnostics: list[Diagnostic]) -> None:
        self.content = content
        self.file = file
        self.diagnostics = diagnostics
        self._event: Callable[[], Any] = CParser(content).get_event
        self._anchors: dict[str, tuple[YamlNode, int]] = {}
        self._documents = 0
        self._nodes = 0  # of the current document
        self._nodes_before = 0  # of the documents before it

    def documents(self) -> Iterator[ParsedDocument]:
        """The documents up to the end, or to where the file cannot be read."""
        try:
            while True:
                event = self._event()
                if type(event) is StreamEndEvent:
                    break
                if type(event) is DocumentStartEvent:
                    before = len(self.diagnostics)
                    node = self._compose_document(event)
                    if node.value is not None:
                        self._documents += 1
                        yield ParsedDocument(node, len(self.diagnostics) > before)
        except _Unreadable:
            pass
        except YAMLError as error:
            self.diagnostics.append(_syntax_diagnostic(error, self.content, self.file))

    def _compose_document(self, start: Any) -> YamlNode:
        self._anchors.clear()
        self._nodes_before += self._nodes
        self._nodes = 0
        if self._documents >= MAX_DOCUMENTS or self._nodes_before > MAX_NODES_PER_FILE:
            raise self._add_final_diagnostic(
                start, f"too much for one file after {self._documents} documents", "split it into several files"
            )
        return self._compose_node(self._event(), 0)

    def _compose_node(self, event: Any, depth: int) -> YamlNode:
        kind = type(event)
        # Nearly every event: a plain scalar, built without the calls below, which take most of the time of a load.
        if kind is ScalarEvent and event.tag is None and event.anchor is None:
            self._nodes += 1
            if self._nodes > MAX_NODES:
                self._count_nodes_or_raise(0, event)
            value = self._parse_scalar(event) if event.implicit[0] else nfc(event.value)
            if type(value) is str:
                return YamlNode(value, event.start_mark)
            return YamlNode(value, event.start_mark, text=event.value)
        self._count_nodes_or_raise(1, event)
        if kind is AliasEvent:
            return self._resolve_alias(event)
        before = self._nodes
        if event.tag is not None:
            self._add_diagnostic(event, f"the tag {event.tag!r}: manifests take no YAML tags", "remove it; quote text")
        node = self._compose_by_kind(kind, event, depth)
        if event.anchor is not None:
            self._anchors[event.anchor] = (node, self._nodes - before + 1)
        return node

    def _compose_by_kind(self, kind: type, event: Any, depth: int) -> YamlNode:
        if kind is ScalarEvent:
            return YamlNode(nfc(event.value), event.start_mark)
        if depth >= MAX_DEPTH:
            raise self._add_final_diagnostic(
                event, f"nested more than {MAX_DEPTH} levels deep", "no manifest is that deep: flatten it"
            )
        if kind is MappingStartEvent:
            return self._compose_mapping(event, depth + 1)
        return self._compose_sequence(event, depth + 1)

    def _compose_mapping(self, start: Any, depth: int) -> YamlNode:
        value: dict[str, Any] = {}
        children: dict[str, YamlNode] = {}
        keys: dict[str, Any] = {}
        next_event = self._event
        while type(event := next_event()) is not MappingEndEvent:
            key = self._parse_key(event, depth)
            child = self._compose_node(next_event(), depth)
            if key is None:
                continue
            if key in keys:
                first = f"{self.file}:{keys[key].line + 1}:{keys[key].column + 1}"
                self._add_diagnostic(event, f"the key {key!r} is here twice, first at {first}", "keep one of them")
                continue
            keys[key] = event.start_mark
            children[key] = child
            value[key] = child.value
        return YamlNode(value, start.start_mark, children, keys)

    def _parse_key(self, event: Any, depth: int) -> str | None:
        if type(event) is ScalarEvent:
            if event.tag is not None or event.anchor is not None:
                self._add_diagnostic(event, "a key with a tag or an anchor", "write the key alone")
            return nfc(str(event.value))
        self._add_diagnostic(event, "a key that is not plain text", "write keys as text")
        self._compose_node(event, depth)
        return None

    def _compose_sequence(self, start: Any, depth: int) -> YamlNode:
        children: list[YamlNode] = []
        while type(event := self._event()) is not SequenceEndEvent:
            children.append(self._compose_node(event, depth))
        return YamlNode([child.value for child in children], start.start_mark, items=children)

    def _resolve_alias(self, event: Any) -> YamlNode:
        if event.anchor not in self._anchors:
            self._add_diagnostic(event, f"*{event.anchor} names no anchor before it", "write the value out")
            return YamlNode(None, event.start_mark)
        node, size = self._anchors[event.anchor]
        self._count_nodes_or_raise(size, event)
        return node

    def _parse_scalar(self, event: Any) -> Any:
        text: str = event.value
        if text in _KEYWORD_VALUES:
            return _KEYWORD_VALUES[text]
        if text[0] not in _NUMBER_STARTS:
            return nfc(text)
        return self._parse_number(text, event)

    def _parse_number(self, text: str, event: Any) -> Any:
        if not _FLOAT.fullmatch(text) and not _INT.fullmatch(text):
            return nfc(text)
        if len(text) > MAX_NUMBER_LENGTH:
            shown = text if len(text) <= MAX_SHOWN_LENGTH else f"{text[:MAX_SHOWN_LENGTH]}..."
            self._add_diagnostic(event, f"a number of {len(text)} digits", f'quote it: "{shown}"')
            return text
        if _INT.fullmatch(text):
            return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
        return float(text.replace(".inf", "inf").replace(".nan", "nan"))

    def _count_nodes_or_raise(self, nodes: int, event: Any) -> None:
        """Count values; aliased ones each time that they are used, so that no small file expands without end."""
        self._nodes += nodes
        if self._nodes > MAX_NODES:
            raise self._add_final_diagnostic(
                event, f"a document of more than {MAX_NODES} values", "split it, and use no aliases"
            )

    def _add_diagnostic(self, event: Any, what: str, remedy: str) -> None:
        self.diagnostics.append(Diagnostic(self.file, *_position(event), what, remedy))
        if len(self.diagnostics) >= MAX_DIAGNOSTICS:
            raise self._add_final_diagnostic(
                event, f"{MAX_DIAGNOSTICS} complaints: the rest of the file was not read", "mend these"
            )

    def _add_final_diagnostic(self, event: Any, what: str, remedy: str) -> _Unreadable:
        self.diagnostics.append(Diagnostic(self.file, *_position(event), what, remedy))
        return _Unreadable()


def _position(event: Any) -> Position:
    mark = event.start_mark
    return Position(mark.line + 1, mark.column + 1)


def _syntax_diagnostic(error: YAMLError, content: bytes, file: str) -> Diagnostic:
    """What the parser says of broken YAML, with its address."""
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        position = _position_of(content, int(getattr(error, "position", 0)))
        what = getattr(error, "reason", "unreadable")
    else:
        position, what = Position(mark.line + 1, mark.column + 1), str(getattr(error, "problem", "unreadable"))
    lines = content.decode(errors="replace").splitlines()
    line = lines[position.line - 1] if position.line <= len(lines) else ""
    indent = line[: len(line) - len(line.lstrip())]
    remedy = "indent with spaces, not tabs" if "\t" in indent else "look at this line and the one before it"
    return Diagnostic(file, *position, f"not YAML: {what}", remedy)
