"""All diagnostics come at once: one mistake hides no other, in the same manifest, in its profile or in its file."""

from __future__ import annotations

from pathlib import Path

import pytest

from controller.desired.loader import load_fleet

HEAD = "apiVersion: merchantctl/v1\nkind: Merchant\nmetadata: {name: acme}\nspec:\n  connection: {platform: xero}\n"
PROFILE = HEAD.replace("Merchant", "MappingProfile").replace("acme", "uk")
HALF_HOUR = '  schedule: {time: "00:30", timeZone: Europe/London}\n'
DRAFTS = "  mapping: {sales: {invoiceStatus: Draft}, payments: {sync: true}}\n"


def complaints(root: Path, text: str) -> list[str]:
    (root / "all.yaml").write_text(text)
    return [f"{each.line}:{each.column} {each.what}" for each in load_fleet(root).diagnostics]


@pytest.mark.parametrize(
    "mistake",
    [
        "  colour: red\n",
        "  enabled: no\n",
        "  enabled: null\n",
        "  company: {name: 7, colour: red}\n",
        "  policy: [Correct]\n",
        "  enabled: !!bool true\n",
        "  enabled: true\n  enabled: false\n",
    ],
    ids=["unknown-key", "wrong-type", "null", "deep", "list", "tag", "twice"],
)
def test_a_mistake_of_shape_hides_no_broken_rule_and_no_missing_profile(mistake: str, tmp_path: Path) -> None:
    beside = complaints(tmp_path, HEAD + HALF_HOUR + DRAFTS + mistake)
    assert [each for each in beside if each.startswith("6:20 00:30 in Europe/London is not a whole UTC hour")]
    assert [each for each in beside if each.startswith("7:") and "payments need invoices" in each]
    assert len(beside) > 2
    assert any("there is no MappingProfile 'gone'" in each for each in complaints(tmp_path, HEAD + mistake + GONE))


GONE = "  profile: gone\n"


@pytest.mark.parametrize(
    "mistake",
    [
        "  schedule: {time: 1200, timeZone: Europe/London}\n",
        '  schedule: {time: "12:00", timeZone: Europe/Lodnon}\n',
        "  schedule: {time: noon, timeZone: Europe/Lodnon}\n",
        "  mapping: {sales: {sync: yes}, payments: {sync: true}}\n",
        "  mapping: {sales: {accounts: {sales: {id: a}, Sales: {id: b}}}}\n",
        "  mapping: {payments: {accounts: {card: {}, payout: {}}}}\n",
        "  profile: 7\n",
        "  unmanaged: [7]\n",
    ],
)
def test_what_is_unreadable_breaks_no_rule_besides(mistake: str, tmp_path: Path) -> None:
    whats = complaints(tmp_path, HEAD + mistake)
    assert len(whats) == len({what.split()[0] for what in whats}), whats
    assert not [what for what in whats if "API notes 4.5" in what or "whole UTC hour" in what], whats


def test_a_profile_with_a_mistake_hides_none_of_its_merchants_own(tmp_path: Path) -> None:
    text = PROFILE + "  colour: red\n---\n" + HEAD + "  profile: uk\n" + HALF_HOUR
    assert [each.split()[0] for each in complaints(tmp_path, text)] == ["6:3", "14:20"]


def test_twins_are_checked_too(tmp_path: Path) -> None:
    whats = complaints(tmp_path, HEAD + HALF_HOUR + "---\n" + HEAD)
    assert len([what for what in whats if "two of kind Merchant" in what]) == 2
    assert len(whats) == 3


def test_a_tag_or_a_key_that_is_there_twice_mars_its_own_document_alone(tmp_path: Path) -> None:
    (tmp_path / "all.yaml").write_text(HEAD + "  enabled: !!bool true\n---\n" + HEAD.replace("acme", "bean"))
    found = load_fleet(tmp_path)
    assert list(found.merchants) == ["bean"]
    assert found.known_names == {"acme", "bean"}
    assert not found.is_complete


def test_what_stands_before_a_syntax_error_is_checked(tmp_path: Path) -> None:
    whats = complaints(tmp_path, HEAD + HALF_HOUR + "---\n[")
    assert ["00:30 in Europe/London" in what or "not YAML" in what for what in whats] == [True, True]
