"""`state import` of an export in which any one value is another one: imported or refused, and never half."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.end_to_end.place import Place

CommandLine = Callable[..., tuple[int, str, str]]
Json = Any
REMOVED = object()
VALUES: tuple[Any, ...] = (
    *(REMOVED, None, True, 0, -1, 2.5, 10**30, float("nan"), float("inf")),
    *("", "x", "ann", "Sometimes", "2026-01-01", "2026-01-01T00:00:00", "9999-12-31T23:59:59-14:00", "a\0b", "\ud800"),
    *([], {}, [None], [{}], {"id": 1}, ["x", 1], {"a": {"b": []}}),
)


@pytest.fixture
def export(place: Place, command_line: CommandLine) -> Path:
    place.provision("ann", "bob")
    place.edit_in_portal("ann", {"enabled": False})
    command_line("drift")
    assert command_line("state", "export", "--out", "export.json")[0] == 0
    return place.folder / "export.json"


def places(node: Json, way: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    yield way
    for key, below in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        yield from places(below, (*way, key))


def mutated(document: Json, way: tuple[str | int, ...], value: Any) -> Json:
    if not way:
        return {} if value is REMOVED else value
    whole = json.loads(json.dumps(document))
    node = whole
    for key in way[:-1]:
        node = node[key]
    if value is REMOVED:
        del node[way[-1]]
    else:
        node[way[-1]] = value
    return whole


@pytest.mark.computes
@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_value_at_any_place_is_imported_or_refused_and_never_half(
    place: Place, command_line: CommandLine, export: Path, monkeypatch: pytest.MonkeyPatch, data: st.DataObject
) -> None:
    document = json.loads(export.read_text())
    way = data.draw(st.sampled_from(sorted(places(document), key=repr)))
    other = place.folder / "changed.json"
    other.write_text(json.dumps(mutated(document, way, data.draw(st.sampled_from(VALUES)))))
    for file in place.folder.glob("new.db*"):
        file.unlink()
    monkeypatch.setenv("MERCHANTCTL_STATE", f"sqlite:///{place.folder}/new.db")
    code, _, err = command_line("state", "import", str(other))
    assert "fault of merchantctl" not in err
    rows = json.loads(command_line("state", "export")[1])["tables"]
    if code != 0:
        assert code in (1, 64)
        assert not any(rows.values())
        return
    for verb in (("plan",), ("status",), ("history", "ann"), ("state", "list"), ("state", "show", "bob")):
        _, _, err = command_line(*verb)
        assert "fault of merchantctl" not in err, verb


def test_two_merchants_of_one_company_are_refused_with_the_place_in_the_file(
    place: Place, command_line: CommandLine, export: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = json.loads(export.read_text())
    ann, bob = document["tables"]["merchants"]
    bob["company_id"] = ann["company_id"]
    export.write_text(json.dumps(document))
    monkeypatch.setenv("MERCHANTCTL_STATE", f"sqlite:///{place.folder}/new.db")
    code, _, err = command_line("state", "import", str(export))
    assert code == 1
    assert "tables.merchants[1].company_id" in err
    assert "bound to the merchant 'ann' already" in err


def test_an_export_with_a_byte_order_mark_is_understood(
    place: Place, command_line: CommandLine, export: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export.write_text(export.read_text(), encoding="utf-8-sig")
    monkeypatch.setenv("MERCHANTCTL_STATE", f"sqlite:///{place.folder}/new.db")
    assert command_line("state", "import", str(export)) == (0, "Imported.\n", "")
