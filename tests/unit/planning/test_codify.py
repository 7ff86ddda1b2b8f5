"""Whatever happens in the portal or the books: after codify a plan leaves the configuration, or it was said why."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.codat.from_wire import read_configuration
from controller.desired.loader import load_fleet
from controller.model.desired import DesiredMerchant
from controller.model.field_values import RefKind
from controller.model.observed import Absent, BooksRecord, Unread
from controller.model.plan import ChangeKind
from controller.operations.codify import compute_file_edits
from controller.planning.codify import LiveMerchant, RefusedField, choose_fields_to_codify
from controller.planning.plan import make_plan
from tests import build

Json = dict[str, Any]
MERCHANT = (build.SCENARIOS / "001-in-sync" / "manifest.yaml").read_text()
PROFILE = (build.SCENARIOS / "usual.yaml").read_text()
USUAL = build.usual_json("configuration")
SECTIONS = USUAL["configuration"]


def load(files: dict[str, bytes]) -> tuple[DesiredMerchant | None, list[str]]:
    """The merchant that files declare, and what is wrong with them; origins are by the files' names alone."""
    with TemporaryDirectory() as folder:
        for name, content in files.items():
            (Path(folder) / name).write_bytes(content)
        fleet = load_fleet(Path(folder), today=build.USUAL_NOW.date())
    return fleet.merchants.get("acme-coffee"), [each.what for each in fleet.diagnostics]


def selections(document: Json) -> list[tuple[Json, str, list[str]]]:
    """Every selection of the document: its row, the key of the selected id, and what may be selected."""
    found = []
    configuration = document["configuration"]
    for section in ("sales", "payments", "fees"):
        for row in configuration[section]["accounts"].values():
            found.append((row, "selectedAccountId", [each["id"] for each in row["accountOptions"]]))
    for row in configuration["sales"]["taxRates"].values():
        found.append((row, "selectedTaxRateId", [each["id"] for each in row["taxRateOptions"]]))
    return found


@st.composite
def drifted_documents(draw: st.DrawFn) -> Json:
    """The usual document as a portal can leave it: other selections or none, switches, words, hours and starts."""
    document = deepcopy(USUAL)
    for row, key, ids in selections(document):
        if draw(st.booleans()):
            row[key] = draw(st.sampled_from([*ids, None, "gone"]))
    configuration = document["configuration"]
    for section, switch in (("sales", "syncSales"), ("payments", "syncPayments"), ("fees", "syncFees")):
        configuration[section][switch] = draw(st.sampled_from([True, True, False]))
    sales = configuration["sales"]
    sales["invoiceStatus"]["selectedInvoiceStatus"] = draw(st.sampled_from(["Submitted", "Draft"]))
    document["enabled"] = draw(st.booleans())
    document["schedule"]["syncHourUtc"] = draw(st.integers(0, 23))
    document["schedule"]["selectedFrequency"] = draw(st.sampled_from(["Daily", "Daily", "Monthly"]))
    days = ["2026-01-05T00:00:00Z", "2026-02-01T00:00:00Z", "2025-12-01T00:00:00Z", "2026-07-01T05:30:00Z"]
    document["schedule"]["startDate"] = draw(st.sampled_from([*days, "2026-06-30T23:00:00Z"]))
    if draw(st.booleans()):  # renamed or renumbered in the books
        row, _, _ = draw(st.sampled_from(selections(document)))
        options = row.get("accountOptions") or row["taxRateOptions"]
        option = draw(st.sampled_from(options))
        option["name"] = draw(st.sampled_from(["Other", options[0]["name"], option["name"]]))
    return document


@settings(deadline=None, max_examples=150)
@given(drifted_documents())
def test_after_codify_a_plan_leaves_the_configuration_or_it_was_said_why(document: Json) -> None:
    files = {"manifest.yaml": MERCHANT.encode(), "usual.yaml": PROFILE.encode()}
    desired, _ = load(files)
    assert desired is not None
    live = read_configuration(json.dumps(document).encode(), build.USUAL_NOW)
    gone: dict[tuple[str, str], BooksRecord | Absent | Unread] = {(kind, "gone"): Absent() for kind in RefKind}
    seen, recorded = build.observed(live, records=gone), build.recorded_state()
    plan = make_plan(desired, seen, recorded, build.USUAL_NOW)
    looked_at = LiveMerchant(desired, plan, live, recorded.last_applied)
    codified, refused = choose_fields_to_codify([looked_at], {"acme-coffee": desired}, build.USUAL_NOW)

    edited, _, unwritable = compute_file_edits(codified, lambda file: files[Path(file).name])
    after = files | {Path(file).name: content for file, (_, content) in edited.items()}
    again, complaints = load(after)
    if again is None:
        assert complaints  # the command says so, and writes nothing
        return
    said = {each.field for each in (*refused, *unwritable)}
    changes = make_plan(again, seen, recorded, build.USUAL_NOW).changes
    left = {field.field for change in changes if change.kind is ChangeKind.SET_CONFIGURATION for field in change.fields}
    assert left <= said
    assert not any("gone" in str(each.value) for each in codified)
    assert not any(each.path == "enabled" and each.value is False for each in codified)
    assert_comments_stay(files, after)


def assert_comments_stay(before: dict[str, bytes], after: dict[str, bytes]) -> None:
    for name, content in before.items():
        comments = [line for line in content.decode().splitlines() if line.startswith("#")]
        assert [line for line in after[name].decode().splitlines() if line.startswith("#")] == comments


def test_in_sync_there_is_nothing_to_codify() -> None:
    desired, _ = load({"manifest.yaml": MERCHANT.encode(), "usual.yaml": PROFILE.encode()})
    assert desired is not None
    plan = make_plan(desired, build.observed(), build.recorded_state(), build.USUAL_NOW)
    looked_at = LiveMerchant(desired, plan, build.usual_configuration(), build.recorded_state().last_applied)
    assert choose_fields_to_codify([looked_at], {"acme-coffee": desired}, build.USUAL_NOW) == ((), ())


@pytest.mark.parametrize("field", ["enabled", "schedule.startDate"])
def test_a_refusal_names_its_merchant_and_field(field: str) -> None:
    patch: Json = {"enabled": False} if field == "enabled" else {"schedule": {"startDate": "2025-12-01T00:00:00Z"}}
    desired, _ = load({"manifest.yaml": MERCHANT.encode(), "usual.yaml": PROFILE.encode()})
    assert desired is not None
    live = build.usual_configuration(patch)
    plan = make_plan(desired, build.observed(live), build.recorded_state(), build.USUAL_NOW)
    looked_at = LiveMerchant(desired, plan, live, build.recorded_state().last_applied)
    (codified, (refused,)) = choose_fields_to_codify([looked_at], {"acme-coffee": desired}, build.USUAL_NOW)
    assert isinstance(refused, RefusedField)
    assert (codified, refused.merchant, refused.field) == ((), "acme-coffee", field)
