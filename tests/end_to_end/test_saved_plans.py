"""`apply PLAN`, whatever the file says: done is only what the file says and what is planned at that moment, too."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controller.reporting.as_json import digest
from tests.end_to_end.place import SAVE_CONFIGURATION, Place, count_writes_by_call

CommandLine = Callable[..., tuple[int, str, str]]
Json = Any


def sealed(document: Json) -> str:
    """Whoever edits a plan can compute its digest, too."""
    if isinstance(document, dict) and "digest" in document:
        document = document | {"digest": digest(document)}
    return json.dumps(document)


@pytest.fixture
def file(place: Place, command_line: CommandLine) -> Path:
    """A saved plan for two merchants that somebody switched off."""
    place.provision("ann", "bob")
    for name in ("ann", "bob"):
        place.edit_in_portal(name, {"enabled": False})
    assert command_line("plan", "--out", "it.plan")[0] == 0
    return place.folder / "it.plan"


def edited(file: Path, edit: Callable[[Json], object]) -> None:
    document = json.loads(file.read_text())
    edit(document)
    file.write_text(sealed(document))


def enabled(place: Place) -> dict[str, bool]:
    return {name: place.document(name)["enabled"] for name in ("ann", "bob")}


# -- What the reviewer read


@pytest.mark.parametrize(
    "edit",
    [
        lambda ann: ann["changes"][0]["fields"][0].update(field="schedule.frequency"),
        lambda ann: ann["changes"][0]["fields"][0].update(wanted=False),
        lambda ann: ann["changes"][0]["fields"][0].update(wanted=1),
        lambda ann: ann["changes"][0]["fields"].clear(),
        lambda ann: ann["changes"][0].update(kind="rename-company"),
        lambda ann: ann["changes"].clear(),
        lambda ann: ann.update(fingerprint="0" * 64),
        lambda ann: ann.update(merchant="carol"),
    ],
)
def test_whoever_is_planned_otherwise_than_the_file_says_is_skipped_by_name(
    place: Place, command_line: CommandLine, file: Path, edit: Callable[[Json], object]
) -> None:
    edited(file, lambda plan: edit(plan["merchants"][0]))
    name = json.loads(file.read_text())["merchants"][0]["merchant"]
    with place.count_requests() as counts:
        code, out, _ = command_line("apply", "it.plan", "--yes")
    assert (code, count_writes_by_call(counts)) == (3, {SAVE_CONFIGURATION: 1})
    assert enabled(place) == {"ann": False, "bob": True}
    assert any(name in line and "moved since the plan was saved" in line for line in out.splitlines())


def scoped(plan: dict[str, Any], path: str) -> None:
    plan["scope"]["path"] = path


def test_a_file_does_not_say_where_manifests_are(place: Place, command_line: CommandLine, file: Path) -> None:
    elsewhere = place.folder / "elsewhere"
    elsewhere.mkdir()
    for manifest in place.manifests.iterdir():
        (elsewhere / manifest.name).write_bytes(manifest.read_bytes())
    for path in (str(elsewhere), str(elsewhere / "merchant-ann.yaml"), "elsewhere", "manifests/../elsewhere"):
        edited(file, partial(scoped, path=path))
        with place.count_requests() as counts:
            code, _, err = command_line("apply", "it.plan", "--yes")
        assert (code, dict(counts)) == (65, {})
        assert "scope.path" in err


def test_a_plan_for_a_path_below_the_root_is_carried_out(place: Place, command_line: CommandLine, file: Path) -> None:
    below = str(place.manifests / "merchant-ann.yaml")
    assert command_line("plan", below, "--out", "it.plan")[0] == 0
    assert command_line("apply", "it.plan", "--yes")[0] == 0
    assert enabled(place) == {"ann": True, "bob": False}


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_plan_with_a_byte_order_mark_is_understood_or_what_is_wrong_is_said(
    place: Place, command_line: CommandLine, file: Path, encoding: str
) -> None:
    file.write_text(file.read_text(), encoding=encoding)
    code, _, err = command_line("apply", "it.plan", "--yes")
    if encoding == "utf-16":
        assert code == 65
        assert "it.plan:1:1: this is not UTF-8 (save the file as UTF-8)" in err
    else:
        assert (code, enabled(place)) == (0, {"ann": True, "bob": True})


# -- What is no plan


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        (" \n\n", "empty"),
        ('{"kind": "Plan", "schemaVersion": 1', "no whole JSON document"),
        ('{"kind": "Plan", "kind": "Plan"}', "twice"),
    ],
)
def test_a_file_without_a_whole_plan_is_an_error(place: Place, command_line: CommandLine, text: str, says: str) -> None:
    (place.folder / "it.plan").write_text(text)
    with place.count_requests() as counts:
        code, _, err = command_line("apply", "it.plan", "--yes")
    assert (code, dict(counts)) == (65, {})
    assert says in err
    assert "fault of merchantctl" not in err


@pytest.mark.over_tcp
def test_an_empty_pipe_is_an_error(place: Place) -> None:
    for where in ("-", "/dev/stdin"):
        ended = place.run_process("apply", where, "--yes")
        assert (ended.returncode, ended.stdout) == (65, "")
        assert "empty" in ended.stderr


# -- Whatever is done to the file


def places(node: Json, way: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every place in a document, the whole included."""
    yield way
    for key, below in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        yield from places(below, (*way, key))


REMOVED = object()
VALUES: tuple[Any, ...] = (
    *(REMOVED, None, True, False, 0, 1, -1, 2.5, 10**30),
    *("", "x", "ann", "bob", "*", "[", "../..", "/", "a\0b", "\ud800", "a" * 5000),
    *([], {}, [None], [{}], {"a": 1}, [[]], ["*"], {"path": None}),
)


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
def test_no_mutation_of_a_saved_plan_writes_what_is_not_in_the_file_or_ends_as_a_fault(
    place: Place, command_line: CommandLine, file: Path, data: st.DataObject
) -> None:
    if enabled(place) != {"ann": False, "bob": False}:
        for name in ("ann", "bob"):
            place.edit_in_portal(name, {"enabled": False})
    original = file.with_suffix(".original")
    if not original.exists():
        original.write_bytes(file.read_bytes())
    document = json.loads(original.read_text())
    acted_on = {way for way in places(document) if way[:1] in ((), ("merchants",), ("scope",), ("manifests",))}
    way = data.draw(st.sampled_from(sorted(acted_on | {(key,) for key in document}, key=repr)))
    changed = mutated(document, way, data.draw(st.sampled_from(VALUES)))
    file.write_text(sealed(changed))
    planned = {each["merchant"]: each["changes"] for each in document["merchants"]}
    said = {} if not isinstance(changed, dict) else said_in(changed)
    with place.count_requests() as counts:
        code, _, err = command_line("apply", "it.plan", "--yes")
    assert "fault of merchantctl" not in err
    assert "Traceback" not in err
    assert code in (0, 1, 3, 64, 65)
    written = {name for name, on in enabled(place).items() if on}
    assert all(json.dumps(said.get(name)) == json.dumps(planned[name]) for name in written)
    assert count_writes_by_call(counts) == ({SAVE_CONFIGURATION: len(written)} if written else {})


def said_in(document: Json) -> dict[str, Json]:
    merchants = document.get("merchants")
    rows = [each for each in merchants if isinstance(each, dict)] if isinstance(merchants, list) else []
    return {each["merchant"]: each.get("changes") for each in rows if isinstance(each.get("merchant"), str)}
