"""Names: of companies, as Codat stores them, and as people read them.

Text is compared in one Unicode form (NFC): an editor that stores letters and accents apart renames nobody.

normalize_company_name  what Codat keeps of a company's name
company_name_key        equal for two spellings of one company's name: Codat may trim it and join spaces
similarity_key          equal for two names that a reader takes for one; `name_difference` says how they differ
find_invisible_flaw     what is in a name that nobody sees and nobody means
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection
from fnmatch import fnmatchcase

_REMOVED_BY_CODAT = re.compile(r"[^A-Za-z0-9\s\-'&@.,?!]", re.ASCII)
_SPACES = re.compile(r"\s+", re.ASCII)
_BLANK_LETTERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""Letters and signs, by their Unicode category, that show nothing or a gap on the screen."""


def nfc(text: str) -> str:
    """The text in NFC: `e` and a combining acute become `é`."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def normalize_company_name(name: str) -> str:
    """The name without the characters that Codat silently removes (API notes 3.1); may be empty.

    Nothing is trimmed or collapsed: Codat is not known to do either. Letters and white space are those of ASCII. Two
    names of which the same is left are one company.
    """
    return _REMOVED_BY_CODAT.sub("", nfc(name))


def company_name_key(name: str) -> str:
    """The key by which companies are found; whether Codat trims names and joins spaces is not known (API notes 3.1)."""
    return _SPACES.sub(" ", nfc(name)).strip(" ")


def loses_many_letters(name: str) -> bool:
    """Whether Codat removes more than a quarter of a name's letters, so that a reader may not recognise it."""
    if name.isascii():
        return False
    letters = [character for character in nfc(name) if character.isalnum()]
    return sum(not letter.isascii() for letter in letters) * 4 > len(letters)


def match_names_by_glob(pattern: str, names: Collection[str]) -> frozenset[str]:
    """The names that a target means: the one that equals it, else those that it matches as a shell glob.

    `shop[1]` is a valid name and also a glob for `shop1`: the merchant with that very name is meant.
    """
    if pattern in names:
        return frozenset({pattern})
    return frozenset(name for name in names if fnmatchcase(name, pattern))


# Invisible characters -----------------------------------------------------------------------------------


def describe_character(character: str) -> str:
    """`a NO-BREAK SPACE (U+00A0)`"""
    name = unicodedata.name(character, "CONTROL CHARACTER")
    return f"{'an' if name[0] in 'AEIOU' else 'a'} {name} (U+{ord(character):04X})"


def is_invisible(character: str) -> bool:
    """Whether a character shows nothing and is no ordinary space: no-break, zero-width, direction marks, controls."""
    if character.isascii():
        return not character.isprintable()
    return unicodedata.category(character) in ("Zs", "Zl", "Zp", "Cc", "Cf") or character in _BLANK_LETTERS


def find_invisible_flaw(name: str) -> str | None:
    """What is in a name that no reader sees, with the character named; None for a name without any."""
    if not (name.isascii() and name.isprintable()):
        for position, character in enumerate(name, start=1):
            if is_invisible(character):
                return f"its character {position} is {describe_character(character)}"
    if name != name.strip(" "):
        return f"it {'begins' if name[:1] == ' ' else 'ends'} with {describe_character(' ')}"
    if "  " in name:
        return f"its characters {name.index('  ') + 1} and {name.index('  ') + 2} are both {describe_character(' ')}"
    return None


def remove_invisible(name: str) -> str:
    """The name as it was probably meant: without invisible characters, and white space at the ends or doubled."""
    return " ".join(_visible_text(nfc(name)).split())


def _visible_text(text: str) -> str:
    """The text without characters of no width; every kind of space becomes an ordinary one."""
    return "".join(" " if char.isspace() else char for char in text if char.isspace() or not is_invisible(char))


# Names that a reader takes for the same -----------------------------------------------------------------


def similarity_key(name: str) -> str:
    """Equal for two names that differ only by what readers overlook: see `_OVERLOOKED_DIFFERENCES`."""
    if name.isascii() and name.isprintable():
        return " ".join(name.casefold().split())
    name = _visible_text(name)
    for _, remove in _OVERLOOKED_DIFFERENCES:
        name = remove(name)
    return name


def name_difference(name: str, other: str) -> str | None:
    """The only difference between two names: `case`, `an accent and a trailing space`; invisible characters by name.

    None where they do not differ, or by more than readers overlook.
    """
    if nfc(name) == nfc(other) or similarity_key(name) != similarity_key(other):
        return None
    invisible = [describe_character(character) for character in sorted({*name} ^ {*other}) if is_invisible(character)]
    differences = [*invisible]
    name, other = _visible_text(name), _visible_text(other)
    # They differ in one respect when they still differ with every other respect removed.
    for respect, _ in _OVERLOOKED_DIFFERENCES:
        one, two = name, other
        for other_respect, remove in _OVERLOOKED_DIFFERENCES:
            if other_respect != respect:
                one, two = remove(one), remove(two)
        # An invisible character may be a space of its own kind: it is named already.
        if one != two and not (invisible and respect == _WHITE_SPACE):
            differences.append(_describe_space_difference(one, two) if respect == _WHITE_SPACE else respect)
    return " and ".join(differences) or "spelling"


def _describe_space_difference(name: str, other: str) -> str:
    if name.rstrip() == other.rstrip():
        return "a trailing space"
    return "a leading space" if name.lstrip() == other.lstrip() else "doubled spaces"


def _strip_accents(text: str) -> str:
    decomposed = unicodedata.normalize("NFD", text)
    return unicodedata.normalize("NFC", "".join(char for char in decomposed if unicodedata.category(char) != "Mn"))


_WHITE_SPACE = "white space"
_OVERLOOKED_DIFFERENCES: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("width", lambda text: unicodedata.normalize("NFKC", text)),
    ("case", str.casefold),
    ("an accent", _strip_accents),
    (_WHITE_SPACE, lambda text: " ".join(text.split())),
)
