"""`merchantctl init`: a repository that validates as it stands, and nothing overwritten."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from controller.desired import source
from controller.settings import load_settings


def files_below(folder: Path) -> dict[str, str]:
    return {str(each.relative_to(folder)): each.read_text() for each in folder.rglob("*") if each.is_file()}


def documents_below(folder: Path):
    for file in sorted((folder / "manifests").rglob("*.yaml")):
        yield from (node.value for node in source.read(file.read_bytes(), file.name).documents)


def test_an_empty_folder_becomes_a_repository_whose_manifests_are_sound(merchantctl, folder):
    done = merchantctl("init")
    assert done.code == 0
    assert set(files_below(folder)) == {
        "README.md",
        "merchantctl.toml",
        ".gitignore",
        "manifests.schema.json",
        ".github/workflows/merchantctl.yaml",
        ".vscode/settings.json",
        "manifests/profiles/uk-xero.yaml",
        "manifests/merchants/example-merchant.yaml",
    }
    validated = merchantctl("validate")
    assert (validated.code, validated.err) == (0, "")
    assert validated.out.startswith("1 merchant")


def test_a_folder_is_made_where_it_is_named(merchantctl, folder):
    assert merchantctl("init", "deep/fleet").code == 0
    assert (folder / "deep" / "fleet" / "merchantctl.toml").is_file()
    assert merchantctl("--manifests", "deep/fleet/manifests", "validate").code == 0


def test_what_is_there_is_kept_and_said(merchantctl, folder):
    (folder / "README.md").write_text("ours")
    done = merchantctl("init")
    assert "kept     README.md" in done.out
    assert "created  merchantctl.toml" in done.out
    before = files_below(folder)
    assert before["README.md"] == "ours"
    again = merchantctl("init")
    assert again.code == 0
    assert "created" not in again.out
    assert files_below(folder) == before


def test_a_folder_with_manifests_gets_no_examples_since_apply_would_create_them(merchantctl, folder):
    (folder / "manifests").mkdir()
    (folder / "manifests" / "ours.yml").write_text("")
    done = merchantctl("init")
    assert "No examples" in done.out
    assert [name for name in files_below(folder) if name.startswith("manifests/")] == ["manifests/ours.yml"]


def test_a_file_is_no_folder(merchantctl, folder):
    (folder / "taken").write_text("")
    assert merchantctl("init", "taken").code == 64


def test_the_schema_takes_the_examples_and_refuses_a_slip(merchantctl, folder):
    merchantctl("init")
    schema = json.loads((folder / "manifests.schema.json").read_text())
    validator = jsonschema.Draft202012Validator(schema)
    documents = list(documents_below(folder))
    assert [document["kind"] for document in documents] == ["Merchant", "MappingProfile"]
    for document in documents:
        validator.validate(document)
    with pytest.raises(jsonschema.ValidationError):
        validator.validate({**documents[0], "spec": {"mappin": {}}})


def test_editors_find_the_schema_from_each_example(merchantctl, folder):
    merchantctl("init")
    for file in (folder / "manifests").rglob("*.yaml"):
        first = file.read_text().splitlines()[0]
        address = first.removeprefix("# yaml-language-server: $schema=")
        assert (file.parent / address).resolve() == folder / "manifests.schema.json"
    wired = json.loads((folder / ".vscode" / "settings.json").read_text())["yaml.schemas"]
    assert [*wired] == ["./manifests.schema.json"]


def test_the_settings_file_is_one_that_the_program_reads(merchantctl, folder):
    merchantctl("init")
    settings = load_settings({}, folder, {})
    assert settings.manifests == Path("manifests")
    assert settings.state == "sqlite:///var/merchantctl.db"


def test_the_workflow_plans_pull_requests_and_applies_what_is_merged(merchantctl, folder):
    merchantctl("init")
    jobs = yaml.safe_load((folder / ".github" / "workflows" / "merchantctl.yaml").read_text())["jobs"]
    runs = {name: [step.get("run", "") for step in job["steps"]] for name, job in jobs.items()}
    assert any(line == "merchantctl validate" for line in runs["plan"])
    assert any(line.startswith("merchantctl plan") for line in runs["plan"])
    assert "merchantctl apply --yes" in runs["apply"]
    assert jobs["apply"]["if"].startswith("github.event_name == 'push'")
    assert not any("apply" in line for line in runs["plan"] + runs["drift"])


def test_git_leaves_out_what_is_remembered(merchantctl, folder):
    merchantctl("init")
    ignored = (folder / ".gitignore").read_text().splitlines()
    assert {"/var/", "*.plan"} <= set(ignored)
