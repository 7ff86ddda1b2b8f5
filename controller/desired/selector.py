"""Label selectors, in kubectl's grammar: `a=b`, `a==b`, `a!=b`, `a in (b,c)`, `a notin (b)`, `a`, `!a`, and commas."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from functools import lru_cache
from typing import NoReturn

from controller.model.errors import UsageError
from controller.quick_dataclasses import dataclass

_TOKEN = re.compile(r"\s*(?:(?P<sign>==|!=|[=!(),])|(?P<word>[A-Za-z0-9][-A-Za-z0-9_./]*))")


@dataclass(frozen=True, slots=True)
class LabelRequirement:
    """One condition on a label: that it exists (`values` None), or has one of the values; `negated`: the contrary.

    As in Kubernetes, a negated condition holds for a merchant without the label.
    """

    key: str
    values: frozenset[str] | None
    negated: bool

    def is_met_by(self, labels: Mapping[str, str]) -> bool:
        present = self.key in labels and (self.values is None or labels[self.key] in self.values)
        return present is not self.negated


def matches_selector(selector: str, labels: Mapping[str, str]) -> bool:
    """Whether a merchant with these labels is selected; an empty selector selects all. UsageError for a bad one."""
    return all(requirement.is_met_by(labels) for requirement in parse_selector(selector))


def require_any_match(selector: str, labels: Collection[Mapping[str, str]], selector_as_typed: str) -> None:
    """UsageError where the selector selects none of these merchants; it tells the most similar labels that they have.

    `selector_as_typed` is the selector as the command line had it: `--wave tier=canray`.
    """
    if not any(matches_selector(selector, merchant_labels) for merchant_labels in labels):
        raise UsageError(
            f"{selector_as_typed} matches no merchant{_suggest_labels(selector, labels)}. Nothing was done."
        )


def _suggest_labels(selector: str, labels: Collection[Mapping[str, str]]) -> str:
    """Labels that merchants have, for the first condition that none of them meets: `; the nearest: tier=canary`."""
    for requirement in parse_selector(selector):
        if requirement.negated or any(map(requirement.is_met_by, labels)):
            continue
        key = requirement.key
        values = sorted({merchant_labels[key] for merchant_labels in labels if key in merchant_labels})
        if values:
            required = sorted(requirement.values or ())[:1]
            nearest = (get_close_matches(required[0], values) if required else []) or values
            return f"; the nearest: {', '.join(f'{key}={value}' for value in nearest[:3])}"
        keys = sorted({other for merchant_labels in labels for other in merchant_labels})
        nearest = get_close_matches(key, keys) or keys
        hint = f"the nearest: {', '.join(nearest[:3])}" if nearest else "no merchant bears any label"
        return f"; no merchant bears the label {key!r}; {hint}"
    return ""


@lru_cache(maxsize=256)
def parse_selector(selector: str) -> tuple[LabelRequirement, ...]:
    """The conditions of a selector, all of which must hold. UsageError points at what is wrong."""
    if not selector.strip():
        return ()
    tokens = _Tokenizer(selector)
    requirements = [_parse_requirement(tokens)]
    while tokens.take_sign(",", "the end or a comma"):
        requirements.append(_parse_requirement(tokens))
    return tuple(requirements)


class _Tokenizer:
    """The tokens of a selector, one after another; `offset` is how far it has been read."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.offset = 0

    def peek(self) -> str:
        """The next token, "" at the end."""
        match = _TOKEN.match(self.text, self.offset)
        if match:
            return match["sign"] or match["word"]
        return "" if not self.text[self.offset :].strip() else self.fail("a label, a sign or a comma")

    def take(self) -> str:
        token = self.peek()
        match = _TOKEN.match(self.text, self.offset)
        self.offset = match.end() if match else len(self.text)
        return token

    def take_sign(self, sign: str, expected: str) -> bool:
        """Take this sign; False at the end of the text, UsageError for anything else."""
        token = self.peek()
        if token == sign:
            self.take()
        elif token:
            self.fail(expected)
        return bool(token)

    def take_word(self, expected: str) -> str:
        token = self.peek()
        if not token or not token[0].isalnum():
            self.fail(expected)
        return self.take()

    def fail(self, expected: str) -> NoReturn:
        rest = self.text[self.offset :].lstrip()
        read = self.text[: len(self.text) - len(rest)]
        raise UsageError(
            f"bad selector: expected {expected} here: {read}>>>{rest}; write it like -l 'tier=gold,country in (gb,ie)'"
        )


def _parse_requirement(tokens: _Tokenizer) -> LabelRequirement:
    if tokens.peek() == "!":
        tokens.take()
        return LabelRequirement(tokens.take_word("a label"), None, negated=True)
    key = tokens.take_word("a label")
    operator = tokens.peek()
    if operator in ("", ","):
        return LabelRequirement(key, None, negated=False)
    if operator not in ("=", "==", "!=", "in", "notin"):
        tokens.fail("=, ==, !=, in, notin or a comma")
    tokens.take()
    if operator in ("in", "notin"):
        values = _parse_values(tokens)
    elif tokens.peek() in ("", ","):  # `a=` selects an empty label, as in kubectl
        values = frozenset({""})
    else:
        values = frozenset({tokens.take_word("a value")})
    return LabelRequirement(key, values, negated=operator in ("!=", "notin"))


def _parse_values(tokens: _Tokenizer) -> frozenset[str]:
    if not tokens.take_sign("(", "("):
        tokens.fail("(")
    values = {tokens.take_word("a value")}
    while tokens.peek() == ",":
        tokens.take()
        values.add(tokens.take_word("a value"))
    if not tokens.take_sign(")", "a comma or )"):
        tokens.fail("a comma or )")
    return frozenset(values)
