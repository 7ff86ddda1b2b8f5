"""The JSON Schema for editors says what the loader says, and the example fleet is sound."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from controller.cli.main import group
from controller.desired.json_schema import json_schema
from controller.desired.loader import load_fleet
from controller.desired.yaml_reader import YamlNode, parse_yaml
from controller.model.desired import DriftPolicy, LinkState

EXAMPLES = Path(__file__).parents[3] / "manifests"
GOOD: dict[str, Any] = {
    "apiVersion": "merchantctl/v1",
    "kind": "Merchant",
    "metadata": {"name": "acme"},
    "spec": {"connection": {"platform": "xero"}},
}


def documents() -> list[YamlNode]:
    files = sorted(EXAMPLES.rglob("*.yaml"))
    return [document for file in files for document in parse_yaml(file.read_bytes(), str(file)).documents]


def test_the_schema_is_a_schema_and_the_command_prints_it() -> None:
    Draft202012Validator.check_schema(json_schema())
    assert json.loads(CliRunner().invoke(group, ["schema"]).output) == json_schema()


@pytest.mark.parametrize("manifest", [document.value for document in documents()])
def test_the_examples_fit_the_schema(manifest: dict[str, Any]) -> None:
    Draft202012Validator(json_schema()).validate(manifest)


@pytest.mark.parametrize(
    "spec",
    [
        {"mappin": {}},
        {"enabled": "no"},
        {"enabled": None},
        {"connection": {"platform": "xreo"}},
        {"schedule": {"time": "25:00"}},
        {"schedule": {"syncHourUtc": 24}},
        {"mapping": {"sales": {"customer": {"code": "1"}}}},
        {"mapping": {"sales": {"accounts": {"sales": {"id": "a", "code": "b"}}}}},
        {"policy": {"deletion": "delete"}},
    ],
)
def test_what_the_loader_refuses_the_schema_refuses_too(spec: dict[str, Any], tmp_path: Path) -> None:
    manifest = GOOD | {"spec": spec}
    (tmp_path / "acme.yaml").write_text(json.dumps(manifest))
    assert load_fleet(tmp_path).diagnostics
    assert not Draft202012Validator(json_schema()).is_valid(manifest)


def test_null_clears_a_reference_in_the_schema_too() -> None:
    Draft202012Validator(json_schema()).validate(GOOD | {"spec": {"mapping": {"sales": {"customer": None}}}})


def test_the_example_fleet_is_sound_and_shows_what_there_is() -> None:
    fleet = load_fleet(EXAMPLES)
    assert fleet.diagnostics == ()
    assert len(fleet.merchants) == 12
    assert {wanted.platform for wanted in fleet.merchants.values()} == {"gbol", "qhyg", "fbrh"}
    states = Counter(wanted.link_state for wanted in fleet.merchants.values())
    assert states[LinkState.UNLINKED] == 1
    assert any(wanted.policy.drift is DriftPolicy.REPORT for wanted in fleet.merchants.values())
    assert any(wanted.fields["enabled"] is False for wanted in fleet.merchants.values())
