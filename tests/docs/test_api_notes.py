"""docs/api-notes.md has a heading, and where one is cited a row, for every citation of it; nothing else is cited."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.docs.test_remote_api import PAGE, ROW, table_lines

ROOT = Path(__file__).parents[2]
NOTES = ROOT / "docs" / "api-notes.md"
PLACES = ("controller", "state", "tests", "docs", "benchmarks", "manifests", ".ci", ".github")
HEADING = re.compile(r"#{2,3} (?P<section>\d+(?:\.\d+)?|Vocabulary|Appendix [A-Z])\b")
NUMBERED = re.compile(r"\| (?P<rows>\d+(?:, \d+)*) \|")

_SECTION = r"[1-9](?:\.\d{1,2})?"
_ITEM = rf"(?:{_SECTION}(?: #\d+)?|#\d+)(?![\w/])"
LIST = re.compile(rf"{_ITEM}(?:(?:, | and | to ){_ITEM})*")
CITED = re.compile(rf"\bAPI notes,? (?P<list>vocabulary|Appendix [A-Z]|{LIST.pattern})")
BARE = re.compile(rf"(?<![\w.#-])(?P<list>{_SECTION} #\d+(?:, #\d+)*)(?!\w)")
"""A number of a rule without the name of the page, as where a module named it before."""
OUTSIDE = re.compile(r"\bREFERENCE\b|\bR [1-9]\.\d")
"""What was cited once, and no reader of this repository could open."""


@cache
def sections() -> dict[str, frozenset[int]]:
    """Section → the rows that are numbered in it."""
    found: dict[str, frozenset[int]] = {}
    section = ""
    for line in NOTES.read_text(encoding="utf-8").splitlines():
        if heading := HEADING.match(line):
            section = heading["section"].lower()
            assert section not in found, f"two headings for {section}"
            found[section] = frozenset()
        elif section and (row := NUMBERED.match(line)):
            found[section] |= {int(number) for number in row["rows"].split(", ")}
    return found


def lost(cited: str) -> list[str]:
    """What of a citation like `3.12, 7 #10, #49` leads nowhere."""
    if cited.lower() in sections():
        return []
    section, astray = "", []
    for item in re.split(r", | and | to ", cited):
        named, _, row = item.partition("#")
        section = named.strip() or section
        if section not in sections() or (row and int(row) not in sections()[section]):
            astray.append(f"{section} #{row}" if row else section)
    return astray


@cache
def texts() -> dict[str, str]:
    """Every file of ours that is text → it, white space made one space, so that a citation may be broken in two."""
    files = [path for path in ROOT.iterdir() if path.is_file() and path.suffix in (".md", ".toml", "")]
    files += [path for place in PLACES for path in (ROOT / place).rglob("*") if path.is_file()]
    readable = (".py", ".md", ".yaml", ".yml", ".toml", ".html", ".js", ".css", ".json", ".txt", "")
    return {
        str(path.relative_to(ROOT)): re.sub(r"\s+(?:# )?", " ", path.read_text(encoding="utf-8"))
        for path in files
        if path.suffix in readable and "__pycache__" not in path.parts and path != Path(__file__)
    }


def citations() -> Iterator[tuple[str, str]]:
    for file, text in texts().items():
        yield from ((file, found["list"]) for found in CITED.finditer(text))
        if file.endswith(".py"):
            yield from ((file, found["list"]) for found in BARE.finditer(text))
    for line in table_lines():
        row = ROW.fullmatch(line)
        assert row
        yield PAGE.name, row["section"]


def test_every_citation_leads_to_a_heading_or_row_of_the_notes() -> None:
    found = list(citations())
    assert len(found) > 300
    assert not [(file, cited, lost(cited)) for file, cited in found if lost(cited)]


@pytest.mark.parametrize(
    ("text", "cited"),
    [
        ("(API notes 3.12, 4.7, 7 #10, #49).", "3.12, 4.7, 7 #10, #49"),
        ("API notes 3.8 to 3.10, 5.4, 5.8)", "3.8 to 3.10, 5.4, 5.8"),
        ("API notes 4.9 and 4.10, with", "4.9 and 4.10"),
        ("API notes 1.9, None when", "1.9"),
        ("API notes 4.5 #13, 7; a", "4.5 #13, 7"),
        ("API notes Appendix A)", "Appendix A"),
        ("API notes, vocabulary)", "vocabulary"),
    ],
)
def test_a_citation_is_read_as_far_as_it_goes(text: str, cited: str) -> None:
    found = CITED.search(text)
    assert found
    assert found["list"] == cited
    assert not lost(cited)


@pytest.mark.parametrize("cited", ["3.99", "9", "7 #99", "3.2, 4.5 #1, #99", "3.1 to 3.77", "Appendix Z"])
def test_what_the_notes_do_not_have_is_found(cited: str) -> None:
    assert lost(cited)


def test_nothing_is_cited_that_is_not_in_the_repository() -> None:
    assert not [(file, found[0]) for file, text in texts().items() if (found := OUTSIDE.search(text))]
