"""What one merchant should be, compiled from its manifest and profiles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from controller.model.values import Declared


class Drift(StrEnum):
    """What to do about a live value that somebody else changed."""

    CORRECT = "Correct"
    REPORT = "Report"


class Deletion(StrEnum):
    """What happens when the manifest goes; each includes the ones before it."""

    RETAIN = "Retain"
    DISABLE = "Disable"
    UNLINK = "Unlink"
    DELETE = "Delete"


class LinkState(StrEnum):
    """What the accounting connection should be."""

    LINKED = "Linked"
    UNLINKED = "Unlinked"


@dataclass(frozen=True, slots=True)
class Policy:
    drift: Drift = Drift.CORRECT
    deletion: Deletion = Deletion.RETAIN
    adopt: bool = True


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value was written: `manifests/acme.yaml:7:5`, and which manifest that is (`Merchant acme`)."""

    file: str
    line: int
    column: int
    manifest: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Wanted:
    """One merchant as declared. A path absent from `fields` is not managed; None there means `null`: clear.

    company_name  already stripped of what the API forbids (REFERENCE 3.1)
    platform      four-letter key, None when no layer declares one
    fields        `enabled`, `schedule.*` and `mapping.*` by field path, as declared (references unresolved)
    origins       per declared path every layer that wrote it, the winning one last
    retired       set when the manifest is gone: how far to take the merchant down
    digest        sha256 of everything above but the origins: same digest, same wish
    """

    name: str
    company_name: str
    platform: str | None = None
    link_state: LinkState = LinkState.LINKED
    books: str | None = None
    fields: Mapping[str, Declared] = field(default_factory=dict)
    policy: Policy = Policy()
    labels: Mapping[str, str] = field(default_factory=dict)
    profile: str | None = None
    origins: Mapping[str, tuple[Origin, ...]] = field(default_factory=dict)
    retired: Deletion | None = None
    digest: str = ""


@dataclass(frozen=True, slots=True, order=True)
class Complaint:
    """Something wrong with the manifests: where, what, and what to do."""

    file: str
    line: int
    column: int
    what: str
    remedy: str = ""

    def __str__(self) -> str:
        address = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return f"{address}: {self.what}" + (f" ({self.remedy})" if self.remedy else "")


@dataclass(frozen=True, slots=True)
class Fleet:
    """All merchants that were asked for, or all complaints at once; both when only some files could be read.

    merchants  by name, in the order of their names
    known      every merchant name that the whole root declares, whatever PATH was asked for
    profiles   every profile name that the whole root declares
    whole      the whole configured root was read (no PATH below it) and everything in it parsed:
               only then does an absent manifest mean anything
    digest     sha256 over all compiled merchants
    """

    merchants: Mapping[str, Wanted]
    known: frozenset[str]
    complaints: tuple[Complaint, ...]
    whole: bool
    digest: str
    profiles: frozenset[str] = frozenset()
