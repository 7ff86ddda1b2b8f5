"""`options`: what a merchant's books offer, what is used, and how the shell completes names and fields."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from typing import Any

import pytest

from tests.end_to_end.place import Place, count_writes_by_call, findings_by_code

TIPS = "mapping.sales.accounts.gratuity"


def options_json(place: Place, *arguments: str) -> dict[str, dict[str, Any]]:
    document = json.loads(place.run_in_process("options", "ann", *arguments, "-o", "json").stdout)
    assert document["complete"] is True
    return {field["field"]: field for field in document["fields"]}


@pytest.fixture
def ann(place: Place) -> Place:
    place.provision("ann")
    return place


def test_each_field_says_what_is_selected_declared_and_how_much_there_is(ann: Place) -> None:
    with ann.count_requests() as counts:
        shown = ann.run_in_process("options", "ann").stdout
    assert count_writes_by_call(counts) == {}
    (line,) = [line for line in shown.splitlines() if line.startswith(TIPS)]
    assert '{name: "Tips payable"}' in line
    fields = options_json(ann)
    assert fields["mapping.sales.customer"]["kind"] == "customer"
    assert fields['mapping.sales.taxRates["20"]']["kind"] == "tax-rate"
    assert fields["mapping.fees.supplier"]["kind"] == "supplier"
    assert fields["mapping.sales.invoiceStatus"]["words"] == ["Submitted", "Draft"]


def test_an_option_says_who_uses_it_and_how_a_manifest_means_it(ann: Place) -> None:
    field = options_json(ann, TIPS)[TIPS]
    (tips,) = [each for each in field["options"] if each["name"] == "Tips payable"]
    assert (tips["selectedIn"], tips["declaredIn"]) == ([TIPS], [TIPS])
    assert tips["reference"].startswith("{code: ")
    assert field["offered"] == len(field["options"])


def test_what_is_declared_and_not_selected_is_told_apart(ann: Place) -> None:
    ann.merchant("ann", mapping={"sales": {"accounts": {"gratuity": {"name": "Gift cards outstanding"}}}})
    options = {each["name"]: each for each in options_json(ann, TIPS)[TIPS]["options"]}
    assert TIPS in options["Tips payable"]["selectedIn"]
    assert TIPS not in options["Tips payable"]["declaredIn"]
    assert TIPS in options["Gift cards outstanding"]["declaredIn"]
    assert f"{TIPS} (declared)" in ann.run_in_process("options", "ann", TIPS).stdout


def test_a_search_is_of_words_whatever_their_case(ann: Place) -> None:
    shown = ann.run_in_process("options", "ann", "--search", "PAYABLE tips").stdout
    assert "Tips payable" in shown
    assert "POS card clearing" not in shown


def test_all_below_a_field_are_shown_and_those_that_offer_the_same_once(ann: Place) -> None:
    rates = ann.run_in_process("options", "ann", "mapping.sales.taxRates").stdout
    assert rates.count("(4 options)") == 1
    assert options_json(ann, "mapping.sales.taxRates.20").keys() == {'mapping.sales.taxRates["20"]'}


def test_a_field_that_offers_nothing_is_wrong_usage_and_who_is_not_linked_has_nothing(ann: Place) -> None:
    wrong = ann.run_in_process("options", "ann", "schedule.colour")
    assert (wrong.returncode, "merchantctl options ann lists the fields" in wrong.stderr) == (64, True)
    mistyped = ann.run_in_process("options", "ann", "mapping.sales.accounts.salse")
    assert (mistyped.returncode, "Did you mean 'mapping.sales.accounts.sales'?" in mistyped.stderr) == (64, True)
    ann.unlink_books_in_portal("ann")
    unlinked = ann.run_in_process("options", "ann")
    assert (unlinked.returncode, "not both connections are linked" in unlinked.stderr) == (1, True)


def test_a_finding_leads_to_all_that_is_offered(ann: Place) -> None:
    ann.merchant("ann", mapping={"sales": {"accounts": {"gratuity": {"name": "Tips payble"}}}})
    remedy = findings_by_code(ann.plan(), "ann")["account-unresolved"].remedy
    command = remedy.partition("offered: merchantctl ")[2]
    shown = ann.run_in_process(*shlex.split(command))
    offered = len(options_json(ann, TIPS)[TIPS]["options"])
    assert f"all {offered} that are offered" in remedy
    assert f"({offered} options)" in shown.stdout


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("merchantctl explain a", ["ann"]),
        ("merchantctl options a", ["ann"]),
        ("merchantctl plan --target a", ["ann"]),
        ("merchantctl options ann mapping.sales.acc", [TIPS]),
        ("merchantctl explain ann polix", []),
        ("merchantctl opt", ["options"]),
        ("merchantctl rep", ["report"]),
        ("merchantctl drift --code sync-d", ["sync-disabled"]),
    ],
)
def test_the_shell_completes_names_and_fields(ann: Place, typed: str, offered: list[str]) -> None:
    asked = {"_MERCHANTCTL_COMPLETE": "bash_complete", "COMP_WORDS": typed, "COMP_CWORD": str(len(typed.split()) - 1)}
    call = [sys.executable, "-m", "controller"]
    shown = subprocess.run(
        call, cwd=ann.folder, env=ann.variables() | asked, capture_output=True, text=True, check=False
    )
    completed = {line.partition(",")[2] for line in shown.stdout.splitlines() if line}
    assert (completed >= set(offered), bool(completed), shown.stderr) == (True, bool(offered), "")


def test_the_shell_completes_environments(ann: Place) -> None:
    (ann.folder / "merchantctl.toml").write_text("[environments.sandbox]\n[environments.production]\n")
    asked = {"_MERCHANTCTL_COMPLETE": "bash_complete", "COMP_WORDS": "merchantctl --env s", "COMP_CWORD": "2"}
    call = [sys.executable, "-m", "controller"]
    shown = subprocess.run(
        call, cwd=ann.folder, env=ann.variables() | asked, capture_output=True, text=True, check=False
    )
    assert shown.stdout == "plain,sandbox\n"


def test_a_key_press_beside_broken_manifests_completes_what_can_be_read(ann: Place) -> None:
    (ann.manifests / "broken.yaml").write_text("kind: [")
    asked = {"_MERCHANTCTL_COMPLETE": "bash_complete", "COMP_WORDS": "merchantctl explain a", "COMP_CWORD": "2"}
    call = [sys.executable, "-m", "controller"]
    shown = subprocess.run(
        call, cwd=ann.folder, env=ann.variables() | asked, capture_output=True, text=True, check=False
    )
    assert (shown.stdout, shown.stderr) == ("plain,ann\n", "")
