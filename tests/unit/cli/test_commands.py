"""The commands as a script drives them, against a served copy of the API."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.emulator import Emulator, Merchant
from tests.narrowing import present
from tests.unit.cli.conftest import Merchantctl

MANIFEST = """\
apiVersion: merchantctl/v1
kind: MappingProfile
metadata: {name: small}
spec:
  connection: {platform: xero}
  enabled: true
  mapping: {sales: {accounts: {sales: {code: "200"}}}}
---
apiVersion: merchantctl/v1
kind: Merchant
metadata: {name: m-00000, labels: {tier: gold}}
spec: {profile: small}
---
apiVersion: merchantctl/v1
kind: Merchant
metadata: {name: m-00001}
spec:
  profile: small
  mapping: {sales: {accounts: {sales: {code: "200"}}}}
"""
GET_CONFIGURATION = "GET /config/companies/{companyId}/sync/commerce"
NEW = """\
apiVersion: merchantctl/v1
kind: Merchant
metadata: {name: newcomer}
spec: {connection: {platform: xero}}
"""


@pytest.fixture
def fleet(served: Emulator, folder: Path) -> list[Merchant]:
    """Two merchants, provisioned and in sync, that no apply has touched yet."""
    (folder / "manifests").mkdir()
    (folder / "manifests" / "fleet.yaml").write_text(MANIFEST)
    return served.seed(2, "configured")


def portal(served: Emulator, merchant: Merchant, patch: dict[str, Any]) -> None:
    served.control("PATCH", f"/companies/{merchant['companyId']}/configuration", patch)


def test_a_fleet_in_sync_is_0_whatever_is_asked(
    merchantctl: Merchantctl, served: Emulator, fleet: list[Merchant]
) -> None:
    for arguments in (("plan", "--detailed-exitcode"), ("apply", "--yes"), ("drift",), ("status",)):
        ended = merchantctl(*arguments)
        assert (ended.code, ended.err) == (0, f"merchantctl: the API at {served.url}\n")


def test_a_plan_is_2_with_the_detailed_exit_code_and_writes_nothing(
    merchantctl: Merchantctl, served: Emulator, fleet: list[Merchant]
) -> None:
    portal(served, fleet[0], {"enabled": False})
    assert merchantctl("plan").code == 0
    ended = merchantctl("plan", "--detailed-exitcode", "-o", "json")
    assert ended.code == 2
    assert [each["state"] for each in ended.json["merchants"]] == ["change", "in-sync"]
    assert {call.split()[0] for call in served.counts()} <= {"GET", "POST"}
    assert not [call for call in served.counts() if call.startswith("POST /config")]


def test_drift_is_2_and_apply_mends_it_with_one_write(
    merchantctl: Merchantctl, served: Emulator, fleet: list[Merchant]
) -> None:
    merchantctl("apply", "--yes")
    portal(served, fleet[0], {"enabled": False})
    ended = merchantctl("drift", "-o", "json")
    assert (ended.code, ended.json["summary"]) == (2, {"sync-disabled": 1})
    applied = merchantctl("apply", "--yes", "-o", "json")
    assert (applied.code, applied.json["kind"]) == (0, "ApplyReport")
    assert applied.json["merchants"][0]["outcome"] == {"result": "done", "writes": 1, "findings": []}
    assert merchantctl("drift").code == 0


@pytest.mark.parametrize("form", ["text", "json", "markdown", "html", "csv"])
def test_drift_comes_in_every_format(
    merchantctl: Merchantctl, served: Emulator, fleet: list[Merchant], form: str
) -> None:
    portal(served, fleet[0], {"enabled": False})
    ended = merchantctl("drift", "-o", form)
    assert ended.code == 2
    assert "sync-disabled" in ended.out.replace("\\", "")


@pytest.mark.parametrize("form", ["text", "json", "markdown", "html"])
def test_a_plan_comes_in_every_format(
    merchantctl: Merchantctl, served: Emulator, fleet: list[Merchant], form: str
) -> None:
    portal(served, fleet[0], {"enabled": False})
    ended = merchantctl("plan", "-o", form)
    assert ended.code == 0
    assert "m-00000" in ended.out


def test_without_a_terminal_apply_wants_yes_before_it_asks_anybody(
    merchantctl: Merchantctl, served: Emulator, fleet: list[Merchant], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = served.counts()
    with open(os.devnull) as nobody:
        monkeypatch.setattr("sys.stdin", nobody)
        assert merchantctl("apply").code == 64
    assert served.counts() == before


@pytest.mark.parametrize(("keys", "code"), [(b"n\n", 1)], ids=["no"])
def test_someone_who_does_not_agree_at_the_terminal_has_nothing_done(
    served: Emulator, fleet: list[Merchant], folder: Path, keys: bytes, code: int
) -> None:
    portal(served, fleet[0], {"enabled": False})
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", "from controller.__main__ import main; main()", "apply"]
    with subprocess.Popen(command, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        asked = b""
        while b"[y/N]" not in asked:
            asked += present(process.stderr).read(1)
        if keys:
            os.write(ours, keys)
        else:
            process.send_signal(signal.SIGINT)
        process.communicate(timeout=300)
    assert process.returncode == code
    assert not [call for call in served.counts() if call.startswith("POST /config")]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_plan_that_is_stopped_by_a_signal_says_so_in_its_code_and_in_one_line(
    served: Emulator, fleet: list[Merchant], folder: Path, number: signal.Signals, code: int
) -> None:
    served.fault("GET /meta/companies", "delay", ms=20_000)
    command = [sys.executable, "-c", "from controller.__main__ import main; main()", "plan"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        while not served.counts().get("GET /meta/companies"):
            assert process.poll() is None
        process.send_signal(number)
        out, err = process.communicate(timeout=300)
    assert (process.returncode, out) == (code, b"")
    assert len(err.splitlines()) <= 3, "where it talks to, the end of a line that ^C left, and why it stopped"


def test_targets_and_selectors_narrow_a_run(merchantctl: Merchantctl, fleet: list[Merchant]) -> None:
    def names(*arguments: str) -> list[str]:
        return [each["merchant"] for each in merchantctl("plan", "-o", "json", *arguments).json["merchants"]]

    assert names("--target", "m-*1") == ["m-00001"]
    assert names("--target", "m-00000", "--target", "m-00001") == ["m-00000", "m-00001"]
    assert names("-l", "tier=gold") == ["m-00000"]
    assert names("-l", "tier!=gold") == ["m-00001"]


def test_a_saved_plan_is_carried_out_and_readable_by_its_owner_alone(
    merchantctl: Merchantctl, served: Emulator, fleet: list[Merchant], folder: Path
) -> None:
    portal(served, fleet[0], {"enabled": False})
    merchantctl("plan", "--out", "plans/today.plan")
    assert (folder / "plans" / "today.plan").stat().st_mode & 0o777 == 0o600
    assert merchantctl("apply", "plans/today.plan", "--yes").code == 0
    assert served.configuration(fleet[0])["enabled"] is True


def test_an_edited_saved_plan_is_refused_before_anything_is_asked(
    merchantctl: Merchantctl, served: Emulator, fleet: list[Merchant], folder: Path
) -> None:
    merchantctl("plan", "--out", "today.plan")
    plan = folder / "today.plan"
    plan.write_text(plan.read_text().replace("m-00000", "m-00009"))
    before = served.counts()
    ended = merchantctl("apply", "today.plan", "--yes")
    assert ended.code == 1
    assert "edited" in ended.err
    assert served.counts() == before


def test_a_saved_plan_takes_no_target(merchantctl: Merchantctl, fleet: list[Merchant]) -> None:
    merchantctl("plan", "--out", "today.plan")
    assert merchantctl("apply", "today.plan", "--yes", "--target", "m-00000").code == 64


def test_a_refused_apply_is_4_with_the_numbers_and_the_flag(
    merchantctl: Merchantctl, served: Emulator, fleet: list[Merchant]
) -> None:
    for each in fleet:
        portal(served, each, {"enabled": False})
    ended = merchantctl("apply", "--yes", "--max-changes", "1")
    assert ended.code == 4
    assert "Refused by a safety limit" in ended.out
    assert "--max-changes" in ended.out


def test_invalid_manifests_are_65_with_every_address(
    merchantctl: Merchantctl, fleet: list[Merchant], folder: Path
) -> None:
    (folder / "manifests" / "broken.yaml").write_text("kind: Merchnat\nmetadata: {name: x}\n")
    for verb in ("plan", "apply", "status"):
        ended = merchantctl(verb, *(["--yes"] if verb == "apply" else []))
        assert (ended.code, ended.out) == (65, "")
        assert "manifests/broken.yaml:1:7" in ended.err


def test_drift_reports_on_the_readable_part_and_is_65(
    merchantctl: Merchantctl, fleet: list[Merchant], folder: Path
) -> None:
    (folder / "manifests" / "broken.yaml").write_text("kind: Merchnat\nmetadata: {name: x}\n")
    ended = merchantctl("drift", "-o", "json")
    assert ended.code == 65
    assert ended.json["complete"] is False
    assert ended.json["complaints"][0]["file"] == "manifests/broken.yaml"


def test_what_cannot_be_read_is_5(merchantctl: Merchantctl, served: Emulator, fleet: list[Merchant]) -> None:
    served.fault("GET /config/companies/{companyId}/sync/commerce", "status", times=100, code=500)
    ended = merchantctl("drift", "-o", "json")
    assert ended.code == 5
    assert "unknown" in ended.json["summary"]


def test_a_wrong_key_is_1_and_shown_to_nobody(
    merchantctl: Merchantctl, fleet: list[Merchant], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CODAT_API_KEY", "wrong-key-42")
    ended = merchantctl("plan")
    assert ended.code != 0
    assert "wrong-key-42" not in ended.out + ended.err
    assert "Traceback" not in ended.err


def test_a_newcomer_waits_for_consent_and_link_prints_what_to_send(
    merchantctl: Merchantctl, served: Emulator, fleet: list[Merchant], folder: Path
) -> None:
    (folder / "manifests" / "new.yaml").write_text(NEW)
    assert merchantctl("link", "newcomer").code == 1
    assert merchantctl("apply", "--yes").code == 0
    status = merchantctl("status", "newcomer", "-o", "json").json["merchants"][0]
    assert status["findings"][0]["code"] == "connection-pending"
    link = merchantctl("link", "newcomer")
    assert (link.code, link.out.strip()) == (0, status["findings"][0]["link"])
    assert "otp=" in merchantctl("link", "newcomer", "--sync-flow").out


def test_a_merchant_that_nobody_declares_is_wrong_usage(merchantctl: Merchantctl, fleet: list[Merchant]) -> None:
    for verb in ("status", "explain", "link"):
        ended = merchantctl(verb, "nobody")
        assert ended.code == 64
        assert "'nobody'" in ended.err


def test_status_of_one_merchant_shows_its_conditions(merchantctl: Merchantctl, fleet: list[Merchant]) -> None:
    assert "AccountingConnected  True" in merchantctl("status", "m-00000").out
    assert "2 of 2 merchants ready." in merchantctl("status").out


def test_refresh_asks_for_everyone(merchantctl: Merchantctl, served: Emulator, fleet: list[Merchant]) -> None:
    merchantctl("apply", "--yes")
    ended = merchantctl("refresh", "-o", "json")
    assert ended.code == 0
    assert [each["result"] for each in ended.json["merchants"]] == ["asked", "asked"]


def test_explain_names_file_and_line_of_every_layer_the_winner_first(
    merchantctl: Merchantctl, fleet: list[Merchant]
) -> None:
    ended = merchantctl("explain", "m-00001", "mapping.sales.accounts.sales", "-o", "json")
    origins = ended.json["fields"][0]["origins"]
    assert [(each["manifest"], each["file"], each["line"]) for each in origins] == [
        ("Merchant m-00001", "manifests/fleet.yaml", 19),
        ("MappingProfile small", "manifests/fleet.yaml", 7),
    ]
    text = merchantctl("explain", "m-00001", "mapping").out
    assert "MappingProfile small, overridden" in text


def test_explain_tells_a_default_from_a_line_of_a_manifest(merchantctl: Merchantctl, fleet: list[Merchant]) -> None:
    fields = {each["field"]: each for each in merchantctl("explain", "m-00000", "-o", "json").json["fields"]}
    assert fields["policy.drift"] == {"field": "policy.drift", "value": "Correct", "default": True, "origins": []}
    assert fields["connection.state"]["value"] == "Linked"
    assert fields["company.name"]["origins"][0]["file"] == "manifests/fleet.yaml"
    assert merchantctl("explain", "m-00000", "policy").out.splitlines()[:2] == ["policy.adopt: true", "    default"]
    assert "Did you mean policy.drift?" in merchantctl("explain", "m-00000", "polcy.drift").out


def test_explain_of_what_nobody_declares_says_that_it_is_not_managed(
    merchantctl: Merchantctl, fleet: list[Merchant]
) -> None:
    ended = merchantctl("explain", "m-00000", "mapping.fees")
    assert ended.code == 0
    assert "mapping.fees: not managed" in ended.out
    assert "Did you mean 'm-0000" in merchantctl("explain", "m-0000").err


def test_history_tells_what_was_done_and_found(
    merchantctl: Merchantctl, served: Emulator, fleet: list[Merchant]
) -> None:
    portal(served, fleet[0], {"enabled": False})
    merchantctl("apply", "--yes")
    history = merchantctl("history", "m-00000", "-o", "json").json
    assert history["events"][-1]["what"] == "done"
    assert history["findings"][0]["code"] == "sync-disabled"
    assert "found" in merchantctl("history", "m-00000").out


def test_state_can_be_listed_shown_renamed_and_forgotten(merchantctl: Merchantctl, fleet: list[Merchant]) -> None:
    merchantctl("apply", "--yes")
    listed = merchantctl("state", "list", "-o", "json").json["merchants"]
    assert [each["companyId"] for each in listed] == [each["companyId"] for each in fleet]
    assert merchantctl("state", "show", "m-00000", "-o", "json").json["tables"]["merchants"]
    assert merchantctl("state", "mv", "m-00000", "other").code == 0
    assert merchantctl("state", "rm", "other").code == 0
    assert merchantctl("state", "show", "other").code == 1
    assert "m-00000" not in merchantctl("state", "list").out


def test_state_goes_out_and_into_an_empty_one(merchantctl: Merchantctl, fleet: list[Merchant], folder: Path) -> None:
    merchantctl("apply", "--yes")
    merchantctl("state", "export", "--out", "backup.json")
    assert merchantctl("--state", "sqlite:///other.db", "state", "import", "backup.json").code == 0
    listed = merchantctl("--state", "sqlite:///other.db", "state", "list").out
    assert listed == merchantctl("state", "list").out
    assert merchantctl("state", "import", "backup.json").code == 1
    (folder / "no.json").write_text("[]")
    assert merchantctl("state", "import", "no.json").code == 64


def test_the_key_is_in_no_output_state_or_plan(
    merchantctl: Merchantctl, served: Emulator, fleet: list[Merchant], folder: Path
) -> None:
    portal(served, fleet[0], {"enabled": False})
    printed = ""
    for arguments in (("plan", "--out", "a.plan"), ("drift", "-o", "json"), ("apply", "--yes"), ("state", "export")):
        ended = merchantctl("-vv", *arguments)
        printed += ended.out + ended.err
    files = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    assert served.api_key not in printed
    assert served.api_key.encode() not in files


# -- validate --online


def test_validate_online_looks_every_reference_up_and_writes_nothing(
    merchantctl: Merchantctl, served: Emulator, fleet: list[Merchant]
) -> None:
    ended = merchantctl("validate", "--online")
    assert (ended.code, ended.err) == (0, f"merchantctl: the API at {served.url}\n")
    assert ended.out == "2 merchants: all sound.\nOnline: 2 merchants looked up.\n"
    assert {call.split()[0] for call in served.counts()} <= {"GET", "POST"}
    assert not [call for call in served.counts() if call.startswith("POST /config")]


def test_validate_online_names_what_a_profile_gets_wrong_once_with_its_address_and_the_nearest(
    merchantctl: Merchantctl, served: Emulator, fleet: list[Merchant], folder: Path
) -> None:
    manifests = folder / "manifests" / "fleet.yaml"
    manifests.write_text(MANIFEST.replace('sales: {code: "200"}', "sales: {name: Salez}"))
    ended = merchantctl("validate", "--online")
    assert ended.code == 3
    assert "manifests/fleet.yaml:7:" in ended.err
    assert "name 'Salez' matches none of the options of m-0000" in ended.err
    assert "Sales" in ended.err
    document = merchantctl("validate", "--online", "-o", "json").json
    assert {each["problem"] for each in document["online"]["references"]} == {"unresolved"}


def test_validate_online_counts_who_has_nothing_to_look_in_yet_and_tells_what_it_could_not_read(
    merchantctl: Merchantctl, served: Emulator, fleet: list[Merchant], folder: Path
) -> None:
    (folder / "manifests" / "new.yaml").write_text(NEW)
    early = merchantctl("validate", "--online")
    assert (early.code, early.out.splitlines()[1]) == (
        0,
        "Online: 2 merchants looked up, 1 too early (not created yet).",
    )
    path = f"GET /config/companies/{fleet[0]['companyId']}/sync/commerce"
    served.fault(path, "status", times=9, code=418)
    unread = merchantctl("validate", "--online")
    assert unread.code == 5
    assert "m-00000: could not be read" in unread.err


def test_validate_online_looks_only_into_the_books_of_whom_the_selector_means(
    merchantctl: Merchantctl, served: Emulator, fleet: list[Merchant], folder: Path
) -> None:
    manifests = folder / "manifests" / "fleet.yaml"
    manifests.write_text(MANIFEST.removesuffix('{code: "200"}}}}\n') + "{name: Salez}}}}\n")
    assert merchantctl("validate", "--online").code == 3
    before = served.counts()[GET_CONFIGURATION]
    gold = merchantctl("validate", "--online", "-l", "tier=gold")
    assert (gold.code, gold.out.splitlines()[1]) == (0, "Online: 1 merchant looked up.")
    assert served.counts()[GET_CONFIGURATION] - before == 1
    others = merchantctl("validate", "--online", "-l", "tier!=gold")
    assert (others.code, "'Salez'" in others.err) == (3, True)
    assert merchantctl("validate", "-l", "tier=gold").code == 64


def test_validate_online_asks_nobody_while_the_manifests_are_not_sound(
    merchantctl: Merchantctl, served: Emulator, fleet: list[Merchant], folder: Path
) -> None:
    (folder / "manifests" / "broken.yaml").write_text("kind: Merchand\n")
    before = served.counts()
    assert merchantctl("validate", "--online").code == 65
    assert served.counts() == before
