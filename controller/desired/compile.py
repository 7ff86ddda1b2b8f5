"""Layers to a `Wanted`: the platform's key, the clock, the start as an instant, and the rules that can be seen offline.

Pure. A complaint about a value that a profile declares stands at the profile, however many merchants compile it.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from difflib import get_close_matches
from functools import cache
from hashlib import sha256
from typing import Any

from controller.desired.document import UNREADABLE, Document
from controller.desired.layers import TIME_ZONE, Layers, declared, stacked, without
from controller.desired.platforms import key_of
from controller.model.merchant import Complaint, Deletion, Drift, LinkState, Policy, Wanted
from controller.model.schedule import complaint_about, midnight_utc
from controller.model.values import (
    COMPANY_NAME,
    CONNECTION_STATE,
    CUSTOMER,
    LOCAL_TIME,
    START_DATE,
    SUPPLIER,
    SYNC_HOUR,
    Clock,
    Declared,
    Ref,
    account_key,
    to_json,
)

PLATFORM = "connection.platform"
_FORBIDDEN = re.compile(r"[^A-Za-z0-9\s\-',&@.?!]", re.ASCII)
_FIELD_ROOTS = ("mapping.", "schedule.", "enabled")
_SALES_SYNC, _PAYMENTS_SYNC, _FEES_SYNC = "mapping.sales.sync", "mapping.payments.sync", "mapping.fees.sync"
_INVOICE_STATUS = "mapping.sales.invoiceStatus"

#   when this is true …   this must not be …          …that               why
_IMPLICATIONS: tuple[tuple[str, str, Declared, str], ...] = (
    (_PAYMENTS_SYNC, _SALES_SYNC, False, "payments are synchronised only with sales (REFERENCE 4.5 #2)"),
    (_PAYMENTS_SYNC, _INVOICE_STATUS, "Draft", "payments need invoices that are not drafts (REFERENCE 4.5 #3)"),
    (_FEES_SYNC, "mapping.payments.accounts.card", None, "fees need a payment account (REFERENCE 4.5 #4)"),
    (_FEES_SYNC, SUPPLIER, None, "fees need a supplier (REFERENCE 4.5 #5)"),
    (_SALES_SYNC, CUSTOMER, None, "sales need a customer (REFERENCE 4.5 #6)"),
)
_MUST_DIFFER = (
    ("prepaid", "prepaidpayment", "sold and redeemed gift cards need two accounts (REFERENCE 4.5 #9)"),
    ("card", "payout", "card takings and payouts need two accounts (REFERENCE 4.5 #10)"),
)


@dataclass(frozen=True, slots=True)
class Compiled:
    """The fields of some layers, and whether their rules hold. Shared by all merchants that say the same."""

    fields: Mapping[str, Declared]
    digest: str
    sound: bool


@dataclass(frozen=True, slots=True)
class Base:
    """What merchants build on: the layers of a profile, and what they compile to with the merchants' own words.

    variants  by a merchant's own fields and what it un-declares: most merchants of a profile differ in nothing
    """

    layers: Layers
    variants: dict[Hashable, Compiled] = field(default_factory=dict)


def api_name(name: str) -> str:
    """A company's name as the API stores it: forbidden characters are silently removed (REFERENCE 3.1)."""
    return _FORBIDDEN.sub("", name)


def merchant(document: Document, base: Base) -> tuple[Wanted | None, list[Complaint]]:
    """One merchant on what it builds on: compiled, or None and the complaints."""
    own = declared(document)
    lower, complaints = _unmanaged(document, base.layers, own)
    layers = stacked(lower, own)
    compiled = _variant(document, base, own, layers)
    if not compiled.sound:
        complaints.extend(_broken_rules(layers))
    complaints += [*_about_company(document, layers), *_about_platform(document, layers)]
    return (None if complaints else _wanted(document, layers, compiled)), complaints


def broken_rules(document: Document, base: Base) -> list[Complaint]:
    """The rules that a merchant breaks as far as it and its profiles can be read: where one of them is not sound."""
    own = declared(document)
    lower, _ = _unmanaged(document, base.layers, own)
    return list(_broken_rules(stacked(lower, own)))


def _variant(document: Document, base: Base, own: Layers, layers: Layers) -> Compiled:
    fields = frozenset(item for item in own.values.items() if item[0].startswith(_FIELD_ROOTS))
    key = (fields, tuple(word.text for word in document.unmanaged))
    if key not in base.variants:
        base.variants[key] = _compiled(layers)
    return base.variants[key]


def _compiled(layers: Layers) -> Compiled:
    fields = _fields(layers.values)
    digest = _digest(sorted((path, to_json(value)) for path, value in fields.items()))
    return Compiled(fields, digest, sound=not any(_broken_rules(layers)))


def _wanted(document: Document, layers: Layers, compiled: Compiled) -> Wanted:
    values: Mapping[str, Any] = layers.values
    head: dict[str, Any] = {
        "name": document.name,
        "company_name": api_name(values[COMPANY_NAME]),
        "platform": key_of(values[PLATFORM]) if PLATFORM in values else None,
        "books": values.get("company.books"),
        "profile": document.base.text if document.base else None,
    }
    state = LinkState(values.get(CONNECTION_STATE, LinkState.LINKED))
    policy = _policy(values.get("policy.drift"), values.get("policy.deletion"), values.get("policy.adopt"))
    words = f"{state} {policy.drift} {policy.deletion} {policy.adopt}"
    digest = _digest((*head.values(), words, sorted(document.labels.items()), compiled.digest))
    return Wanted(
        **head,
        link_state=state,
        fields=compiled.fields,
        policy=policy,
        labels=document.labels,
        origins=layers.origins,
        digest=digest,
    )


@cache
def _policy(drift: str | None, deletion: str | None, adopt: bool | None) -> Policy:
    return Policy(Drift(drift or Drift.CORRECT), Deletion(deletion or Deletion.RETAIN), adopt is not False)


def _fields(values: Mapping[str, Declared]) -> dict[str, Declared]:
    """The declared values that live in the configuration, ready to be resolved."""
    fields = {path: value for path, value in values.items() if path.startswith(_FIELD_ROOTS)}
    zone = fields.pop(TIME_ZONE, None)
    if LOCAL_TIME in fields and zone:
        fields[LOCAL_TIME] = Clock(str(fields[LOCAL_TIME]), str(zone))
    if START_DATE in fields:
        fields[START_DATE] = midnight_utc(date.fromisoformat(str(fields[START_DATE])), str(zone) if zone else None)
    return fields


def _unmanaged(document: Document, lower: Layers, own: Layers) -> tuple[Layers, list[Complaint]]:
    """`lower` without what the merchant un-declares."""
    complaints: list[Complaint] = []
    for path, position in document.unmanaged:
        rest = without(lower, path)
        if path in own.values:
            remedy = "keep one: declare it, or leave it alone"
            complaints.append(document.complaint(position, f"{path} is unmanaged and declared at once", remedy))
        elif rest is None:
            what = f"no profile of this merchant declares {path!r}"
            complaints.append(document.complaint(position, what, _known_paths(lower, path)))
        else:
            lower = rest
    return lower, complaints


def _known_paths(layers: Layers, path: str) -> str:
    near = get_close_matches(path, layers.values, n=2, cutoff=0.7)
    return f"did you mean {' or '.join(near)}?" if near else "remove it: what nobody declares is not managed anyway"


def _about_company(document: Document, layers: Layers) -> Iterator[Complaint]:
    name = str(layers.values[COMPANY_NAME])
    if not api_name(name).strip():
        what = f"nothing is left of the company name {name!r} once the API strips it (REFERENCE 3.1)"
        origin = layers.origins[COMPANY_NAME][-1]
        yield Complaint(origin.file, origin.line, origin.column, what, "use ASCII letters and digits in company.name")


def _about_platform(document: Document, layers: Layers) -> Iterator[Complaint]:
    if PLATFORM in layers.values or layers.values.get(CONNECTION_STATE) == LinkState.UNLINKED:
        return
    what = f"no layer of {document.name} declares connection.platform"
    yield document.complaint(document.named, what, "add connection: {platform: xero}, or a profile that has it")


def _broken_rules(layers: Layers) -> Iterator[Complaint]:
    yield from _broken_implications(layers)
    yield from _one_key_twice(layers)
    yield from _same_accounts(layers)
    yield from _broken_schedule(layers)


def _broken_implications(layers: Layers) -> Iterator[Complaint]:
    values = layers.values
    for switch, path, refused, why in _IMPLICATIONS:
        if values.get(switch) is True and path in values and values[path] == refused:
            remedy = f"{switch} is true at {layers.origins[switch][-1]}: change one of them"
            shown = "null" if refused is None else str(refused).lower() if refused is False else str(refused)
            yield _complaint(layers, (switch, path), f"{path} is {shown}: {why}", remedy)


def _one_key_twice(layers: Layers) -> Iterator[Complaint]:
    """A key is one account, in whichever section live has it: declared in two, nobody knows which one counts."""
    seen: dict[str, str] = {}
    for path, value in layers.values.items():
        key = account_key(path) if value != UNREADABLE else None
        first = seen.setdefault(key[1].lower(), path) if key else path
        if first != path:
            what = f"{first} and {path} are one account, found in whichever section live has it (REFERENCE 7 row 25)"
            yield _complaint(layers, (path, first), what, "keep one of them, or name the other in spec.unmanaged")


def _same_accounts(layers: Layers) -> Iterator[Complaint]:
    accounts = {key[1].lower(): path for path in layers.values if (key := account_key(path))}
    for one, other, why in _MUST_DIFFER:
        if one not in accounts or other not in accounts:
            continue
        paths = accounts[one], accounts[other]
        reference = layers.values[paths[0]]
        if isinstance(reference, Ref) and reference == layers.values[paths[1]]:
            yield _complaint(layers, paths, f"{paths[0]} and {paths[1]} are the same: {why}", "choose another account")


def _broken_schedule(layers: Layers) -> Iterator[Complaint]:
    values = layers.values
    said = [path for path in (LOCAL_TIME, TIME_ZONE) if path in values]
    if SYNC_HOUR in values and said:
        what = f"{SYNC_HOUR} stands instead of time and timeZone, but {' and '.join(said)} is declared too"
        yield _complaint(layers, (SYNC_HOUR, *said), what, "keep one of the two ways")
    elif LOCAL_TIME in values and TIME_ZONE not in values:
        yield _complaint(layers, (LOCAL_TIME,), f"{LOCAL_TIME} has no {TIME_ZONE}", "add timeZone: Europe/London")
    elif LOCAL_TIME in values and UNREADABLE not in (values[LOCAL_TIME], values[TIME_ZONE]):
        wrong = complaint_about(Clock(str(values[LOCAL_TIME]), str(values[TIME_ZONE])))
        if wrong:
            yield _complaint(layers, (LOCAL_TIME, TIME_ZONE), wrong, "the API takes whole UTC hours")


def _complaint(layers: Layers, paths: tuple[str, ...], what: str, remedy: str) -> Complaint:
    origin = layers.blame(*paths)
    return Complaint(origin.file, origin.line, origin.column, what, remedy)


def _digest(value: object) -> str:
    return sha256(repr(value).encode(errors="surrogatepass")).hexdigest()
