"""Label selectors, in kubectl's grammar: `a=b`, `a==b`, `a!=b`, `a in (b,c)`, `a notin (b)`, `a`, `!a`, and commas."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import NoReturn

from controller.model.errors import UsageError

_TOKEN = re.compile(r"\s*(?:(?P<sign>==|!=|[=!(),])|(?P<word>[A-Za-z0-9][-A-Za-z0-9_./]*))")


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition on a label. `values` None: it has to exist (or not to, `negated`); else one of them (or none).

    As in Kubernetes, a negated condition holds for a merchant that does not bear the label at all.
    """

    key: str
    values: frozenset[str] | None
    negated: bool

    def holds(self, labels: Mapping[str, str]) -> bool:
        present = self.key in labels and (self.values is None or labels[self.key] in self.values)
        return present is not self.negated


def matches(selector: str, labels: Mapping[str, str]) -> bool:
    """Whether a merchant of these labels is selected. An empty selector selects all. Raises UsageError as `parse`."""
    return all(requirement.holds(labels) for requirement in parse(selector))


@lru_cache(maxsize=256)
def parse(selector: str) -> tuple[Requirement, ...]:
    """The conditions of a selector, all of which must hold. Raises UsageError that points at what is wrong."""
    if not selector.strip():
        return ()
    reading = _Reading(selector)
    found = [_requirement(reading)]
    while reading.next(",", "the end or a comma"):
        found.append(_requirement(reading))
    return tuple(found)


class _Reading:
    """A selector and how far it has been read."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def peek(self) -> str:
        """The next token, "" at the end."""
        match = _TOKEN.match(self.text, self.at)
        if match:
            return match["sign"] or match["word"]
        return "" if not self.text[self.at :].strip() else self.wrong("a label, a sign or a comma")

    def take(self) -> str:
        token = self.peek()
        match = _TOKEN.match(self.text, self.at)
        self.at = match.end() if match else len(self.text)
        return token

    def next(self, sign: str, expected: str) -> bool:
        """Takes `sign`; False at the end of the text. Anything else is wrong."""
        token = self.peek()
        if token == sign:
            self.take()
        elif token:
            self.wrong(expected)
        return bool(token)

    def word(self, expected: str) -> str:
        token = self.peek()
        if not token or not token[0].isalnum():
            self.wrong(expected)
        return self.take()

    def wrong(self, expected: str) -> NoReturn:
        rest = self.text[self.at :]
        pointer = " " * (self.at + len(rest) - len(rest.lstrip())) + "^"
        what = f"bad selector: expected {expected} here\n  {self.text}\n  {pointer}"
        raise UsageError(f"{what}\nwrite it like -l 'tier=gold,country in (gb,ie)'")


def _requirement(reading: _Reading) -> Requirement:
    if reading.peek() == "!":
        reading.take()
        return Requirement(reading.word("a label"), None, negated=True)
    key = reading.word("a label")
    operator = reading.peek()
    if operator in ("", ","):
        return Requirement(key, None, negated=False)
    if operator not in ("=", "==", "!=", "in", "notin"):
        reading.wrong("=, ==, !=, in, notin or a comma")
    reading.take()
    values = _values(reading) if operator in ("in", "notin") else frozenset({_value(reading)})
    return Requirement(key, values, negated=operator in ("!=", "notin"))


def _value(reading: _Reading) -> str:
    """A value may be empty: `a=` selects an empty label, as in kubectl."""
    return "" if reading.peek() in ("", ",") else reading.word("a value")


def _values(reading: _Reading) -> frozenset[str]:
    if not reading.next("(", "("):
        reading.wrong("(")
    values = {reading.word("a value")}
    while reading.peek() == ",":
        reading.take()
        values.add(reading.word("a value"))
    if not reading.next(")", "a comma or )"):
        reading.wrong("a comma or )")
    return frozenset(values)
