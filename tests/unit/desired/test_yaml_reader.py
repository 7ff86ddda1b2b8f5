"""YAML text as values with line and column, by the YAML 1.2 core schema."""

from __future__ import annotations

import gc
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.desired.yaml_reader import Position, YamlNode, parse_yaml, parse_yaml_lazily
from controller.model.desired import Diagnostic


def only(text: str) -> YamlNode:
    found = parse_yaml(text.encode(), "f.yaml")
    assert found.diagnostics == ()
    (document,) = found.documents
    return document


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *[
            (word, word)
            for word in ("no", "yes", "on", "off", "y", "No", "12:30", "1_000", "2026-12-01", "0b1", "=", "<<")
        ],
        *[(word, None) for word in ("~", "null", "Null", "NULL", "")],
        *[(word, True) for word in ("true", "True", "TRUE")],
        *[(word, False) for word in ("false", "False", "FALSE")],
        *[
            ("12", 12),
            ("-3", -3),
            ("+4", 4),
            ("007", 7),
            ("0o17", 15),
            ("0x1F", 31),
            ("'12'", "12"),
            ('"null"', "null"),
        ],
        *[("1.5", 1.5), (".5", 0.5), ("1e3", 1000.0), ("-.inf", -math.inf), ("1.", 1.0)],
        *[("-x", "-x"), ("+", "+"), (".", "."), ("1.2.3", "1.2.3"), ("20%", "20%"), ("0x", "0x")],
    ],
)
def test_scalars_are_those_of_yaml_1_2(text: str, value: Any) -> None:
    found = only(f"a: {text}").value["a"]
    assert found == value
    assert type(found) is type(value)


def test_every_value_and_key_has_its_line_and_column() -> None:
    node = only("a:\n  b: [x, {c: y}]\n")
    b = node.get("a", "b")
    assert b is not None
    assert b.position == Position(2, 6)
    assert b.items[1].children["c"].position == Position(2, 14)
    assert node.children["a"].key_position("b") == Position(2, 3)


def test_columns_count_characters_and_not_bytes() -> None:
    node = only("{é: 1, a: 2}")
    assert node.children["a"].position == Position(1, 11)


def test_an_anchor_may_be_used_within_reason() -> None:
    assert only("a: &x {b: 1}\nc: *x\n").value == {"a": {"b": 1}, "c": {"b": 1}}


def test_keys_are_text_as_written() -> None:
    assert only('{20: a, 20.0: b, "5": c, true: d, null: e}').value == {
        "20": "a",
        "20.0": "b",
        "5": "c",
        "true": "d",
        "null": "e",
    }


def test_what_stands_before_a_mistake_is_read() -> None:
    diagnostics: list[Diagnostic] = []
    found = list(parse_yaml_lazily(b"a: 1\n---\n[", "f.yaml", diagnostics))
    assert [(document.node.value, document.is_incomplete) for document in found] == [({"a": 1}, False)]
    assert str(diagnostics[0]).startswith("f.yaml:")


def test_what_could_not_be_read_whole_is_said_of_its_document_alone() -> None:
    found = parse_yaml_lazily(b"a: 1\n---\nb: !x 2\n---\nc: 3\n", "f.yaml", [])
    assert [document.is_incomplete for document in found] == [False, True, False]


def test_only_one_document_of_a_file_has_its_nodes_in_memory() -> None:
    """A fleet of thousands may stand in one file."""
    before = count_nodes()
    for _ in parse_yaml_lazily(b"a: {b: c}\n---\n" * 20, "f.yaml", []):
        assert count_nodes() - before <= 2 * 3, "of this document, and of the one before it while this one is read"


def count_nodes() -> int:
    return sum(type(each) is YamlNode for each in gc.get_objects())


def test_a_tab_is_named_as_what_it_is() -> None:
    (complaint,) = parse_yaml(b"a:\n\tb: 1\n", "f.yaml").diagnostics
    assert (complaint.line, complaint.column) == (2, 1)
    assert "tabs" in complaint.remedy


def test_a_byte_order_mark_is_no_mistake() -> None:
    assert parse_yaml("\ufeffa: 1".encode(), "f.yaml").documents[0].value == {"a": 1}


@given(st.binary(max_size=300) | st.text(max_size=300).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_whatever_the_bytes_there_are_documents_or_addressed_complaints(content: bytes) -> None:
    found = parse_yaml(content, "f.yaml")
    assert all(complaint.line > 0 and complaint.column > 0 for complaint in found.diagnostics)


YAMLISH = st.text(alphabet="ab:-[]{},&*!|>?#\"'%@` \n\t01.", max_size=80)


@given(YAMLISH)
def test_whatever_looks_like_yaml_too(text: str) -> None:
    found = parse_yaml(text.encode(), "f.yaml")
    assert all(complaint.line > 0 and complaint.column > 0 for complaint in found.diagnostics)
