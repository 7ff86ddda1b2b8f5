"""`doctor` names what is wrong and what to do, changes nothing, and never shows the key."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from controller.cli.doctor_checks import check_held_lock
from controller.cli.doctor_webhooks import missing_event_descriptions
from controller.model.hooks import Hook, HookKind, LiveHook
from controller.settings import Settings
from state import LockKind, LockRow, ProcessIdentity
from tests.emulator import Emulator
from tests.unit.cli.conftest import Ended, Merchantctl

NEEDED = (
    "settings",
    "base URL",
    "API key",
    "API",
    "account",
    "clock",
    "quota",
    "state",
    "lock",
    "manifests",
    "webhooks",
    "versions",
)
MANIFEST = """\
apiVersion: merchantctl/v1
kind: Merchant
metadata: {name: ann}
spec: {connection: {platform: xero}}
"""


@pytest.fixture
def place(served: Emulator, folder: Path) -> Emulator:
    (folder / "manifests").mkdir()
    (folder / "manifests" / "ann.yaml").write_text(MANIFEST)
    return served


def failed(ended: Ended) -> dict[str, Any]:
    return {each["name"]: each for each in ended.json["checks"] if not each["ok"]}


def test_where_all_is_well_every_check_says_so_with_two_requests_and_no_file_made(
    merchantctl: Merchantctl, place: Emulator, folder: Path
) -> None:
    ended = merchantctl("doctor", "-o", "json")
    assert ended.code == 0, ended.out
    assert tuple(each["name"] for each in ended.json["checks"]) == NEEDED
    assert place.counts() == {"GET /meta/companies": 1, "GET /profile/syncSettings": 1}
    assert not (folder / "var").exists(), "looking makes no state"
    text = merchantctl("doctor").out
    assert "found in CODAT_API_KEY" in text
    assert text.endswith("Doctor: all is well.\n")
    assert place.api_key not in text


@pytest.mark.parametrize(
    ("name", "value", "check", "step"),
    [
        ("CODAT_API_KEY", "wrong", "API", "set the key of this account"),
        ("CODAT_API_KEY", "", "settings", "mend it"),
        ("CODAT_BASE_URL", "http://127.0.0.1:1", "API", "check the address"),
        ("CODAT_BASE_URL", "ftp://x", "settings", "mend it"),
        ("MERCHANTCTL_MANIFESTS", "nowhere", "manifests", ""),
        ("MERCHANTCTL_STATE", "postgresql://u:hidden@127.0.0.1:1/x", "state", ""),
    ],
)
def test_what_is_wrong_is_named_with_the_next_step(
    merchantctl: Merchantctl,
    place: Emulator,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    value: str,
    check: str,
    step: str,
) -> None:
    monkeypatch.setenv(name, value)
    ended = merchantctl("doctor", "-o", "json")
    assert ended.code == 1
    assert list(failed(ended)) == [check]
    assert failed(ended)[check]["step"].startswith(step)
    assert "hidden" not in ended.out + ended.err


def test_another_server_in_its_place_is_told_from_the_api(merchantctl: Merchantctl, place: Emulator) -> None:
    place.fault("GET /meta/companies", "garbage", times=9)
    assert "not as the API" in failed(merchantctl("doctor", "-o", "json"))["API"]["fact"]


def test_a_clock_that_is_off_is_told_in_seconds(merchantctl: Merchantctl, place: Emulator) -> None:
    place.advance("PT1H")
    check = failed(merchantctl("doctor", "-o", "json"))["clock"]
    assert "behind Codat's" in check["fact"]


def test_the_holder_of_the_lock_and_the_step_of_the_tables_are_told(
    merchantctl: Merchantctl, place: Emulator, folder: Path
) -> None:
    assert merchantctl("state", "list").code == 0
    database = sqlite3.connect(folder / "var" / "merchantctl.db")
    columns = "id, host, pid, started, command, since"
    row = "1, 'elsewhere', 42, 'x', 'merchantctl run', '2026-11-22 05:00:00'"
    database.execute(f"INSERT INTO locks ({columns}) VALUES ({row})")
    database.commit()
    text = merchantctl("doctor").out
    assert "held by `merchantctl run` (pid 42 on elsewhere)" in text
    assert "which is dead: the next run takes it over" in text
    database.execute("UPDATE state_version SET version_num = '9999'")
    database.commit()
    database.close()
    assert "use the newer merchantctl" in failed(merchantctl("doctor", "-o", "json"))["state"]["step"]


@pytest.mark.parametrize("state", ["sqlite:///state.db", "postgresql://db/x"])
def test_a_holder_that_gives_no_sign_of_life_is_not_well_and_the_step_says_how_to_end_it(state: str) -> None:
    holder = LockRow(ProcessIdentity("elsewhere", 42, "x", "merchantctl run"), datetime(2026, 11, 22, 5, tzinfo=UTC))
    settings = Settings("key", "http://127.0.0.1", state, Path("manifests"), 0, lock_lease=20)
    lives, hangs = (
        check_held_lock(LockKind.CONTROLLERS, holder, silent_for_s, settings) for silent_for_s in (5.0, 30.0)
    )
    assert (lives.ok, hangs.ok) == (True, False)
    assert "no sign of life for 30 s: it is stopped, or hangs" in hangs.fact
    assert "kill -9 42 on elsewhere" in hangs.step
    assert ("takes it over 20 s after" in hangs.step) is state.startswith("postgresql")


def test_manifests_with_complaints_show_the_first(merchantctl: Merchantctl, place: Emulator, folder: Path) -> None:
    (folder / "manifests" / "bad.yaml").write_text("kind: Merchand\n")
    assert "bad.yaml:1:" in failed(merchantctl("doctor", "-o", "json"))["manifests"]["fact"]


ALERT_RULES = """\
apiVersion: merchantctl/v1
kind: AlertRules
metadata: {name: hooks}
spec:
  consumers:
    main: {url: "https://hooks.example.com", eventTypes: [connection.deleted], secret: {env: CODAT_SECRET}}
"""
OTHER_EVENTS = ["connection.connected", "connection.disconnected", "connection.reconnected", "read.completed"]


def test_webhooks_that_run_needs_and_nobody_is_told_of_are_warned_of(
    merchantctl: Merchantctl, place: Emulator, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "manifests" / "hooks.yaml").write_text(ALERT_RULES)
    assert merchantctl("apply", "--yes").code == 0

    def webhooks() -> dict[str, str]:
        ended = merchantctl("doctor", "-o", "json")
        assert ended.code == 0, "it works, and should be changed"
        return {
            each["fact"]: each["step"] for each in ended.json["checks"] if each["name"] in ("webhooks", "deliveries")
        }

    assert list(webhooks()) == [
        "there is no secret in env CODAT_SECRET here",
        "Codat calls nobody for a connection that is linked or unlinked and books that were pulled",
        "none was proven yet on this state",
    ]
    monkeypatch.setenv("CODAT_SECRET", "whsec_b25l")
    body = {"url": "https://hooks.example.com", "eventTypes": OTHER_EVENTS}
    place.api.post("/webhooks", json=body).raise_for_status()
    assert next(iter(webhooks())) == "Codat calls for every event that run needs"


def test_only_what_delivers_for_every_company_counts() -> None:
    def hook(*events: str, **more: Any) -> LiveHook:
        tags = frozenset(more.pop("tags", ()))
        return LiveHook("1", Hook(HookKind.CONSUMER, frozenset(events), "https://hooks.example.com", tags=tags), **more)

    legacy = ("DataConnectionStatusChanged", "Sync Connection Deleted", "Data sync completed")
    assert missing_event_descriptions([hook(*legacy)]) == []
    assert len(missing_event_descriptions([hook(*legacy, disabled=True)])) == 3
    assert len(missing_event_descriptions([hook(*legacy, company_id="c")])) == 3
    assert len(missing_event_descriptions([hook(*legacy, tags=["region:uk"])])) == 3
