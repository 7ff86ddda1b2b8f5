"""The records in a JSON or NDJSON text of any length, one after the other.

    {"orders": [{…}, {…}], "payments": […]}     a document: lists of records by type
    {…}                                         a record of the type that the caller knows, on a line of its own
    [{…}, {…}]                                  a list of those

A text is any number of these, one after the other. Only a few million characters of it are held at a time.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from json import JSONDecodeError
from typing import Any, NoReturn

from controller.model.commerce_records import COMMERCE_DATA_TYPES
from controller.quick_dataclasses import dataclass

CHUNK = 1 << 20
"""Characters read at a time."""

MAX_VALUE = 16 << 20
"""Characters in one record, at most."""

CONTRACT_VERSION = "contractVersion"
_DOCUMENT_BEGINS = re.compile(rf'\{{\s*"(?:{"|".join((*COMMERCE_DATA_TYPES, CONTRACT_VERSION))})"\s*:')
_SPACE = re.compile(r"[ \t\r\n]*")


class InvalidJson(Exception):
    """What is no JSON, or not of a form that is read here. `line`: where, from 1."""

    def __init__(self, line: int, why: str) -> None:
        super().__init__(why)
        self.line, self.why = line, why


@dataclass(frozen=True, slots=True)
class FoundRecord:
    """A value where a record is expected.

    place  `orders[3]` in a document, else `line 17`
    key    the list it stands in; None outside of a document
    """

    place: str
    key: str | None
    value: Any


@dataclass(frozen=True, slots=True)
class FoundVersion:
    """A document's `contractVersion`."""

    value: Any


@dataclass(frozen=True, slots=True)
class FoundEmptyList:
    """A document's list that has no records: there are none of the type `key`."""

    key: str


Found = FoundRecord | FoundVersion | FoundEmptyList


def read_values(read: Callable[[int], str]) -> Iterator[Found]:
    """The values of a text that `read(characters)` gives in portions. Raises InvalidJson at the first that is none."""
    text = _TextReader(read)
    while character := text.peek():
        if character == "[":
            for value in _read_elements(text):
                yield FoundRecord(f"line {text.line}", None, value)
        elif character == "{":
            yield from _read_object(text)
        else:
            yield FoundRecord(f"line {text.line}", None, text.read_value())


def _read_object(text: _TextReader) -> Iterator[Found]:
    """A record or a document; of a document that is too long to be held, member by member."""
    line, value = text.line, text.read_value_if_buffered()
    if value is None and text.begins_document():
        yield from _read_document_by_member(text)
        return
    if value is None:
        value = text.read_value()
    if not _is_document(value):
        yield FoundRecord(f"line {line}", None, value)
    else:
        for key, member in value.items():
            yield from _found_in_member(text, key, member)


def _is_document(value: dict[str, Any]) -> bool:
    """An order has `payments`, too, but a document has no id."""
    return "id" not in value and any(key in value for key in (*COMMERCE_DATA_TYPES, CONTRACT_VERSION))


def _found_in_member(text: _TextReader, key: str, value: Any) -> Iterator[Found]:
    if key == CONTRACT_VERSION:
        yield FoundVersion(value)
    elif key not in COMMERCE_DATA_TYPES:
        text.fail(f"{key}: unknown; known are {', '.join(COMMERCE_DATA_TYPES)} and {CONTRACT_VERSION}")
    elif value is not None and not isinstance(value, list):
        text.fail(f"{key}: a list of records is expected")
    elif value == []:
        yield FoundEmptyList(key)
    else:
        for index, record in enumerate(value or ()):
            yield FoundRecord(f"{key}[{index}]", key, record)


def _read_document_by_member(text: _TextReader) -> Iterator[Found]:
    text.expect("{")
    while text.peek() != "}":
        key = text.read_value()
        if not isinstance(key, str):
            text.fail("a name in quotes is expected")
        text.expect(":")
        if key in COMMERCE_DATA_TYPES and text.peek() == "[":
            for index, record in enumerate(_read_elements(text)):
                yield FoundRecord(f"{key}[{index}]", key, record)
        else:
            yield from _found_in_member(text, key, text.read_value())
        text.skip_separator(",", "}")
    text.expect("}")


def _read_elements(text: _TextReader) -> Iterator[Any]:
    text.expect("[")
    while text.peek() != "]":
        yield text.read_value()
        text.skip_separator(",", "]")
    text.expect("]")


def _refuse_constant(word: str) -> NoReturn:
    raise JSONDecodeError(f"{word} is no number in JSON", word, 0)


class _TextReader:
    """The text from where it is read on. `line`: of the last value that was read, or of what comes next."""

    def __init__(self, read: Callable[[int], str]) -> None:
        self._read = read
        self._buffer, self._position, self._counted = "", 0, 0
        self._is_at_end = False
        self._decode = json.JSONDecoder(parse_constant=_refuse_constant).raw_decode
        self.line = 1

    def peek(self) -> str:
        """The next character that is no space; empty at the end."""
        while True:
            found = _SPACE.match(self._buffer, self._position)
            assert found is not None, "it matches nothing, too"
            self._position = found.end()
            if self._position < len(self._buffer):
                self._count_lines(self._position)
                return self._buffer[self._position]
            if not self._fill(CHUNK):
                return ""

    def expect(self, character: str) -> None:
        found = self.peek()
        if found != character:
            self.fail(f"{character} is expected instead of {found or 'the end'}")
        self._position += 1

    def skip_separator(self, separator: str, end: str) -> None:
        """Passes a separator, and stays before an end."""
        found = self.peek()
        if found == separator:
            self._position += 1
            if self.peek() == end:
                self.fail(f"something is expected between {separator} and {end}")
        elif found != end:
            self.fail(f"{separator} or {end} is expected instead of {found or 'the end'}")

    def read_value(self) -> Any:
        """The next value, whole. Raises InvalidJson."""
        size = CHUNK
        self.peek()
        while True:
            try:
                value, end = self._decode(self._buffer, self._position)
                # A number at the end of the buffer may go on behind it.
                if end < len(self._buffer) or self._is_at_end:
                    self._position = end
                    return value
                problem = "it does not end"
            except JSONDecodeError as error:
                problem = error.msg
                if self._is_at_end:
                    self._count_lines(max(self._position, min(error.pos, len(self._buffer))))
            except RecursionError:
                self.fail("it is nested too deep")
            except ValueError:  # Python's own limit on the digits of an integer
                self.fail("it has a number of too many digits")
            if len(self._buffer) - self._position > MAX_VALUE:
                self.fail(f"{problem}; or one value has more than {MAX_VALUE:,} characters")
            if self._is_at_end:
                self.fail(problem)
            self._fill(size)
            # A value that is longer is decoded from its beginning each time: doubled, that stays cheap.
            size *= 2

    def read_value_if_buffered(self) -> Any:
        """The next value where it is held already, or after one more portion; None where it is longer."""
        for attempt in range(2):
            try:
                value, self._position = self._decode(self._buffer, self._position)
                return value
            except JSONDecodeError:
                if attempt or not self._fill(CHUNK):
                    return None
            except RecursionError:
                self.fail("it is nested too deep")
            except ValueError:  # Python's own limit on the digits of an integer
                self.fail("it has a number of too many digits")
        return None

    def begins_document(self) -> bool:
        """Whether the next value is an object whose first member only a document has."""
        return _DOCUMENT_BEGINS.match(self._buffer, self._position) is not None

    def fail(self, why: str) -> NoReturn:
        raise InvalidJson(self.line, why)

    def _fill(self, size: int) -> bool:
        """Takes another portion, and lets go of what was read; False at the end of the text."""
        self._count_lines(self._position)
        more = "" if self._is_at_end else self._read(size)
        self._is_at_end = not more
        if more:
            self._buffer, self._position, self._counted = self._buffer[self._position :] + more, 0, 0
        return bool(more)

    def _count_lines(self, until: int) -> None:
        if until > self._counted:
            self.line += self._buffer.count("\n", self._counted, until)
            self._counted = until
