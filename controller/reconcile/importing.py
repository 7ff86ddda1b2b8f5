"""A fleet that exists, as manifests: the listing sorted out, each configuration read once, nothing written.

listing ─▶ chosen by name and platform ─▶ what no manifest can adopt is left out ─▶ read ─▶ drafts ─▶ manifests
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from fnmatch import fnmatchcase
from functools import cached_property

from controller.codat.convert import read_configuration
from controller.desired.draft import PLATFORM, Draft, Wish, fitting, manifests, named, spelled
from controller.desired.platforms import name_of
from controller.desired.schema import LONGEST, is_name
from controller.desired.writing import Manifest
from controller.model.errors import NotReady, RemoteError, Transient, Unauthorized
from controller.model.merchant import Fleet
from controller.model.names import strip_name
from controller.model.observed import LINKED, PENDING, UNLINKED, Company, Connection, Listing, Memory
from controller.model.values import CONNECTION_STATE
from controller.planning.adoption import Adopted, adopt
from controller.planning.connection import choose
from controller.reconcile.ports import Reading
from controller.reconcile.sweep import each

OnProgress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Choice:
    """Which companies, and how they are written.

    match     a shell glob on company names
    platform  a four-letter key: companies with an accounting connection of it
    limit     so many at most, in the order of their names
    zone      say sync hours as wall-clock times in this zone, where that means the same
    profiles  factor what merchants have in common into profiles
    """

    match: str | None = None
    platform: str | None = None
    limit: int | None = None
    zone: str | None = None
    profiles: bool = True


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A company that became no manifest. `unread`: it could not be read; else no manifest could adopt it."""

    company: Company
    why: str
    unread: bool = False


@dataclass(frozen=True, slots=True)
class Undeclared:
    """A live value that a manifest leaves alone, because none can say it so that the plan has nothing to do."""

    merchant: str
    field: str
    why: str


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import found.

    manifests  profiles first, then one for each merchant
    declared   companies that were passed over, since a manifest declares them already
    """

    manifests: tuple[Manifest, ...]
    left_out: tuple[LeftOut, ...]
    undeclared: tuple[Undeclared, ...]
    declared: int


@dataclass(frozen=True, slots=True)
class Candidate:
    """A company that a manifest can adopt, and its accounting connection; None where it has none."""

    company: Company
    connection: Connection | None


@dataclass(frozen=True, slots=True)
class Read:
    """A merchant's draft, and why some live values are not in it."""

    draft: Draft
    left: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Known:
    """What exists beside the service: manifests already there, and what the state remembers."""

    fleet: Fleet
    memories: Mapping[str, Memory]

    @cached_property
    def companies(self) -> frozenset[str]:
        """The names of the companies that manifests declare."""
        return frozenset(wanted.company_name for wanted in self.fleet.merchants.values())

    @cached_property
    def names(self) -> dict[str, str]:
        """Company id → merchant, as the state binds them."""
        return {memory.company_id: name for name, memory in self.memories.items() if memory.company_id}


async def gather(
    api: Reading, choice: Choice, known: Known, now: Callable[[], datetime], width: int, tell: OnProgress
) -> Imported:
    """Reads the chosen companies. Transient when the listing is incomplete: twins could not be told then."""
    listing = await api.companies()
    if not listing.complete:
        raise Transient(f"nothing was imported, since not all companies could be listed: {listing.why}; run it again")
    chosen, declared = _chosen(listing, choice, known)
    candidates = _sorted_out(chosen, listing, known)
    names = _names(candidates, known)

    async def one(candidate: Candidate | LeftOut) -> Read | LeftOut:
        if isinstance(candidate, LeftOut):
            return candidate
        return await _read(candidate, names[candidate.company.id], api, choice.zone, now())

    answers = await each(candidates, one, width, tell)
    return _imported(answers, choice, known, declared)


def _imported(answers: Sequence[Read | LeftOut], choice: Choice, known: Known, declared: int) -> Imported:
    read = [answer for answer in answers if isinstance(answer, Read)]
    drafts = [one.draft for one in read]
    return Imported(
        tuple(manifests(drafts, known.fleet.profiles, profiles=choice.profiles)),
        tuple(answer for answer in answers if isinstance(answer, LeftOut)),
        tuple(Undeclared(one.draft.name, path, why) for one in read for path, why in sorted(one.left.items())),
        declared,
    )


# Which companies ----------------------------------------------------------------------------------------


def _chosen(listing: Listing, choice: Choice, known: Known) -> tuple[list[Company], int]:
    """The companies asked for, in the order of their names, and how many more are declared already."""
    asked = sorted(
        (each for each in listing.companies if _is_asked_for(each, choice)), key=lambda one: (one.name, one.id)
    )
    new = [company for company in asked if not _is_declared(company, known)]
    return new[: choice.limit], len(asked) - len(new)


def _is_asked_for(company: Company, choice: Choice) -> bool:
    if choice.match is not None and not fnmatchcase(company.name, choice.match):
        return False
    return choice.platform is None or any(each.platform == choice.platform for each in _accounting(company))


def _is_declared(company: Company, known: Known) -> bool:
    """By a manifest that names it, or by one that the state has bound to it."""
    return company.name in known.companies or known.names.get(company.id) in known.fleet.known


def _accounting(company: Company) -> list[Connection]:
    return [each for each in company.connections if each.source_type.lower() == "accounting"]


def _sorted_out(companies: Sequence[Company], listing: Listing, known: Known) -> list[Candidate | LeftOut]:
    """What a manifest can adopt, and what none can."""
    by_name: dict[str, list[Company]] = defaultdict(list)
    for company in listing.companies:
        by_name[company.name].append(company)
    return [_candidate(company, by_name[company.name], known) for company in companies]


def _candidate(company: Company, namesakes: Sequence[Company], known: Known) -> Candidate | LeftOut:
    if not _can_be_found(company.name):
        return LeftOut(company, "no manifest finds it: its name is empty, too long, or not as the service keeps names")
    if len(namesakes) > 1 and [each.id for each in namesakes if each.id in known.names] != [company.id]:
        ids = ", ".join(each.id for each in namesakes)
        return LeftOut(company, f"{len(namesakes)} companies bear this name ({ids}): rename or delete the wrong ones")
    connections = _accounting(company)
    if not connections:
        return Candidate(company, None)
    chosen = choose(connections, _remembered_connection(company, known))
    if chosen is None or sum(each.status == LINKED for each in connections) > 1:
        return LeftOut(
            company, f"it has {len(connections)} accounting connections: delete the wrong one at the service"
        )
    if name_of(chosen.platform) is None:
        return LeftOut(company, f"no manifest can name its accounting platform {chosen.platform!r}")
    return Candidate(company, chosen)


def _can_be_found(name: str) -> bool:
    """Whether a manifest that names it would be taken for it: names are compared as the service keeps them."""
    return strip_name(name) == name and bool(name.strip()) and len(name) <= LONGEST


def _remembered_connection(company: Company, known: Known) -> str | None:
    name = known.names.get(company.id)
    return known.memories[name].connection_id if name else None


def _names(candidates: Sequence[Candidate | LeftOut], known: Known) -> dict[str, str]:
    """Company id → merchant name: the one that the state has bound, else a free one made of the company's name."""
    companies = [one.company for one in candidates if isinstance(one, Candidate)]
    taken = {*known.names.values(), *known.fleet.known}
    names: dict[str, str] = {}
    for company in sorted(companies, key=lambda one: not is_name(one.name)):
        names[company.id] = known.names.get(company.id) or named(company.name, taken)
        taken.add(names[company.id])
    return names


# One company --------------------------------------------------------------------------------------------


async def _read(candidate: Candidate, name: str, api: Reading, zone: str | None, now: datetime) -> Read | LeftOut:
    """One merchant's draft; its configuration is read where there may be one."""
    draft = Draft(name, candidate.company.name, _connected(candidate.connection))
    if candidate.connection is None:
        note = "It has no accounting connection. To have one made, name its platform instead of the state."
        return Read(replace(draft, notes=(note,)))
    if candidate.connection.status == PENDING:
        return Read(draft)
    try:
        live = read_configuration(await api.configuration(candidate.company.id), now)
    except NotReady:
        return Read(draft)
    except Unauthorized:
        raise
    except RemoteError as error:
        return LeftOut(candidate.company, str(error), unread=True)
    if not live.configured:
        return Read(replace(draft, notes=("Nobody has configured it yet. Give it a profile to have it mapped.",)))
    return _mapped(draft, adopt(live, now, zone))


def _connected(connection: Connection | None) -> dict[str, Wish]:
    """What the manifest says of the connection. One that the merchant severed stays wanted, and is reported on."""
    if connection is None:
        return {CONNECTION_STATE: UNLINKED}
    state: dict[str, Wish] = {CONNECTION_STATE: UNLINKED} if connection.status == UNLINKED else {}
    return {PLATFORM: name_of(connection.platform)} | state


def _mapped(draft: Draft, adopted: Adopted) -> Read:
    said = {**draft.said, **spelled(adopted.fields, adopted.zone)}
    fitted, unsaid = fitting(replace(draft, said=said, called=adopted.called, mapped=True))
    left = {**adopted.left, **{path: why for path, why in unsaid.items() if said[path] is not None}}
    notes = tuple(f"Not managed: {path}, {why}." for path, why in sorted(left.items()))
    return Read(replace(fitted, notes=notes), left)
