"""What one merchant should be, compiled from its manifest and profiles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from enum import StrEnum

from controller.model.field_values import DeclaredValue, SettingValue
from controller.model.holds import DeclaredHold
from controller.model.hooks import DeclaredHook
from controller.quick_dataclasses import dataclass
from controller.untrusted_text import escape_control


class DriftPolicy(StrEnum):
    """What to do about a live value that somebody else changed."""

    CORRECT = "Correct"
    REPORT = "Report"


class DeletionPolicy(StrEnum):
    """What happens when the manifest goes; each but the first includes the one before it."""

    RETAIN = "Retain"
    DISABLE = "Disable"
    UNLINK = "Unlink"
    DELETE = "Delete"


class LinkState(StrEnum):
    """What the accounting connection should be."""

    LINKED = "Linked"
    UNLINKED = "Unlinked"


@dataclass(frozen=True, slots=True)
class IgnoreRule:
    """A finding that somebody has seen and decided to live with for a while (`policy.ignore`).

    code   of the finding; None where a field is named instead
    field  its path; None where a finding is named instead
    live   the live value that it was said of: it is said of no other. None: of a field that is not set, or of a finding
           that has no value
    until  when it ends
    """

    code: str | None
    field: str | None
    live: DeclaredValue
    reason: str
    until: datetime


@dataclass(frozen=True, slots=True)
class MerchantPolicy:
    """`replace_connection`: the platform (its key) to which a connection of another one is moved; None = to none."""

    drift: DriftPolicy = DriftPolicy.CORRECT
    deletion: DeletionPolicy = DeletionPolicy.RETAIN
    adopt: bool = True
    replace_connection: str | None = None


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value is declared: `manifests/acme.yaml:7:5`, and by which manifest (`Merchant acme`)."""

    file: str
    line: int
    column: int
    manifest: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class DesiredMerchant:
    """One merchant as declared. A path absent from `fields` is not managed; None there means `null`: clear.

    company_name           without the characters that Codat removes (API notes 3.1)
    platform               four-letter key, None when no layer declares one
    fields                 `enabled`, `schedule.*` and `mapping.*` by field path, as declared (references unresolved)
    origins                by declared path, every layer that declares it, the winning one last
    removal                set when the manifest is gone: how far to take the merchant down
    exact_json             by declared path, its former values in the document by JSON pointer, as JSON text (None:
                           nothing was there), where it is to be restored exactly so and not in our spelling
    digest                 sha256 of everything above but the name and the origins. Without the name, so that a renamed
                           merchant is desired the same, and what was held from it stays held
    content_digest         the same without the company's name, labels and the profile's name: what two manifests that
                           may be one merchant have in common
    manifest_company_name  the company's name as the manifest has it
    hold                   that nothing may write to it for now. Not in the digest: what is desired of it is the same
    ignore                 what is not to be told of it for now; not in the digest either
    """

    name: str
    company_name: str
    platform: str | None = None
    link_state: LinkState = LinkState.LINKED
    books: str | None = None
    fields: Mapping[str, DeclaredValue] = field(default_factory=dict)
    policy: MerchantPolicy = MerchantPolicy()
    labels: Mapping[str, str] = field(default_factory=dict)
    profile: str | None = None
    origins: Mapping[str, tuple[Origin, ...]] = field(default_factory=dict)
    removal: DeletionPolicy | None = None
    exact_json: Mapping[str, Mapping[str, str | None]] = field(default_factory=dict)
    digest: str = ""
    content_digest: str = ""
    manifest_company_name: str = ""
    hold: DeclaredHold | None = None
    ignore: tuple[IgnoreRule, ...] = ()

    @property
    def declared_outside_digest(self) -> tuple[object, ...]:
        """What else its manifest says of it: it changes no wish, and yet asks for another look and another revision."""
        return self.hold, self.ignore


@dataclass(frozen=True, slots=True, order=True)
class Diagnostic:
    """Something wrong with the manifests: where, what, and what to do."""

    file: str
    line: int
    column: int
    what: str
    remedy: str = ""

    def __post_init__(self) -> None:
        for name in ("file", "what", "remedy"):
            object.__setattr__(self, name, escape_control(getattr(self, name)))

    def __str__(self) -> str:
        address = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return f"{address}: {self.what}" + (f" ({self.remedy})" if self.remedy else "")


@dataclass(frozen=True, slots=True)
class DeclaredRename:
    """A manifest's `metadata.renamedFrom`: the former name, and where it is declared."""

    old_name: str
    origin: Origin


@dataclass(frozen=True, slots=True)
class DesiredSettings:
    """What the manifests declare of the account.

    values       by path; a path that is absent is not managed, None resets to Codat's own
    report_only  paths of which drift is reported and not corrected
    origins      by path where it is declared
    hooks        the rules and consumers that are to be there, by path
    digest       of all of it; empty where nothing is declared
    """

    values: Mapping[str, SettingValue] = field(default_factory=dict)
    report_only: frozenset[str] = frozenset()
    origins: Mapping[str, Origin] = field(default_factory=dict)
    hooks: Mapping[str, DeclaredHook] = field(default_factory=dict)
    digest: str = ""

    def __bool__(self) -> bool:
        return bool(self.values or self.hooks)


@dataclass(frozen=True, slots=True)
class Fleet:
    """All merchants that were asked for, or all diagnostics at once; both when only some files could be read.

    merchants         by name, sorted
    known_names       every merchant name in the whole root, whatever PATH was asked for
    profile_names     every profile name in the whole root
    is_complete       the whole configured root was read (no PATH below it) and all of it is valid:
                      only then does an absent manifest mean anything
    root_is_complete  the same, whatever PATH was asked for: a name that is not known has no manifest
    digest            sha256 over all compiled merchants, their names and their renames
    commit            the Git commit that they were read from; None where that is not known
    renames           by new name, every `metadata.renamedFrom` of the whole root, whatever PATH was asked for
    account_settings  what the whole root declares of the account itself, whatever PATH was asked for
    files             by merchant of the whole root the file that declares it, as of the root
    content_digests   by merchant of the whole root the digest of its content, whatever PATH was asked for
    has_account_documents   the root has documents about the account, of this environment or of another
    """

    merchants: Mapping[str, DesiredMerchant]
    known_names: frozenset[str]
    diagnostics: tuple[Diagnostic, ...]
    is_complete: bool
    digest: str
    profile_names: frozenset[str] = frozenset()
    renames: Mapping[str, DeclaredRename] = field(default_factory=dict)
    root_is_complete: bool = False
    commit: str | None = None
    account_settings: DesiredSettings = field(default_factory=DesiredSettings)
    has_account_documents: bool = False
    files: Mapping[str, str] = field(default_factory=dict)
    content_digests: Mapping[str, str] = field(default_factory=dict)

    @property
    def revision(self) -> str:
        """What the manifests are known by: their commit, else their digest."""
        return self.commit or self.digest

    @property
    def is_empty(self) -> bool:
        """Whether nothing at all is declared, and nothing is there that could not be read."""
        return not (self.known_names or self.profile_names or self.has_account_documents or self.diagnostics)
