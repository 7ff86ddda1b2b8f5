"""`codify`: live values into the manifests, where a person accepts the drift.

look at everyone ─▶ what may be declared, and where ─▶ edits of the files' text ─▶ loaded and planned again, on a copy
                                                                    └─ not valid, or still to be changed: why not
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from controller.desired.discovery import display_path, read_manifest_files
from controller.desired.generate import spec_path_of, to_manifest_values
from controller.desired.loader import load_fleet
from controller.desired.yaml_editor import FileEdits, set_value
from controller.environment import REAL_ENVIRONMENT, Environment
from controller.model.account_settings import ACCOUNT_NAME
from controller.model.desired import Fleet
from controller.model.errors import InvalidManifests, MerchantctlError
from controller.model.field_values import LOCAL_TIME_PATH, DeclaredValue, LocalTime, Ref, ref_to_manifest
from controller.model.observed import Configuration, Observed
from controller.model.plan import ChangeKind, Direction, Plan
from controller.model.run_policy import Scope
from controller.operations.bootstrap import (
    OnProgress,
    RunRequest,
    build_run,
    ignore_message,
    load_manifests,
    no_progress,
    open_reader,
    open_store,
)
from controller.operations.shared_budget import shared_budget
from controller.planning.codify import CodifiedField, LiveMerchant, RefusedField, choose_fields_to_codify
from controller.planning.plan import make_plan
from controller.quick_dataclasses import dataclass
from controller.reconcile.fleet import plan_fleet_and_account_settings
from controller.reconcile.load_snapshot import load_snapshot
from controller.reconcile.observe import observe
from controller.reconcile.snapshot import RunSnapshot
from controller.settings import Settings


@dataclass(frozen=True, slots=True)
class CodifyResult:
    """What is to be written, by file its content before and after; and what is not, with the reasons.

    unread  why the look was not complete
    """

    files: Mapping[str, tuple[bytes, bytes]]
    codified: tuple[CodifiedField, ...]
    refused: tuple[RefusedField, ...]
    unread: tuple[str, ...] = ()


async def prepare_codify(
    settings: Settings,
    scope: Scope,
    on_progress: OnProgress = no_progress,
    environment: Environment = REAL_ENVIRONMENT,
) -> CodifyResult:
    """The edits after which a plan leaves the configuration as it is, as far as that can be. Writes nothing."""
    fleet = load_manifests(settings, scope, strict=True, cached=False)
    async with (
        open_store(settings, ignore_message) as store,
        open_reader(settings, environment) as api,
        shared_budget(settings, store, api),
    ):
        request = RunRequest(scope, verb="codify")
        snapshot = await load_snapshot(build_run(settings, request, fleet, store, api, on_progress, environment))
        plan = await plan_fleet_and_account_settings(snapshot)
        plans = {each.merchant: each for each in plan.plans}
        differing = [name for name, each in plans.items() if name in fleet.merchants and each.findings]
        # Whoever could not be read, or raised a fault of ours, would end this for everyone where it does so again.
        observed = {name: await observe(name, snapshot) for name in differing if not plans[name].has_unread}
    looked_at = [
        LiveMerchant(
            fleet.merchants[name],
            plans[name],
            live if name in observed and isinstance(live := observed[name].configuration, Configuration) else None,
            snapshot.recorded_state(name).last_applied,
        )
        for name in differing
    ]
    # A profile may be that of merchants of another environment, too, whom this look cannot have seen.
    everyone = load_fleet(settings.manifests).merchants if settings.selector else fleet.merchants
    codified, not_chosen = choose_fields_to_codify(looked_at, everyone, snapshot.run.service_now())
    refused = [*not_chosen, *_refused_account_fields(plan.account)]
    while True:
        files, written, unwritable = compute_file_edits(codified, _read_file)
        refused += unwritable
        edited, broken = _load_edited_copy(files, settings) if files else (fleet, {})
        if not broken:
            break
        # What breaks a rule in one file keeps nothing out of the others.
        refused += [
            RefusedField(merchant, each.path, f"as declared it would be invalid: {broken[each.file]}")
            for each in written
            if each.file in broken
            for merchant in each.merchants
        ]
        codified = tuple(each for each in written if each.file not in broken)
    known = {(each.merchant, each.field) for each in refused}
    left = [
        each for each in _find_remaining_changes(edited, observed, snapshot) if (each.merchant, each.field) not in known
    ]
    return CodifyResult(files, written, (*refused, *left), plan.unread_reasons)


def _refused_account_fields(account: Plan | None) -> Iterator[RefusedField]:
    """What somebody changed of the account's own settings: it is told, since nothing here writes it."""
    for field, direction in account.differences.items() if account else ():
        if direction is not Direction.PENDING:
            reason = "no merchant's: merchantctl import --account --out - says what the account has live"
            yield RefusedField(ACCOUNT_NAME, field, reason)


def _read_file(file: str) -> bytes:
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise MerchantctlError(f"{file} cannot be read: {error.strerror}. Nothing was written.") from None


def compute_file_edits(
    codified: Collection[CodifiedField], read: Callable[[str], bytes]
) -> tuple[dict[str, tuple[bytes, bytes]], tuple[CodifiedField, ...], tuple[RefusedField, ...]]:
    """By file its content before and after; what of it is written; and what its file does not let be edited."""
    edits: dict[str, FileEdits] = {}
    written, refused = [], []
    for each in codified:
        edit = edits.get(each.file) or edits.setdefault(each.file, FileEdits(read(each.file)))
        kind, _, name = each.manifest.partition(" ")
        comment = (each.old_name, each.new_name) if each.old_name and each.new_name else None
        keys = ("spec", *spec_path_of(each.path))
        change = partial(
            set_value, kind=kind, name=name, keys=keys, value=_manifest_value(each.path, each.value), comment=comment
        )
        if not edit.edit(kind, name, change):
            reason = f"{each.file} declares it in a way that cannot be edited: an anchor, or lines that hold no comment"
            refused += [RefusedField(merchant, each.path, reason) for merchant in each.merchants]
            continue
        written.append(each)
    files = {file: (edit.before, edit.content) for file, edit in edits.items() if edit.content != edit.before}
    return files, tuple(written), tuple(refused)


def _manifest_value(path: str, value: DeclaredValue) -> object:
    """A declared value as a manifest has it; of a local time the time alone, its zone stands beside it."""
    zone = value.zone if isinstance(value, LocalTime) and path == LOCAL_TIME_PATH else None
    plain = to_manifest_values({path: value}, zone)[path]
    if isinstance(plain, Ref):
        return ref_to_manifest(plain)
    return list(plain) if isinstance(plain, tuple) else plain


def _load_edited_copy(files: Mapping[str, tuple[bytes, bytes]], settings: Settings) -> tuple[Fleet, dict[str, str]]:
    """The fleet as edited, from a copy; and by edited file, what is wrong with it. InvalidManifests for other files."""
    with TemporaryDirectory() as folder:
        original = {}
        # Only what is a manifest, and flat: beside them may be what cannot be copied, and links lead elsewhere.
        for number, found in enumerate(read_manifest_files(settings.manifests)):
            if not isinstance(found.content, bytes):
                raise InvalidManifests((found.content,))
            copy = Path(folder) / f"{number:09}.yaml"
            copy.write_bytes(files[found.display_name][1] if found.display_name in files else found.content)
            original[display_path(str(copy))] = found.display_name
        edited = load_fleet(Path(folder), selector=settings.selector)
    diagnostics = tuple(replace(each, file=original.get(each.file, each.file)) for each in edited.diagnostics)
    broken = {each.file: each.what for each in diagnostics if each.file in files}
    if diagnostics and not broken:
        raise InvalidManifests(diagnostics)
    return edited, broken


def _find_remaining_changes(
    edited: Fleet, observed: Mapping[str, Observed], snapshot: RunSnapshot
) -> Iterator[RefusedField]:
    """What a plan would still change of the configuration."""
    for name, seen in observed.items():
        plan = make_plan(edited.merchants[name], seen, snapshot.recorded_state(name), snapshot.run.service_now())
        for change in plan.changes if not plan.has_unread else ():
            if change.kind is ChangeKind.SET_CONFIGURATION:
                yield from (RefusedField(name, each.field, "a plan changes it all the same") for each in change.fields)
