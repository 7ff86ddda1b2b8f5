"""Every report says when it was made, of which API, from which manifests, and whom it is about."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.end_to_end.place import Place
from tests.unit.cli.test_sync import SALES

CALLS = [("plan",), ("drift",), ("status",), ("apply", "--yes")]


@pytest.fixture
def one(place: Place) -> Place:
    place.provision("ann")
    return place


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call[0])
def test_json_says_when_where_and_from_what(one: Place, call: tuple[str, ...]) -> None:
    document = json.loads(one.run_in_process(*call, "--target", "ann", "-o", "json").stdout)
    assert document["generatedAt"].endswith("Z")
    assert (document["environment"], document["baseUrl"]) == (None, one.emulator.url)
    assert document["revision"] == json.loads(one.run_in_process("plan", "-o", "json").stdout)["manifests"]
    assert document["scope"]["targets"] == ["ann"]


@pytest.mark.parametrize(
    "call",
    [*CALLS, ("plan", "-o", "markdown"), ("plan", "-o", "html"), ("drift", "-o", "markdown"), ("drift", "-o", "html")],
    ids="-".join,
)
def test_people_are_told_in_one_line(one: Place, call: tuple[str, ...]) -> None:
    said = one.run_in_process(*call).stdout.replace("\\", "").replace("<!-- -->", "")
    (line,) = [each for each in said.splitlines() if "Made 20" in each]
    assert one.emulator.url in line
    assert "about everyone." in line


def test_a_spreadsheet_has_it_in_columns(one: Place) -> None:
    one.edit_in_portal("ann", {"enabled": False})
    head, row = one.run_in_process("drift", "-o", "csv").stdout.splitlines()
    assert head.startswith("\ufeffmerchant,"), "a spreadsheet takes UTF-8 without its mark for something else"
    assert head.endswith(",generatedAt,environment,baseUrl,revision")
    assert f",{one.emulator.url}," in row


def test_explain_writes_values_as_a_manifest_has_them(place: Place) -> None:
    place.profile()
    place.merchant("ann", company={"name": "yes"}, suspend={"reason": "610", "until": "2099-01-31"})
    shown = place.run_in_process("explain", "ann").stdout
    assert "connection.platform: xero\n" in shown, "not Codat's key of it"
    assert 'mapping.sales.accounts.sales: {code: "200"}\n' in shown, "without its quotes a code is a number"
    assert 'company.name: "yes"\n' in shown, "without its quotes a word of YAML is no text"
    assert 'suspend.reason: "610"\n' in shown
    assert 'suspend.until: "2099-01-31"\n' in shown
    assert 'schedule.startDate: "2026-12-01"\n' in shown, "the local day, not the instant at which it begins"


def test_the_history_of_a_mistyped_name_names_the_one_that_is_like_it(one: Place) -> None:
    assert "remembered of annn. Did you mean 'ann'?" in one.run_in_process("history", "annn").stderr
    assert one.run_in_process("history", "zebra").stderr == "Nothing is remembered of zebra.\n"


DOCUMENTS = [
    (("explain", "ann"), True),
    (("validate",), True),
    (("sync", "ann", "--status"), True),
    (("push", "ann", "sales.json"), True),
    (("refresh",), True),
    (("doctor",), True),
    (("history", "ann"), False),
    (("state", "list"), False),
    (("state", "show", "ann"), False),
]


@pytest.mark.parametrize(("call", "of_manifests"), DOCUMENTS, ids=["-".join(call) for call, _ in DOCUMENTS])
def test_every_other_document_says_so_too(one: Place, call: tuple[str, ...], of_manifests: bool) -> None:
    (one.folder / "sales.json").write_text(json.dumps(SALES))
    done = one.run_in_process(*call, "-o", "json")
    document = json.loads(done.stdout)
    assert list(document)[:3] == ["schemaVersion", "kind", "complete"], done.stderr
    assert document["generatedAt"].endswith("Z")
    assert (document["environment"], document["baseUrl"]) == (None, one.emulator.url)
    revision = json.loads(one.run_in_process("plan", "-o", "json").stdout)["revision"]
    assert document["revision"] == (revision if of_manifests else None)


def test_a_document_that_could_not_be_made_says_when(place: Place) -> None:
    document = json.loads(place.run_in_process("plan", "--target", "nobody", "-o", "json").stdout)
    assert (document["kind"], document["complete"], document["generatedAt"][-1]) == ("Error", False, "Z")


def test_no_document_of_a_command_is_printed_without_its_envelope() -> None:
    """A new command takes `json_envelope.render_document`; what is no report of this moment is named here."""
    cli = Path(__file__).parents[2] / "controller" / "cli"
    bare = {path.name for path in cli.glob("*.py") if "dump_json(" in path.read_text()}
    assert bare == {"json_envelope.py", "state.py"}, "state: an export is data, the same whenever it is made"
