"""Removed merchants that may live on under another name, without a word about it in the manifests. Pure.

    load 1   acme            in acme.yaml
    load 2   acme-coffee     in acme.yaml     acme went with the very change with which acme-coffee came: a newcomer

A newcomer may be the removed merchant where it came in a file that declared that one alone, or where it declares the
same but for names and labels. Whoever came with another change is no evidence.

remember_declarations   what is known of everyone's declarations after a load
find_possible_renames   who of the removed may be who of the newcomers
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from enum import StrEnum
from shlex import quote

from controller.model.desired import Fleet
from controller.model.plan import Actor, Finding
from controller.model.yaml_snippets import quote_yaml_if_needed
from controller.quick_dataclasses import dataclass

UNCLEAR_CODE = "rename-unclear"


@dataclass(frozen=True, slots=True)
class Declaration:
    """What is known of one merchant's declarations.

    file, digest              of the last one; the digest is that of its content, without names and labels
    alone                     that file declared no other merchant
    first_file, first_digest  of the first one
    came                      the number of the change of the manifests with which it came
    went                      that with which its manifest went; None while it has one
    released                  a person has said that nobody who came with that change is this merchant
    """

    file: str
    digest: str
    alone: bool
    first_file: str
    first_digest: str
    came: int
    went: int | None = None
    released: bool = False


def declarations_after_load(
    before: Mapping[str, Declaration], fleet: Fleet, bound: Collection[str], configured: Collection[str]
) -> dict[str, Declaration]:
    """Everyone's declarations as of this load of the whole root.

    bound       merchants with a company that was not taken down: only they can be taken down yet
    configured  those of them that have been configured once: they come back as who they were, and are no newcomers
    """
    number = 1 + max((each.went or each.came for each in before.values()), default=0)
    merchants_by_file = Counter(fleet.files.values())
    still_gone_since = {each.went for name, each in before.items() if name not in fleet.files}
    after = {}
    for name, file in fleet.files.items():
        digest = fleet.content_digests[name]
        known, alone = before.get(name), merchants_by_file[file] == 1
        # Whoever went when this one came is still gone: it is the same newcomer again.
        if known and (known.went is None or name in configured or known.came in still_gone_since):
            after[name] = replace(known, file=file, digest=digest, alone=alone, went=None, released=False)
        else:
            after[name] = Declaration(file, digest, alone, file, digest, number)
    for name, known in before.items():
        if name not in after:
            after[name] = known if known.went is not None else replace(known, went=number)
    return _drop_obsolete_declarations(after, bound)


def _drop_obsolete_declarations(
    declarations: Mapping[str, Declaration], bound: Collection[str]
) -> dict[str, Declaration]:
    """Without those that went and have nothing that could be taken down, nor came when such a one went, or later."""
    pending = [each.went for name, each in declarations.items() if each.went is not None and name in bound]
    first = min(pending, default=None)
    return {
        name: each
        for name, each in declarations.items()
        if each.went is None or name in bound or (first is not None and each.came >= first)
    }


# Who may be who -----------------------------------------------------------------------------------------


class Evidence(StrEnum):
    """Why a newcomer may be the removed merchant; in words that end a sentence about it."""

    FILE = "is declared in the file that declared it alone"
    CONTENT = "declares the same but for names and labels"
    HANDED_ON = "came in the place of another newcomer that may have been it"


@dataclass(frozen=True, slots=True)
class PossibleRename:
    """A removed merchant, and who may be it.

    newcomers  by name the evidence; those of the same file first
    heir       the only newcomer in the file that declared the removed one alone
    """

    removed: str
    newcomers: Mapping[str, Evidence]
    heir: str | None = None


def find_possible_renames(declarations: Mapping[str, Declaration]) -> dict[str, PossibleRename]:
    """By removed merchant who may be it; without those that a person has released."""
    newcomers = _Newcomers(declarations)
    gone = {name: each for name, each in declarations.items() if each.went is not None and not each.released}
    found = ((name, *newcomers.evidence_and_heir(each)) for name, each in gone.items())
    return {name: PossibleRename(name, either, heir) for name, either, heir in found if either}


class _Newcomers:
    """Who came with which change, by what they have in common with whoever went."""

    def __init__(self, declarations: Mapping[str, Declaration]) -> None:
        self._declarations = declarations
        self._by_file: dict[tuple[int, str], list[str]] = defaultdict(list)
        self._by_digest: dict[tuple[int, str], list[str]] = defaultdict(list)
        for name, each in declarations.items():
            self._by_file[each.came, each.first_file].append(name)
            self._by_digest[each.came, each.first_digest].append(name)
        self._asked: dict[tuple[str, ...], tuple[Mapping[str, Evidence], str | None]] = {}

    def evidence_and_heir(self, removed: Declaration) -> tuple[Mapping[str, Evidence], str | None]:
        """By name the evidence, the strongest first; and the only one in its file."""
        key = self._cache_key(removed)
        if key not in self._asked:
            of_file = dict.fromkeys(self._present_newcomers_by_file(removed), Evidence.FILE)
            of_content = dict.fromkeys(self._present_newcomers_by_content(removed), Evidence.CONTENT)
            handed_on = dict.fromkeys(self._present_newcomers_by_handing_on(removed, set()), Evidence.HANDED_ON)
            heir = next(iter(of_file)) if len(of_file) == 1 else None
            # Who has several kinds stands where the first mapping has it, with the evidence of the last: the strongest.
            self._asked[key] = of_file | of_content | handed_on | of_content | of_file, heir
        return self._asked[key]

    def _cache_key(self, removed: Declaration) -> tuple[str, ...]:
        """The same for those to whom the same answer is given: of a generated fleet hundreds may go and come at once,
        all alike."""
        return (str(removed.went), removed.digest, *([removed.file] if self._newcomers_in_its_file(removed) else []))

    def _present_newcomers_by_file(self, removed: Declaration) -> Iterator[str]:
        """Those in its file; for one that went itself meanwhile, those in the file of that one."""
        for name in self._newcomers_in_its_file(removed):
            each = self._declarations[name]
            if each.went is None:
                yield name
            elif not each.released:
                yield from self._present_newcomers_by_file(each)

    def _present_newcomers_by_content(self, removed: Declaration) -> Iterator[str]:
        return (name for name in self._newcomers_of_same_content(removed) if self._declarations[name].went is None)

    def _present_newcomers_by_handing_on(self, removed: Declaration, followed: set[tuple[str, ...]]) -> Iterator[str]:
        """Those who may be a newcomer that went itself meanwhile. `followed`: keys of whom that was asked already."""
        for name in (*self._newcomers_in_its_file(removed), *self._newcomers_of_same_content(removed)):
            each = self._declarations[name]
            # Once for all who are alike: where hundreds come and go each day, the ways from one to another multiply.
            if each.went is not None and not each.released and (key := self._cache_key(each)) not in followed:
                followed.add(key)
                yield from (
                    *self._present_newcomers_by_file(each),
                    *self._present_newcomers_by_content(each),
                    *self._present_newcomers_by_handing_on(each, followed),
                )

    def _newcomers_in_its_file(self, removed: Declaration) -> list[str]:
        assert removed.went is not None, "only who went is asked about"
        return self._by_file.get((removed.went, removed.file), []) if removed.alone else []

    def _newcomers_of_same_content(self, removed: Declaration) -> list[str]:
        assert removed.went is not None, "only who went is asked about"
        return self._by_digest.get((removed.went, removed.digest), [])


# Findings -----------------------------------------------------------------------------------------------


def removed_but_unclear_finding(possible: PossibleRename, bound: Collection[str]) -> Finding:
    """For the removed merchant. `bound`: merchants that have a company."""
    cause = (
        f"the manifest of {possible.removed} is gone, and with the same change of the manifests came "
        f"{newcomers_text(possible)}: is it {possible.removed} under another name? It is not taken down"
    )
    remedy = _remedy(possible.removed, next(iter(possible.newcomers)), bound)
    return Finding(UNCLEAR_CODE, possible.removed, cause, remedy, Actor.OPERATOR)


def possible_heir_finding(heir: str, removed: str) -> Finding:
    """For a newcomer without a company, in the file that declared the removed one alone."""
    cause = (
        f"it came with the change with which the manifest of {removed} went, and {Evidence.FILE}: is it {removed} "
        "under another name? No second company is created"
    )
    return Finding(UNCLEAR_CODE, heir, cause, _remedy(removed, heir, ()), Actor.OPERATOR)


def newcomers_text(possible: PossibleRename) -> str:
    """`acme-coffee, which declares the same but for names and labels` … and how many more."""
    first, evidence = next(iter(possible.newcomers.items()))
    others = len(possible.newcomers) - 1
    return f"{first}, which {evidence}" + (f" (and {others:,} more that may be it)" if others else "")


def _remedy(removed: str, newcomer: str, bound: Collection[str]) -> str:
    renamed_from = quote_yaml_if_needed(removed)
    line = f"where {newcomer} is {removed}: in the manifest of {newcomer} write metadata.renamedFrom: {renamed_from}"
    if newcomer in bound:
        # Nothing is unbound by itself: its books may have been linked meanwhile.
        line += f"; then merchantctl state rm {quote(newcomer)}; its new company stays at Codat, to be deleted there"
    return f"{line}\nwhere {removed} is to go: merchantctl apply --allow {quote(f'take-down={removed}')}"
