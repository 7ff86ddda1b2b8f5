"""`fmt`: manifests in one layout, without a change of what they mean."""

from __future__ import annotations

import pytest

from tests.end_to_end.place import Place

UNTIDY = """\
spec:
     enabled: true   # for now
     connection: {platform: xero}
apiVersion: merchantctl/v1
kind: Merchant
metadata: {name: ann}
"""
TIDY = """\
apiVersion: merchantctl/v1
kind: Merchant
metadata: {name: ann}
spec:
  connection: {platform: xero}
  enabled: true   # for now
"""


@pytest.fixture
def untidy(place: Place) -> Place:
    (place.manifests / "ann.yaml").write_text(UNTIDY)
    return place


def test_check_names_what_it_would_write_and_writes_nothing(untidy: Place) -> None:
    checked = untidy.run_in_process("fmt", "--check")
    assert (checked.returncode, checked.stdout) == (2, "manifests/ann.yaml\n")
    assert (untidy.manifests / "ann.yaml").read_text() == UNTIDY


def test_after_fmt_there_is_nothing_left_and_no_plan_changes(untidy: Place) -> None:
    before = untidy.plan().revision
    assert untidy.run_in_process("fmt").returncode == 0
    assert (untidy.manifests / "ann.yaml").read_text() == TIDY
    checked = untidy.run_in_process("fmt", "--check")
    assert (checked.returncode, checked.stdout) == (0, "")
    assert untidy.plan().revision == before


def test_one_file_alone_and_none_that_is_not_there(untidy: Place) -> None:
    (untidy.manifests / "bob.yaml").write_text(UNTIDY.replace("ann", "bob"))
    assert untidy.run_in_process("fmt", "manifests/bob.yaml").returncode == 0
    assert (untidy.manifests / "ann.yaml").read_text() == UNTIDY
    assert untidy.run_in_process("fmt", "manifests/cat.yaml").returncode == 64


def test_what_cannot_be_parsed_is_told_and_the_others_are_laid_out(untidy: Place) -> None:
    (untidy.manifests / "broken.yaml").write_text("spec: [")
    broken = untidy.run_in_process("fmt")
    assert (broken.returncode, "manifests/broken.yaml:" in broken.stderr) == (65, True)
    assert (untidy.manifests / "ann.yaml").read_text() == TIDY


def test_a_file_with_an_anchor_is_left_alone_and_named(untidy: Place) -> None:
    text = UNTIDY.replace("{platform: xero}", "&c {platform: xero}")
    (untidy.manifests / "ann.yaml").write_text(text)
    left = untidy.run_in_process("fmt")
    assert (left.returncode, "left alone: manifests/ann.yaml" in left.stderr) == (0, True)
    assert (untidy.manifests / "ann.yaml").read_text() == text


def test_what_import_and_init_write_is_laid_out_already(untidy: Place) -> None:
    untidy.emulator.seed(3, "configured")
    assert untidy.run_in_process("import", "--out", "imported").returncode == 0
    imported = untidy.run_in_process("fmt", "--check", "imported")
    assert (imported.returncode, imported.stdout) == (0, "")
    untidy.run_in_process("init", "fleet")
    started = untidy.run_in_process("fmt", "--check", "fleet/manifests")
    assert (started.returncode, started.stdout) == (0, "")
