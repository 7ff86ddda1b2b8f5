"""What a reference that leads nowhere may have meant: the options of a merchant's own books that resemble it. Pure.

a name: equal but for case, width, accents, spacing  ▶  for its parent or a mark like (old)  ▶  by words  ▶  by spelling
a code: equal but for leading zeros                  ▶  what begins with it                  ▶  what it begins with

Options that resemble it less than MIN_SIMILARITY are not suggested at all: the first three accounts of a chart are no
answer.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from controller.model.field_values import Option, Ref

MAX_SUGGESTIONS = 3
MIN_SIMILARITY = 0.42
"""From 0 to 1: an option that resembles a reference less has nothing to do with it."""

_MIN_SHARE_OF_BEST = 0.6
"""Beside the best option, those are suggested whose score is at least this share of the best score."""

_IN_BRACKETS = re.compile(r"\([^()]*\)|\[[^][]*\]")
_MARKS = frozenset(
    [
        "old",
        "new",
        "alt",
        "neu",
        "ancien",
        "ancienne",
        "nouveau",
        "nouvelle",
        "archived",
        "archive",
        "archivé",
        "inactive",
        "obsolete",
        "closed",
        "deprecated",
        "zz",
        "zzz",
        "旧",
        "新",
    ]
)
"""Words with which people mark an account, and which are no part of its name."""

_LETTERS_WITHOUT_ACCENT = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ı": "i", "æ": "ae", "œ": "oe", "ð": "d", "þ": "th"}
)
_UMLAUTS_WRITTEN_OUT = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa"})
_MACHINE_MADE = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{20,}|[0-9]{5,}", re.IGNORECASE)


def suggest_options(
    ref: Ref,
    options: Sequence[Option],
    other_names: Sequence[str] = (),
    selected: Option | None = None,
    max_suggestions: int = MAX_SUGGESTIONS,
) -> tuple[Option, ...]:
    """The options that resemble a reference most, the best first; none where none does.

    other_names  further names of what was meant: as recorded, or as the books have it of a record that is gone
    selected     what is selected now; of options with the same score it goes first
    """
    rarity = _word_rarity(tuple(option.name or "" for option in options))
    scored = [(_score(ref, option, other_names, rarity), option) for option in options]
    best_score = max((score for score, _ in scored), default=0.0)
    if best_score < MIN_SIMILARITY:
        return ()
    min_score = max(MIN_SIMILARITY, best_score * _MIN_SHARE_OF_BEST)

    def order(scored_option: tuple[float, Option]) -> tuple[float, bool, str, int]:
        score, option = scored_option
        is_selected = selected is not None and option.id == selected.id
        code = (option.code or "") if ref.by == "code" else ""
        return -round(score, 6), not is_selected, code, len(option.name or "")

    similar = sorted(((score, option) for score, option in scored if score >= min_score), key=order)
    return tuple(option for _, option in similar[:max_suggestions])


class _Rarity(NamedTuple):
    """How much a word distinguishes names in one chart: «account» in every other name says little.

    weights  by word, 0 to 1
    unknown  the weight of a word that no name has
    """

    weights: dict[str, float]
    unknown: float

    def weight_of(self, word: str) -> float:
        return self.weights.get(word, self.unknown)


@lru_cache(maxsize=64)
def _word_rarity(names: tuple[str, ...]) -> _Rarity:
    """Inverse document frequency of each word, scaled so that a word of a single name weighs nearly 1."""
    counts = Counter(word for name in names for word in frozenset(_normalize_name(name).words))
    scale = math.log(2 + len(names))
    return _Rarity({word: math.log((2 + len(names)) / count) / scale for word, count in counts.items()}, 1.0)


def _score(ref: Ref, option: Option, other_names: Sequence[str], rarity: _Rarity) -> float:
    """From 0 to 1, the best of every way in which the option resembles what was meant."""
    by_other_name = (0.95 * _name_similarity(name, option.name, rarity) for name in other_names if name and option.name)
    return max((*_scores_by_key(ref, option, rarity), *by_other_name), default=0.0)


def _scores_by_key(ref: Ref, option: Option, rarity: _Rarity) -> Iterator[float]:
    """By the reference's own key, and as if the same text had been meant for another key, which counts less."""
    text, name, code = ref.value, option.name or "", option.code or ""
    if ref.by == "name":
        yield _name_similarity(text, name, rarity)
        yield _score_as_code_or_id(text, option)
        return
    if ref.by == "code":
        yield _code_similarity(_normalize_code(text), _normalize_code(code))
    elif not _MACHINE_MADE.fullmatch(text):
        yield _name_similarity(text, option.id, rarity)
    similarity = _name_similarity(text, name, rarity)
    yield 0.9 * similarity if similarity >= _EQUAL_BUT_FOR_MARKS else 0.0
    yield _score_as_code_or_id(text, option)


# Codes --------------------------------------------------------------------------------------------------


def _normalize_code(text: str) -> str:
    """Empty where the text has neither letters nor digits: such a one is equal to none."""
    return _normalize_name(text).plain.replace(" ", "")


def _score_as_code_or_id(text: str, option: Option) -> float:
    code = _normalize_code(text)
    return 0.9 if code and code in (_normalize_code(option.code or ""), _normalize_code(option.id)) else 0.0


def _code_similarity(asked: str, code: str) -> float:
    """From 0 to 1, for normalized codes."""
    if not asked or not code:
        return 0.0
    # Account numbers are built from the left: those that begin alike are of one kind, those spelt alike are not.
    if asked == code:
        return 1.0
    if asked.lstrip("0") == code.lstrip("0"):
        return 0.98
    shorter = min(len(asked), len(code))
    if shorter >= 2 and code.startswith(asked):
        return max(0.5, 0.9 - 0.02 * (len(code) - len(asked)))
    if shorter >= 2 and asked.startswith(code):
        return max(0.5, 0.8 - 0.05 * (len(asked) - len(code)))
    equal_length = next((i for i in range(shorter) if asked[i] != code[i]), shorter)
    return 0.5 if shorter == max(len(asked), len(code)) >= 4 and equal_length >= shorter - 1 else 0.0


# Names --------------------------------------------------------------------------------------------------


_EQUAL_BUT_FOR_MARKS = 0.95
_MIN_SPELLING_SIMILARITY = 0.65
"""What a typing error leaves equal; below that, two names merely share a word or an ending."""


class _NormalizedName(NamedTuple):
    """A name in the forms in which it is compared.

    plain            without case, width, accents and punctuation
    written_out      the same, umlauts written out: ä as ae
    unmarked         without marks like (old), with and without the parents before a colon
    words            of `plain`
    character_pairs  pairs of neighbouring characters of `plain`, spaces left out
    """

    plain: str
    written_out: str
    unmarked: frozenset[str]
    words: tuple[str, ...]
    character_pairs: frozenset[str]


@lru_cache(maxsize=20_000)
def _normalize_name(text: str) -> _NormalizedName:
    folded = unicodedata.normalize("NFC", unicodedata.normalize("NFKC", text).casefold())
    plain, written_out = _plain_letters(folded), _plain_letters(folded.translate(_UMLAUTS_WRITTEN_OUT))
    without_parents = re.split(r"\s*[:>]\s*", folded)[-1]
    unmarked = frozenset(filter(None, (_without_marks(folded), _without_marks(without_parents))))
    joined = plain.replace(" ", "")
    pairs = frozenset(joined[i : i + 2] for i in range(len(joined) - 1)) or frozenset({joined})
    return _NormalizedName(plain, written_out, unmarked or frozenset({plain}), tuple(plain.split()), pairs)


def _plain_letters(folded: str) -> str:
    """Letters without accents, digits and %, words separated by one space."""
    decomposed = unicodedata.normalize("NFKD", folded)
    unaccented = "".join(char for char in decomposed if not unicodedata.combining(char))
    return " ".join(re.sub(r"[^\w%]+|_", " ", unaccented.translate(_LETTERS_WITHOUT_ACCENT)).split())


def _without_marks(folded: str) -> str:
    words = _plain_letters(_IN_BRACKETS.sub(" ", folded)).split() or _plain_letters(folded).split()
    return " ".join(word for word in words if word not in _MARKS)


def _name_similarity(searched: str, name: str, rarity: _Rarity) -> float:
    """From 0 to 1."""
    one, other = _normalize_name(searched), _normalize_name(name)
    if not (one.plain and other.plain):
        return 0.0
    if one.plain in (other.plain, other.written_out) or one.written_out == other.plain:
        return 1.0
    if one.unmarked & other.unmarked:
        return _EQUAL_BUT_FOR_MARKS
    spelling = _dice_coefficient(one.character_pairs, other.character_pairs)
    return 0.9 * max(
        _similarity_by_words(one, other, rarity), spelling if spelling >= _MIN_SPELLING_SIMILARITY else 0.0
    )


def _similarity_by_words(searched: _NormalizedName, name: _NormalizedName, rarity: _Rarity) -> float:
    """From 0 to 1: mostly how much of the searched words is in the name, then how much of the name was searched."""

    def best_match(word: str, words: Sequence[str]) -> float:
        return max(_word_similarity(word, other) for other in words)

    total_weight = sum(rarity.weight_of(word) for word in searched.words)
    if not total_weight:
        return 0.0
    found_weight = sum(rarity.weight_of(word) * best_match(word, name.words) for word in searched.words)
    precision = sum(best_match(word, searched.words) for word in name.words) / len(name.words)
    same_start = 0.05 if _word_similarity(searched.words[0], name.words[0]) >= 0.9 else 0.0
    return min(1.0, 0.75 * found_weight / total_weight + 0.2 * precision + same_start)


def _word_similarity(one: str, other: str) -> float:
    if one == other:
        return 1.0
    if min(len(one), len(other)) >= 3 and (one.startswith(other) or other.startswith(one)):
        return 0.9 if abs(len(one) - len(other)) <= 2 else 0.6
    if one[0] != other[0] or min(len(one), len(other)) < 4 or one.isdigit():
        return 0.0
    similarity = _dice_coefficient(_normalize_name(one).character_pairs, _normalize_name(other).character_pairs)
    return similarity if similarity >= 0.6 else 0.0


def _dice_coefficient(one: frozenset[str], other: frozenset[str]) -> float:
    """The share of elements that both have, from 0 to 1."""
    return 2 * len(one & other) / (len(one) + len(other))
