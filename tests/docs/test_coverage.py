"""What the page of coverage names is there: commands with their flags, keys of manifests, codes of findings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from controller.cli.commands import COMMANDS
from controller.desired.json_schema import json_schema
from controller.model.finding_evidence import EVIDENCE_BY_CODE

PAGE = (Path(__file__).parents[2] / "docs" / "coverage.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| (?P<what>[^|]+) \| (?P<answer>[^|]+) \| (?P<named>[^|]*)\|$", PAGE, re.MULTILINE)
ANSWERS = {"done", "declared", "reported", "elsewhere"}
COMMAND, KEY = re.compile(r"merchantctl (\w+)"), re.compile(r"(?:(\w+)\.)?(spec\..+)")


def rows() -> Iterator[tuple[str, set[str], list[str]]]:
    """(what, answers, what is named) of every row below a heading's `what`."""
    for what, answer, named in ROWS:
        if what not in ("what", "---"):
            yield what, set(answer.split(", ")), re.findall(r"`([^`]+)`", named)


def kind_of(named: str) -> str:
    if COMMAND.match(named):
        return "done"
    return "declared" if KEY.fullmatch(named) else "reported"


def has_key(kind: str, path: str) -> bool:
    """Whether the schema of this kind of manifest has the key; a free key of a mapping is any."""
    schema = json_schema()

    def resolved(node: Any) -> Any:
        for choice in node.get("anyOf", ()):
            if choice.get("type") != "null":
                return resolved(choice)
        return resolved(schema["$defs"][node["$ref"].rpartition("/")[2]]) if "$ref" in node else node

    node = resolved({"$ref": f"#/$defs/{kind}"})
    for key in path.split("."):
        free = (step for pattern, step in node.get("patternProperties", {}).items() if re.search(pattern, key))
        step = node.get("properties", {}).get(key) or next(free, None)
        if step is None:
            return False
        node = resolved(step)
    return True


def test_every_row_names_what_its_answer_says_and_nothing_else() -> None:
    assert len(list(rows())) > 50
    for what, answers, named in rows():
        assert answers <= ANSWERS, what
        assert {kind_of(each) for each in named} == answers - {"elsewhere"}, what


def test_what_is_done_elsewhere_is_said_where() -> None:
    for what, answer, named in ROWS:
        if "elsewhere" in answer:
            assert len(re.sub(r"`[^`]*`", "", named).split()) >= 4, what


@pytest.mark.parametrize("named", sorted({each for _, _, named in rows() for each in named}))
def test_what_is_named_exists(named: str) -> None:
    """Whether the flags of a command are its own is asked of every document at once, in `test_documents.py`."""
    if command := COMMAND.match(named):
        assert command[1] in COMMANDS
    elif key := KEY.fullmatch(named):
        assert has_key(key[1] or "Merchant", key[2])
    else:
        assert named in EVIDENCE_BY_CODE


def test_a_key_that_no_manifest_has_would_be_noticed() -> None:
    assert not has_key("Merchant", "spec.mapping.sales.newTaxRates")
    assert not has_key("SyncFlow", "spec.branding.colour")


def test_every_fact_that_is_cited_has_its_heading() -> None:
    remote = (Path(__file__).parents[2] / "docs" / "remote-api.md").read_text(encoding="utf-8")
    headings = {heading.lower().replace(" ", "-") for heading in re.findall(r"^## (.+)$", remote, re.MULTILINE)}
    cited = set(re.findall(r"remote-api\.md#([\w-]+)\)", PAGE))
    assert cited
    assert cited <= headings
