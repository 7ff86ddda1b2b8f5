"""docs/remote-api.md names a test for every fact that we rely on, and the test exists."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "remote-api.md"
ROW = re.compile(r"\| (?P<fact>.+?) \| (?P<section>.+?) \| `(?P<file>tests/\S+\.py)::(?P<test>test_\w+)` \|")
SECTIONS = re.compile(r"\d(\.\d+)?( #\d+)?(, (#\d+|\d(\.\d+)?( #\d+)?))*")


def table_lines() -> list[str]:
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line.startswith("|") and not line.startswith(("| fact ", "|---"))]


@cache
def names_in(file: str) -> frozenset[str]:
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, functions))


def test_the_page_has_facts_on_every_subject() -> None:
    assert len(table_lines()) > 100


@pytest.mark.parametrize("line", table_lines())
def test_a_fact_has_a_section_and_an_existing_test(line: str) -> None:
    row = ROW.fullmatch(line)
    assert row, f"not of the form | fact | API notes | `tests/…::test_…` |: {line}"
    assert SECTIONS.fullmatch(row["section"]), f"{row['section']!r} is no list of sections of the API notes"
    assert row["test"] in names_in(row["file"]), f"{row['file']} has no {row['test']}"


def test_every_file_of_contract_tests_on_the_api_holds_a_fact() -> None:
    named = {row["file"] for line in table_lines() if (row := ROW.fullmatch(line))}
    ours = {"test_command.py", "test_controls.py", "test_faults.py", "test_restart.py"}
    files = {f"tests/contract/{file.name}" for file in (ROOT / "tests/contract").glob("test_*.py")}
    assert files - named <= {f"tests/contract/{name}" for name in ours}
