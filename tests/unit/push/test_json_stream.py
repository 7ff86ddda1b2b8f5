"""Records are read from a text of any length, whatever portions it comes in, and what is wrong has its line."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest

from controller.push.json_stream import FoundRecord, FoundVersion, InvalidJson, read_values


def records(text: str, portion: int = 1 << 20) -> list[tuple[str, str | None, Any]]:
    """Read in portions of so many characters, whatever is asked for."""
    source = StringIO(text)
    found = read_values(lambda size: source.read(min(size, portion)))
    return [(each.place, each.key, each.value) for each in found if isinstance(each, FoundRecord)]


def test_documents_records_and_lists_of_them_may_follow_one_another() -> None:
    text = '{"payments": [{"id": "p"}],\n "orders": null}\n{"id": "o", "payments": []}\n\n[{"id": "a"}, {"id": "b"}] 3'
    assert records(text) == [
        ("payments[0]", "payments", {"id": "p"}),
        ("line 3", None, {"id": "o", "payments": []}),
        ("line 5", None, {"id": "a"}),
        ("line 5", None, {"id": "b"}),
        ("line 5", None, 3),
    ]


def test_a_document_that_is_longer_than_what_is_held_is_read_record_by_record() -> None:
    orders = [{"id": f"o{number}", "note": "n" * 50} for number in range(200)]
    text = json.dumps({"orders": orders, "contractVersion": "9", "payments": [{"id": "p"}]}, indent=1)
    found = list(read_values(lambda size, source=StringIO(text): source.read(40)))  # type: ignore[misc]
    assert [each.value for each in found if isinstance(each, FoundRecord)] == [*orders, {"id": "p"}]
    assert FoundVersion("9") in found


def test_whatever_the_portions_are_records_come_out_as_they_went_in() -> None:
    text = 'a"}],{[\\ \u2028\U0001f600\n'
    lines = [{"id": text, "deep": [[{text: [1.5e-7, -12, None, True]}]]}, {"id": "b"}]
    orders = [{"id": f"o{number}", text: text} for number in range(3)]
    for indent in (None, 1):
        written = "\n".join(json.dumps(each, indent=indent) for each in (*lines, {"orders": orders}, lines))
        for portion in range(25, 120, 7):
            assert [value for _, _, value in records(written, portion)] == [*lines, *orders, *lines]


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        ('{"id": "a"}\n{"id": "b", bad}', 2, "Expecting property name"),
        ('{"orders": [{"id": "a"},\n]}', 2, "something is expected between , and ]"),
        ('{"orders": [{"id": "a"}\n', 2, "instead of the end"),
        ('{"orders": [],\n "refunds": []}', 1, "refunds: unknown; known are orders, payments, transactions"),
        ('{"orders": {}}', 1, "a list of records is expected"),
        ("[NaN]", 1, "NaN is no number"),
        ("[1 2]", 1, "instead of 2"),
        ("[" * 100_000, 1, "nested too deep"),
        ("\n\nx", 3, "Expecting value"),
    ],
)
def test_what_is_wrong_has_its_line(text: str, line: int, why: str) -> None:
    with pytest.raises(InvalidJson) as wrong:
        records(text)
    assert (wrong.value.line, why in wrong.value.why) == (line, True), wrong.value.why
