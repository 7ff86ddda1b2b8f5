"""`merchantctl init`: a repository that validates as it stands, and nothing overwritten."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from controller.desired import yaml_reader as source
from controller.settings import load_settings
from tests.unit.cli.conftest import Merchantctl


def files_below(folder: Path) -> dict[str, str]:
    return {str(each.relative_to(folder)): each.read_text() for each in folder.rglob("*") if each.is_file()}


def documents_below(folder: Path) -> Iterator[Any]:
    for file in sorted((folder / "manifests").rglob("*.yaml")):
        yield from (node.value for node in source.parse_yaml(file.read_bytes(), file.name).documents)


def test_an_empty_folder_becomes_a_repository_whose_manifests_are_sound(merchantctl: Merchantctl, folder: Path) -> None:
    done = merchantctl("init")
    assert done.code == 0
    assert set(files_below(folder)) == {
        "README.md",
        "merchantctl.toml",
        ".gitignore",
        "manifests.schema.json",
        ".github/workflows/merchantctl.yaml",
        ".github/actions/install-merchantctl/action.yaml",
        ".vscode/settings.json",
        "manifests/profiles/uk-xero.yaml",
        "manifests/merchants/example-merchant.yaml",
    }
    validated = merchantctl("validate")
    assert (validated.code, validated.err) == (0, "")
    assert validated.out.startswith("1 merchant")


def test_a_folder_is_made_where_it_is_named(merchantctl: Merchantctl, folder: Path) -> None:
    assert merchantctl("init", "deep/fleet").code == 0
    assert (folder / "deep" / "fleet" / "merchantctl.toml").is_file()
    assert merchantctl("--manifests", "deep/fleet/manifests", "validate").code == 0


def test_what_is_there_is_kept_and_said(merchantctl: Merchantctl, folder: Path) -> None:
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


def test_a_folder_with_manifests_gets_no_examples_since_apply_would_create_them(
    merchantctl: Merchantctl, folder: Path
) -> None:
    (folder / "manifests").mkdir()
    (folder / "manifests" / "ours.yml").write_text("")
    done = merchantctl("init")
    assert "No examples" in done.out
    assert [name for name in files_below(folder) if name.startswith("manifests/")] == ["manifests/ours.yml"]


def test_a_file_is_no_folder(merchantctl: Merchantctl, folder: Path) -> None:
    (folder / "taken").write_text("")
    assert merchantctl("init", "taken").code == 64


def test_the_schema_takes_the_examples_and_refuses_a_slip(merchantctl: Merchantctl, folder: Path) -> None:
    merchantctl("init")
    schema = json.loads((folder / "manifests.schema.json").read_text())
    validator = jsonschema.Draft202012Validator(schema)
    documents = list(documents_below(folder))
    assert [document["kind"] for document in documents] == ["Merchant", "MappingProfile"]
    for document in documents:
        validator.validate(document)
    with pytest.raises(jsonschema.ValidationError):
        validator.validate({**documents[0], "spec": {"mappin": {}}})


def test_editors_find_the_schema_from_each_example(merchantctl: Merchantctl, folder: Path) -> None:
    merchantctl("init")
    for file in (folder / "manifests").rglob("*.yaml"):
        first = file.read_text().splitlines()[0]
        address = first.removeprefix("# yaml-language-server: $schema=")
        assert (file.parent / address).resolve() == folder / "manifests.schema.json"
    wired = json.loads((folder / ".vscode" / "settings.json").read_text())["yaml.schemas"]
    assert [*wired] == ["./manifests.schema.json"]


def test_the_settings_file_is_one_that_the_program_reads(merchantctl: Merchantctl, folder: Path) -> None:
    merchantctl("init")
    settings = load_settings({}, folder, {})
    assert settings.manifests == Path("manifests")
    assert settings.state == "sqlite:///var/merchantctl.db"


@pytest.fixture
def workflow(merchantctl: Merchantctl, folder: Path) -> dict[str, Any]:
    merchantctl("init")
    return yaml.safe_load((folder / ".github" / "workflows" / "merchantctl.yaml").read_text())


def test_the_workflow_applies_the_very_plan_that_was_made_and_uploaded(workflow: dict[str, Any]) -> None:
    jobs = workflow["jobs"]
    runs = {name: [step.get("run", "") for step in job["steps"]] for name, job in jobs.items()}
    uses = {name: [step.get("uses", "").partition("@")[0] for step in job["steps"]] for name, job in jobs.items()}
    assert "merchantctl validate" in runs["plan"]
    assert any("merchantctl validate --online" in line and "--out plan.json" in line for line in runs["plan"])
    assert "actions/upload-artifact" in uses["plan"]
    assert "actions/download-artifact" in uses["apply"]
    assert "merchantctl apply plan.json --yes" in runs["apply"]
    assert jobs["apply"]["needs"] == "plan"
    assert jobs["apply"]["environment"] == "production"
    assert not any("apply" in line for line in runs["plan"] + runs["drift"])


def test_secrets_are_only_where_merchantctl_talks_to_the_service(workflow: dict[str, Any]) -> None:
    assert "env" not in workflow
    for job in workflow["jobs"].values():
        assert "env" not in job
        for step in job["steps"]:
            talks = any(f"merchantctl {verb}" in step.get("run", "") for verb in ("plan", "apply", "drift"))
            assert ("secrets." in json.dumps(step)) is talks


@pytest.mark.parametrize(
    ("known", "call"),
    [
        ("", "api --silent repos/o/fleet/issues/7/comments -F body=@comment.md"),
        ("42\n", "api --silent -X PATCH repos/o/fleet/issues/comments/42 -F body=@comment.md"),
    ],
    ids=["the first push", "a later push"],
)
def test_a_pull_request_has_one_comment_that_each_push_updates(
    workflow: dict[str, Any], folder: Path, known: str, call: str
) -> None:
    (step,) = [step for step in workflow["jobs"]["plan"]["steps"] if "GH_TOKEN" in step.get("env", {})]
    gh = folder / "bin" / "gh"
    gh.parent.mkdir()
    gh.write_text(f'#!/bin/sh\ncase "$*" in *--paginate*) printf \'{known}\';; *) echo "$@" > called;; esac\n')
    gh.chmod(0o755)
    env = {"PATH": f"{gh.parent}:{os.environ['PATH']}", "COMMENTS": "repos/o/fleet/issues", "NUMBER": "7"}
    subprocess.run(["bash", "-e", "-c", step["run"]], cwd=folder, env=env, check=True)
    assert (folder / "called").read_text().strip() == call


def test_everything_from_elsewhere_is_pinned_by_hash(workflow: dict[str, Any], folder: Path) -> None:
    action = yaml.safe_load((folder / ".github" / "actions" / "install-merchantctl" / "action.yaml").read_text())
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]] + action["runs"]["steps"]
    foreign = [step["uses"] for step in steps if "uses" in step and not step["uses"].startswith("./")]
    assert foreign
    assert all(re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", each) for each in foreign)
    installs = [line.strip() for step in steps for line in step.get("run", "").splitlines() if "pip install" in line]
    assert installs
    assert all("--require-hashes" in line or "--no-deps" in line for line in installs)


def test_git_leaves_out_what_is_remembered(merchantctl: Merchantctl, folder: Path) -> None:
    merchantctl("init")
    ignored = (folder / ".gitignore").read_text().splitlines()
    assert {"/var/", "*.plan"} <= set(ignored)
