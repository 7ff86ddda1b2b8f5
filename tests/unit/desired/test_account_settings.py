"""The documents about the account: what they declare, and what is wrong with them, with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from controller.desired.loader import load_fleet

HEAD = "apiVersion: merchantctl/v1\nkind: SyncFlow\nmetadata: {name: %s, labels: {env: %s}}\nspec:\n"


def write(folder: Path, name: str, spec: str, env: str = "live") -> None:
    (folder / f"{name}.yaml").write_text(HEAD % (name, env) + spec)


def test_several_documents_share_the_work_and_each_value_has_its_place(tmp_path: Path) -> None:
    write(tmp_path, "english", "  text: {en-us: {configure-misc-nextButton: Go}}\n")
    write(tmp_path, "french", "  text: {fr-fr: {configure-misc-nextButton: null}}\n  visibleAccounts: []\n")
    fleet = load_fleet(tmp_path)
    assert fleet.diagnostics == ()
    assert fleet.account_settings.values == {
        "text.en-us.configure-misc-nextButton": "Go",
        "text.fr-fr.configure-misc-nextButton": None,
        "visibleAccounts": (),
    }
    place = str(fleet.account_settings.origins["visibleAccounts"])
    assert place == f"{tmp_path}/french.yaml:6:20"
    assert not fleet.is_empty


def test_a_setting_stands_in_one_document(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write(tmp_path, name, "  redirectUrl: https://shop.example/done\n")
    (diagnostic,) = load_fleet(tmp_path).diagnostics
    assert str(diagnostic).startswith(f"{tmp_path}/two.yaml:5:16: redirectUrl is declared at {tmp_path}/one.yaml:5:16")


def test_an_environment_has_the_documents_of_its_labels(tmp_path: Path) -> None:
    for name in ("live", "sandbox"):
        write(tmp_path, name, f"  redirectUrl: https://{name}.example/done\n", env=name)
    fleet = load_fleet(tmp_path, selector="env=sandbox")
    assert (fleet.diagnostics, fleet.account_settings.values) == ((), {"redirectUrl": "https://sandbox.example/done"})


def test_what_the_account_declares_is_part_of_the_revision(tmp_path: Path) -> None:
    digests = set()
    for spec in ("{}", "{visibleAccounts: []}", "{visibleAccounts: [], policy: {drift: Report}}"):
        write(tmp_path, "flow", f"  {spec}\n")
        digests.add(load_fleet(tmp_path).digest)
    assert len(digests) == 3


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [
        ("visibleAccounts: [sales-accounts-gratuty]", "did you mean 'sales-accounts-gratuity'?"),
        ("text: {en-gb: {}}", "did you mean 'en-us'?"),
        ("text: {en-us: {nextButton: Go}}", "write a key of the Sync Flow's text"),
        ("text: {en-us: {configure-misc-nextButton: 1}}", 'quote it: "1"'),
        ("redirectUrl: shop.example", "write the whole address"),
        ("redirectUrl: https://me:secret@shop.example", "without user and password"),
        ("dataTypes: {taxRates: {syncSchedule: -1}}", "write a whole number, at least 0"),
        ("dataTypes: {taxRates: {syncSchedule: 9000}}", "write a whole number, at most 8784"),
        ("branding: {tint: red}", "known here: name, logoUrl, iconUrl"),
        ("policy: {drift: Correct, deletion: Delete}", "unknown key 'deletion'"),
    ],
)
def test_every_complaint_says_what_to_write(tmp_path: Path, spec: str, complaint: str) -> None:
    write(tmp_path, "flow", f"  {spec}\n")
    (diagnostic,) = load_fleet(tmp_path).diagnostics
    assert complaint in str(diagnostic)
    assert "me:secret" not in str(diagnostic)


def test_no_merchant_is_called_as_the_account_is(tmp_path: Path) -> None:
    head = "apiVersion: merchantctl/v1\nkind: Merchant\nmetadata: {name: (account)}\n"
    (tmp_path / "m.yaml").write_text(head + "spec: {connection: {platform: xero}}\n")
    (diagnostic,) = load_fleet(tmp_path).diagnostics
    assert "it stands for the account's settings" in str(diagnostic)
