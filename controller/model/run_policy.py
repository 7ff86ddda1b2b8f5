"""What a run is to do: for which merchants, and how far it may go."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

from controller.model.account_settings import ACCOUNT_NAME
from controller.model.plan import ChangeClass, Finding
from controller.quick_dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scope:
    """The merchants that a run is about. Only a scope without any field set can tell that a manifest is gone.

    path      manifests at or below it
    targets   names or shell globs, any of which may match; an exact name wins over a glob
    selector  a label selector
    names     exactly these merchants, as far as they are declared; None = those that the other fields leave
    name      exactly this merchant, for verbs about one: never a glob
    """

    path: Path | None = None
    targets: tuple[str, ...] = ()
    selector: str | None = None
    names: frozenset[str] | None = None
    name: str | None = None

    @property
    def is_everyone(self) -> bool:
        return self.names is None and self.name is None and not (self.path or self.targets or self.selector)

    @property
    def includes_account_settings(self) -> bool:
        """Whether the run is about the account's own settings, too: it is about everyone, or names them."""
        return self.is_everyone or ACCOUNT_NAME in (*self.targets, self.name, *(self.names or ()))


@dataclass(frozen=True, slots=True)
class RunPolicy:
    """How far a run may go.

    allowed            the words of `--allow`: `unlink` lifts that limit, `re-create=acme` releases one merchant,
                       `re-create:57` releases all that are held, if they are so many
    max_changes        a cap on all changes
    automatic          nobody asked for this very run: the limits cover the last 24 hours, and merchants that failed for
                       now are left alone for a while
    judges_revision    it is about exactly those whom a new revision of the manifests changed, and judges them as one
    unjudged           of those whom a new revision changed, without the others: nothing is written to them yet
    parked             what the last judgement said of whom it parked, since a class is over its limit: he stays so
    for_rollout        it is a rollout's own run, which no rollout's hold stops
    retry_quarantined  quarantined merchants are tried, too, as are all that the scope names
    """

    allowed: frozenset[str] = frozenset()
    max_changes: int | None = None
    automatic: bool = False
    judges_revision: bool = False
    unjudged: frozenset[str] = frozenset()
    parked: tuple[Finding, ...] = ()
    for_rollout: bool = False
    retry_quarantined: bool = False

    def lifts_limit(self, change_class: ChangeClass) -> bool:
        """Whether the limit on this class is lifted."""
        return change_class.value in self.allowed

    def released_merchants(self, word: str) -> frozenset[str]:
        """The merchants that are released by name: from a class of changes, or from TAKE_DOWN."""
        prefix = f"{word}="
        return frozenset(word.removeprefix(prefix) for word in self.allowed if word.startswith(prefix))

    def released_counts(self, change_class: ChangeClass) -> frozenset[int]:
        """The numbers by which merchants are released from this class; one, unless the flag is repeated."""
        prefix = f"{change_class.value}:"
        return frozenset(int(word.removeprefix(prefix)) for word in self.allowed if word.startswith(prefix))


class Records(StrEnum):
    """What a run writes of findings into the history: only a run under the manifests in force tells what came and went.

    ALL     what it finds, and what is over
    MENDED  only that what it corrected is over: it is about a part of the manifests in force
    NONE    nothing: it only read, had other manifests, or was the undo of a rollout
    """

    ALL = "all"
    MENDED = "mended"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Author:
    """Who a run was: `apply`, `run` or the name of a rollout; of which user, and on which host."""

    verb: str
    user: str = ""
    host: str = ""

    def __str__(self) -> str:
        by = f" of {self.user}" if self.user else ""
        return f"{self.verb}{by} on {self.host}" if self.host else f"{self.verb}{by}"


ALLOW_CLASSES = ("delete", "re-create", "create-record", "shrink", "unlink", "disable", "remap", "reschedule")
"""The classes that `--allow` accepts: those of the tables in `planning.limits`."""

RELEASABLE_BY_COUNT = (ChangeClass.DELETE, ChangeClass.RE_CREATE)
"""Classes that a number releases, too (`re-create:57`)."""

TAKE_DOWN = "take-down"
"""Released by name alone: a removed merchant that may be another one by now is taken down all the same."""

RELEASABLE_BY_NAME: tuple[str, ...] = (*RELEASABLE_BY_COUNT, ChangeClass.CREATE_RECORD, ChangeClass.REMAP, TAKE_DOWN)
"""What a merchant's name releases (`re-create=acme`)."""
