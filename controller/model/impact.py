"""Who depends on an account, a profile or a platform, and what would become of them: the values of an answer."""

from __future__ import annotations

from controller.model.holds import Hold
from controller.quick_dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Dependent:
    """One merchant that depends on it, with one of its fields where it is about fields.

    how      by what: `code "200"`, `set by us last`, `profile uk-xero`
    where    where that is declared, as in `manifests/acme.yaml:7:5`; empty where nothing declares it
    standing how far the merchant has come: `configured`, `bound`, `not created yet`
    hold     what closes it to all writes now
    """

    merchant: str
    field: str | None
    how: str
    where: str
    standing: str
    hold: Hold | None = None


@dataclass(frozen=True, slots=True)
class Effect:
    """What would happen: the event, whom it would concern, the finding that they would have, and what follows."""

    event: str
    merchants: tuple[str, ...]
    finding: str | None
    consequence: str


@dataclass(frozen=True, slots=True)
class Impact:
    """The answer. `asked` of so many merchants; `bound_count` is of all that the state knows a company of."""

    subject: str
    dependents: tuple[Dependent, ...]
    effects: tuple[Effect, ...]
    asked: int
    bound_count: int
