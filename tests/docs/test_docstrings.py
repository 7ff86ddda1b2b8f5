"""A docstring that has a table of fields or arguments names those that are there."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"^(?P<names>[a-z_]+(?:, [a-z_]+)*)  +\S", re.MULTILINE)


def names_within(node: ast.AST) -> set[str]:
    """The fields, arguments and other names of a class or function."""
    within = list(ast.walk(node))
    return {
        *(each.id for each in within if isinstance(each, ast.Name)),
        *(each.arg for each in within if isinstance(each, ast.arg)),
        *(each.attr for each in within if isinstance(each, ast.Attribute)),
        *(each.name for each in within if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)),
    }


def names_in_tables(source: str) -> Iterator[tuple[str, str, bool]]:
    """Of each class and function the names that its docstring has in a table, and whether they are there."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            _, _, table = (ast.get_docstring(node) or "").partition("\n")
            there = names_within(node)
            for row in ROW.finditer(table):
                yield from ((node.name, name, name in there) for name in row["names"].split(", "))


def test_the_rule_finds_a_field_that_was_renamed_without_its_docstring() -> None:
    source = (
        'class Wait:\n    """How long.\n\n    seconds  so many\n    late  at the end\n    """\n\n    seconds: float\n'
    )
    assert list(names_in_tables(source)) == [("Wait", "seconds", True), ("Wait", "late", False)]


@pytest.mark.parametrize("folder", ["controller", "state"])
def test_a_docstring_names_the_fields_that_are_there(folder: str) -> None:
    wrong = [
        f"{path.relative_to(ROOT)}: {owner}: {name}"
        for path in sorted((ROOT / folder).rglob("*.py"))
        for owner, name, is_there in names_in_tables(path.read_text(encoding="utf-8"))
        if not is_there
    ]
    assert not wrong
