"""`drift` narrowed to some findings and divided by a label, in every format, against a served copy of the API."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from tests.emulator import Emulator, Merchant
from tests.unit.cli.conftest import Merchantctl
from tests.unit.cli.test_commands import MANIFEST, NEW, portal


@pytest.fixture
def drifted(served: Emulator, folder: Path, merchantctl: Merchantctl) -> list[Merchant]:
    """m-00000 (tier=gold) is switched off by somebody; newcomer is not there yet."""
    (folder / "manifests").mkdir()
    (folder / "manifests" / "fleet.yaml").write_text(MANIFEST)
    fleet = served.seed(2, "configured")
    merchantctl("apply", "--yes")
    (folder / "manifests" / "newcomer.yaml").write_text(NEW)
    portal(served, fleet[0], {"enabled": False})
    return fleet


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (("--only", "drift"), 2),
        (("--only", "pending"), 0),
        (("--code", "sync-*"), 2),
        (("--code", "account-deleted"), 0),
        (("--actor", "apply"), 2),
        (("--actor", "merchant"), 0),
        (("--since", "7d"), 2),
        (("--only", "drift", "-l", "tier=gold"), 2),
        (("--only", "drift", "-l", "!tier"), 0),
    ],
    ids=str,
)
def test_the_exit_code_is_about_the_findings_that_are_shown(
    merchantctl: Merchantctl, drifted: list[Merchant], options: tuple[str, ...], code: int
) -> None:
    assert merchantctl("drift", *options).code == code


@pytest.mark.parametrize("output", ["text", "json", "markdown", "html", "csv"])
def test_every_format_shows_what_the_filter_shows(
    merchantctl: Merchantctl, drifted: list[Merchant], output: str
) -> None:
    shown = merchantctl("drift", "--code", "sync-disabled", "-o", output)
    left_out = merchantctl("drift", "--code", "account-deleted", "-o", output)
    told = '"merchant": "m-00000"' if output == "json" else "m-00000"
    assert (told in shown.out, told in left_out.out) == (True, False)


def test_what_is_left_out_is_counted(merchantctl: Merchantctl, drifted: list[Merchant]) -> None:
    document = merchantctl("drift", "--only", "pending", "--code", "sync-disabled", "-o", "json").json
    assert (document["summary"], document["leftOut"]) == ({}, 1)
    assert document["filter"] == {"only": "pending", "codes": ["sync-disabled"], "actors": [], "since": None}
    assert (
        "Shown: only pending; code sync-disabled. 1 other finding is left out."
        in merchantctl("drift", "--only", "pending", "--code", "sync-disabled").out
    )


@pytest.mark.parametrize("output", ["text", "json", "markdown", "html", "csv"])
def test_a_report_is_divided_by_a_label(merchantctl: Merchantctl, drifted: list[Merchant], output: str) -> None:
    ended = merchantctl("drift", "--group-by", "tier", "-o", output)
    if output == "json":
        gold, none = ended.json["parts"]
        assert gold == {"value": "gold", "merchants": 1, "withFindings": 1, "summary": {"sync-disabled": 1}}
        assert (none["value"], none["merchants"]) == (None, 2)
    elif output == "csv":
        rows = list(csv.DictReader(io.StringIO(ended.out.removeprefix("\ufeff"))))
        assert {row["merchant"]: row["label tier"] for row in rows} == {"m-00000": "gold"}
    else:
        assert "tier=gold: 1 merchant, 1 of them with findings" in ended.out
        assert "no tier: 2 merchants, 0 of them with findings" in ended.out


def test_since_last_shows_what_came_after_the_last_recorded_look(
    merchantctl: Merchantctl, served: Emulator, drifted: list[Merchant]
) -> None:
    first = merchantctl("drift", "--record", "--since", "last")
    assert first.code == 2
    assert "no drift --record has been made on this state, so everything counts as new" in first.err
    assert merchantctl("drift", "--since", "last").code == 0, "the same drift is not new"
    portal(served, drifted[1], {"enabled": False})
    again = merchantctl("drift", "--record", "--since", "last")
    assert ("m-00001" in again.out, "m-00000" in again.out) == (True, False)


def test_what_cannot_be_read_stays_5_whatever_is_shown(
    merchantctl: Merchantctl, served: Emulator, drifted: list[Merchant]
) -> None:
    fault = {"match": "GET /config/companies/{companyId}/sync/commerce", "times": 99, "do": "status", "code": 500}
    served.control("POST", "/faults", fault)
    assert merchantctl("drift", "--code", "account-deleted").code == 5


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        (("--code", "sync-disable"), "Did you mean 'sync-disabled'?"),
        (("--code", ""), "no finding has the code ''"),
        (("--since", "yesterday"), "is not last, a time like 7d, or a day"),
        (("--actor", "bank"), "bank"),
    ],
    ids=str,
)
def test_a_filter_that_nothing_can_match_is_wrong_usage(
    merchantctl: Merchantctl, drifted: list[Merchant], options: tuple[str, ...], hint: str
) -> None:
    ended = merchantctl("drift", *options)
    assert ended.code == 64
    assert hint in ended.err
