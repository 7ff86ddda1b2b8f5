"""A fleet that exists, as manifests: the listing sorted out, each configuration read once, nothing written.

listing ─▶ chosen by name and platform ─▶ what no manifest can adopt is left out ─▶ read ─▶ drafts ─▶ manifests
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field, replace
from datetime import datetime
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Any

from controller.codat.client import Reader
from controller.codat.from_wire import read_configuration
from controller.codat.undeclarable import NO_KEY_REASON, find_undeclarable_parts
from controller.desired.document_rewriter import load_profile_specs
from controller.desired.generate import (
    ManifestValue,
    MerchantDraft,
    build_manifests,
    choose_manifest_name,
    drop_invalid_fields,
    to_manifest_values,
)
from controller.desired.loader import load_fleet
from controller.desired.schema import MAX_MANIFEST_TEXT_LENGTH, MERCHANT_KIND, is_manifest_name
from controller.desired.yaml_writer import NewManifest
from controller.environment import REAL_ENVIRONMENT, Environment
from controller.model.desired import DesiredMerchant, Fleet, MerchantPolicy
from controller.model.errors import (
    DataNotReady,
    InvalidManifests,
    RemoteError,
    TransientError,
    UsageError,
)
from controller.model.field_values import COMPANY_NAME_PATH, CONNECTION_STATE_PATH, PLATFORM_PATH
from controller.model.name_matching import (
    company_name_key,
    describe_character,
    find_invisible_flaw,
    is_invisible,
    match_names_by_glob,
    nfc,
    normalize_company_name,
)
from controller.model.observed import (
    LINKED,
    PENDING_AUTH,
    UNLINKED,
    Company,
    Connection,
    Listing,
    RecordedState,
)
from controller.model.platforms import platform_name
from controller.operations.bootstrap import (
    EMPTY_FLEET,
    OnProgress,
    ignore_message,
    no_progress,
    open_reader,
    open_store,
)
from controller.operations.shared_budget import shared_budget
from controller.planning.clock_skew import service_time
from controller.planning.connection import choose_connection
from controller.planning.from_live import DeclaredFromLive, declare_from_live
from controller.quick_dataclasses import dataclass
from controller.reconcile.account_identity import company_id_by_merchant, verify_account
from controller.reconcile.concurrency import map_bounded
from controller.reconcile.failure_policy import ends_run, log_internal_error
from controller.reconcile.persist import recorded_state_of
from controller.settings import Settings


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """Which companies, and how they are written.

    match     a shell glob on company names
    platform  a four-letter key: companies with an accounting connection of it
    limit     so many at most, in the order of their names
    zone      say sync hours as wall-clock times in this zone, where that means the same
    profiles  factor what merchants have in common into profiles
    reimport  companies that a manifest declares already, too
    """

    match: str | None = None
    platform: str | None = None
    limit: int | None = None
    zone: str | None = None
    profiles: bool = True
    reimport: bool = False


@dataclass(frozen=True, slots=True)
class SkippedCompany:
    """A company that became no manifest. `unread`: it could not be read; else no manifest could adopt it."""

    company: Company
    reason: str
    unread: bool = False


@dataclass(frozen=True, slots=True)
class UnmanagedValue:
    """A live value that a manifest leaves alone, because none can say it so that the plan has nothing to do.

    field  its field path; for a part of the document without a key (NO_KEY_REASON) its JSON path
    """

    merchant: str
    field: str
    reason: str


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What an import found.

    manifests         profiles first, then one for each merchant
    already_declared  how many companies were passed over, since a manifest declares them already
    declared_in       by merchant, the file that declares it already: only its own document there is to be replaced
    """

    manifests: tuple[NewManifest, ...]
    skipped: tuple[SkippedCompany, ...]
    unmanaged: tuple[UnmanagedValue, ...]
    already_declared: int
    declared_in: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A company that a manifest can adopt, and its accounting connection; None where it has none."""

    company: Company
    connection: Connection | None


@dataclass(frozen=True, slots=True)
class ReadDraft:
    """A merchant's draft, and why some live values are not in it."""

    draft: MerchantDraft
    unmanaged: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class KnownMerchants:
    """What exists beside Codat: manifests already there, and what the state remembers.

    profiles  what each profile says, where it may be shared as it stands
    """

    fleet: Fleet
    recorded: Mapping[str, RecordedState]
    profiles: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def declared_by_company_name(self) -> dict[str, str]:
        """The names of the companies that manifests declare → merchant."""
        return {company_name_key(wanted.company_name): name for name, wanted in self.fleet.merchants.items()}

    @cached_property
    def bound_by_company_id(self) -> dict[str, str]:
        """Company id → merchant, as the state binds them."""
        return {memory.company_id: name for name, memory in self.recorded.items() if memory.company_id}


async def prepare_import(
    settings: Settings,
    options: ImportOptions,
    out: Path | None,
    on_progress: OnProgress = no_progress,
    *,
    environment: Environment = REAL_ENVIRONMENT,
) -> ImportResult:
    """The companies that exist, as manifests to be written to `out`; None = nowhere, beside no others.

    What manifests there declare already is passed over, unless it is to be imported anew. Raises InvalidManifests
    where they cannot be read.
    """
    fleet, profiles = _load_existing_manifests(settings, out, options) if out else (EMPTY_FLEET, {})
    async with (
        open_store(settings, ignore_message) as store,
        open_reader(settings, environment) as api,
        shared_budget(settings, store, api),
    ):
        rows = await store.records.load()
        await verify_account(
            api,
            await store.account.load(),
            company_id_by_merchant(rows),
            api.companies,
            environment.clock(),
        )
        known = KnownMerchants(fleet, {name: recorded_state_of(row) for name, row in rows.items()}, profiles)
        return await read_companies(
            api,
            options,
            known,
            lambda: service_time(environment.clock(), api.skew),
            settings.parallelism,
            on_progress,
        )


def _load_existing_manifests(
    settings: Settings, out: Path, options: ImportOptions
) -> tuple[Fleet, Mapping[str, Mapping[str, Any]]]:
    """The manifests that new ones at `out` will stand beside, and their profiles where merchants are imported anew."""
    root = settings.manifests if out.resolve().is_relative_to(settings.manifests.resolve()) else out
    fleet = load_fleet(root) if root.exists() else EMPTY_FLEET
    if fleet.diagnostics:
        raise InvalidManifests(fleet.diagnostics)
    return fleet, load_profile_specs(root) if options.reimport else {}


async def read_companies(
    api: Reader,
    choice: ImportOptions,
    known: KnownMerchants,
    now: Callable[[], datetime],
    parallelism: int,
    on_progress: OnProgress,
) -> ImportResult:
    """Reads the chosen companies. Transient when the listing is incomplete: duplicates could not be told then."""
    listing = await api.companies()
    if not listing.complete:
        raise TransientError(
            f"nothing was imported, since not all companies could be listed: {listing.incomplete_reason}; run it again"
        )
    chosen, declared = _choose_companies(listing, choice, known)
    candidates = _find_candidates(chosen, listing, known)
    names = _name_merchants(candidates, known)

    async def read_one(candidate: Candidate | SkippedCompany) -> ReadDraft | SkippedCompany:
        if isinstance(candidate, SkippedCompany):
            return candidate
        try:
            return await _read_draft(candidate, names[candidate.company.id], api, choice.zone, now())
        except Exception as error:
            if ends_run(error):
                raise
            return SkippedCompany(candidate.company, log_internal_error(candidate.company.name, error), unread=True)

    answers = await map_bounded(candidates, read_one, parallelism, on_progress)
    return _build_result(answers, choice, known, declared)


def _build_result(
    answers: Sequence[ReadDraft | SkippedCompany], choice: ImportOptions, known: KnownMerchants, declared: int
) -> ImportResult:
    read = [answer for answer in answers if isinstance(answer, ReadDraft)]
    drafts = [one.draft for one in read]
    there = {draft.name: known.fleet.merchants[draft.name] for draft in drafts if draft.name in known.fleet.merchants}
    return ImportResult(
        tuple(
            _keep_policy(each, there.get(each.name))
            for each in build_manifests(drafts, known.fleet.profile_names, known.profiles, profiles=choice.profiles)
        ),
        tuple(answer for answer in answers if isinstance(answer, SkippedCompany)),
        tuple(UnmanagedValue(one.draft.name, path, why) for one in read for path, why in sorted(one.unmanaged.items())),
        declared,
        {name: wanted.origins[COMPANY_NAME_PATH][-1].file for name, wanted in there.items()},
    )


def _keep_policy(manifest: NewManifest, declared: DesiredMerchant | None) -> NewManifest:
    """The policy that holds for the merchant today goes on, also where a profile says it that is its own no more."""
    if manifest.kind != MERCHANT_KIND or declared is None:
        return manifest
    held, usual = declared.policy, MerchantPolicy()
    policy = {
        key: value
        for key, value, default in (
            ("drift", held.drift.value, usual.drift.value),
            ("deletion", held.deletion.value, usual.deletion.value),
            ("adopt", held.adopt, usual.adopt),
        )
        if value != default
    }
    return replace(manifest, spec={**manifest.spec, "policy": policy}) if policy else manifest


# Which companies ----------------------------------------------------------------------------------------


def _choose_companies(listing: Listing, choice: ImportOptions, known: KnownMerchants) -> tuple[list[Company], int]:
    """The companies asked for, in the order of their names, and how many more are declared already."""
    companies = [each for each in listing.companies if _matches_platform(choice.platform, each)]
    if choice.match is not None:
        named = match_names_by_glob(nfc(choice.match), {each.name for each in companies})
        companies = [each for each in companies if each.name in named]
    asked = sorted(companies, key=lambda one: (one.name, one.id))
    if listing.companies and not asked:
        raise UsageError(_no_match_message(listing, choice))
    new = asked if choice.reimport else [company for company in asked if not _is_declared(company, known)]
    return new[: choice.limit], len(asked) - len(new)


def _no_match_message(listing: Listing, choice: ImportOptions) -> str:
    """What a choice that picks no company is told."""
    asked = [f"--match {choice.match!r}"] if choice.match is not None else []
    asked += [f"--platform {platform_name(choice.platform) or choice.platform}"] if choice.platform else []
    names = sorted({each.name for each in listing.companies})
    near = (get_close_matches(choice.match, names, cutoff=0.4) if choice.match else []) or names
    whom = f"{len(listing.companies):,} companies, such as {', '.join(map(repr, near[:3]))}"
    return f"{' with '.join(asked)} picks none of {whom}"


def _matches_platform(platform: str | None, company: Company) -> bool:
    return platform is None or any(each.platform == platform for each in _accounting_connections(company))


def _is_declared(company: Company, known: KnownMerchants) -> bool:
    """By a manifest that names it, or by one that the state has bound to it."""
    return (
        company_name_key(company.name) in known.declared_by_company_name
        or known.bound_by_company_id.get(company.id) in known.fleet.known_names
    )


def _accounting_connections(company: Company) -> list[Connection]:
    return [each for each in company.connections if each.source_type.lower() == "accounting"]


def _find_candidates(
    companies: Sequence[Company], listing: Listing, known: KnownMerchants
) -> list[Candidate | SkippedCompany]:
    """What a manifest can adopt, and what none can."""
    by_name: dict[str, list[Company]] = defaultdict(list)
    for company in listing.companies:
        by_name[company_name_key(company.name)].append(company)
    return [_candidate(company, by_name[company_name_key(company.name)], known) for company in companies]


def _candidate(company: Company, namesakes: Sequence[Company], known: KnownMerchants) -> Candidate | SkippedCompany:
    if not _can_be_declared(company.name):
        hidden = [each for each in company.name if is_invisible(each)]
        why = f"has {describe_character(hidden[0])}" if hidden else "is empty, too long, or not as Codat keeps names"
        return SkippedCompany(company, f"no manifest finds it: its name {why}")
    if len(namesakes) > 1 and [each.id for each in namesakes if each.id in known.bound_by_company_id] != [company.id]:
        ids = ", ".join(each.id for each in namesakes)
        return SkippedCompany(
            company, f"{len(namesakes)} companies bear this name ({ids}): rename or delete the wrong ones"
        )
    connections = _accounting_connections(company)
    if not connections:
        return Candidate(company, None)
    chosen = choose_connection(connections, _recorded_connection_id(company, known))
    if chosen is None or sum(each.status == LINKED for each in connections) > 1:
        return SkippedCompany(
            company, f"it has {len(connections)} accounting connections: delete the wrong one at Codat"
        )
    if platform_name(chosen.platform) is None:
        return SkippedCompany(company, f"no manifest can name its accounting platform {chosen.platform!r}")
    return Candidate(company, chosen)


def _can_be_declared(name: str) -> bool:
    """Whether a manifest that names it would be taken for it: names are compared as Codat keeps them, and are
    written as they are found (`company_name_key`)."""
    return (
        normalize_company_name(name) == name
        and find_invisible_flaw(company_name_key(name)) is None
        and 0 < len(company_name_key(name)) <= MAX_MANIFEST_TEXT_LENGTH
    )


def _recorded_connection_id(company: Company, known: KnownMerchants) -> str | None:
    name = known.bound_by_company_id.get(company.id)
    return known.recorded[name].connection_id if name else None


def _name_merchants(candidates: Sequence[Candidate | SkippedCompany], known: KnownMerchants) -> dict[str, str]:
    """Company id → merchant name: the one that the state has bound or a manifest declares, else a free one."""
    companies = [one.company for one in candidates if isinstance(one, Candidate)]
    names = {
        company.id: known.bound_by_company_id[company.id]
        for company in companies
        if company.id in known.bound_by_company_id
    }
    for company in companies:
        declared = known.declared_by_company_name.get(company_name_key(company.name))
        if company.id not in names and declared is not None and declared not in known.bound_by_company_id.values():
            names[company.id] = declared
    taken = {*known.bound_by_company_id.values(), *known.fleet.known_names}
    for company in sorted(companies, key=lambda one: not is_manifest_name(company_name_key(one.name))):
        if company.id not in names:
            names[company.id] = choose_manifest_name(company_name_key(company.name), taken)
            taken.add(names[company.id])
    return names


# One company --------------------------------------------------------------------------------------------


async def _read_draft(
    candidate: Candidate, name: str, api: Reader, zone: str | None, now: datetime
) -> ReadDraft | SkippedCompany:
    """One merchant's draft; its configuration is read where there may be one."""
    draft = MerchantDraft(name, company_name_key(candidate.company.name), _connection_fields(candidate.connection))
    if candidate.connection is None:
        note = "It has no accounting connection. To have one made, name its platform instead of the state."
        return ReadDraft(replace(draft, notes=(note,)))
    if candidate.connection.status == PENDING_AUTH:
        return ReadDraft(draft)
    try:
        live = read_configuration(await api.configuration(candidate.company.id), now)
    except DataNotReady:
        return ReadDraft(draft)
    except RemoteError as error:
        return SkippedCompany(candidate.company, str(error), unread=True)
    if not live.configured:
        return ReadDraft(replace(draft, notes=("Nobody has configured it yet. Give it a profile to have it mapped.",)))
    return _add_configuration_fields(draft, declare_from_live(live, now, zone), find_undeclarable_parts(live.document))


def _connection_fields(connection: Connection | None) -> dict[str, ManifestValue]:
    """What the manifest says of the connection. One that the merchant severed stays wanted, and is reported on."""
    if connection is None:
        return {CONNECTION_STATE_PATH: UNLINKED}
    state: dict[str, ManifestValue] = {CONNECTION_STATE_PATH: UNLINKED} if connection.status == UNLINKED else {}
    return {PLATFORM_PATH: platform_name(connection.platform)} | state


def _add_configuration_fields(draft: MerchantDraft, adopted: DeclaredFromLive, without_key: Iterable[str]) -> ReadDraft:
    said = {**draft.fields, **to_manifest_values(adopted.fields, adopted.zone)}
    fitted, unsaid = drop_invalid_fields(
        replace(draft, fields=said, reference_names=adopted.reference_names, has_mapping=True)
    )
    left = {**adopted.undeclared, **{path: why for path, why in unsaid.items() if said[path] is not None}}
    left |= dict.fromkeys(without_key, NO_KEY_REASON)
    notes = tuple(f"Not managed: {path}, {why}." for path, why in sorted(left.items()))
    return ReadDraft(replace(fitted, notes=notes), left)
