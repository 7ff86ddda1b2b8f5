"""Layers to a `DesiredMerchant`: the platform's key, the start as an instant, and the rules that can be checked here.

Pure. A diagnostic about a value that a profile declares is about the profile, however many merchants build on it.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import field
from datetime import date
from difflib import get_close_matches
from functools import cache
from hashlib import sha256
from typing import Any

from controller.desired.merge import TIME_ZONE_PATH, Layers, comparable_path, merge_layers, own_layer, without_path
from controller.desired.parsed_manifest import INVALID_VALUE, ParsedManifest, to_declared_value
from controller.model.account_types import new_account_problem
from controller.model.desired import (
    DeletionPolicy,
    DesiredMerchant,
    Diagnostic,
    DriftPolicy,
    IgnoreRule,
    LinkState,
    MerchantPolicy,
)
from controller.model.field_values import (
    COMPANY_NAME_PATH,
    CONNECTION_STATE_PATH,
    CUSTOMER_PATH,
    FEES_SYNC_PATH,
    INVOICE_STATUS_PATH,
    LOCAL_TIME_PATH,
    PAYMENTS_SYNC_PATH,
    PLATFORM_PATH,
    REPLACE_CONNECTION_PATH,
    SALES_SYNC_PATH,
    START_DATE_PATH,
    SUPPLIER_PATH,
    SYNC_HOUR_PATH,
    DeclaredValue,
    LocalTime,
    NewAccount,
    Ref,
    account_path,
    ref_kind,
    split_account_path,
    value_to_json,
)
from controller.model.holds import DeclaredHold, HeldBy
from controller.model.local_times import local_midnight, local_time_problem
from controller.model.name_matching import find_invisible_flaw, normalize_company_name, remove_invisible
from controller.model.platforms import platform_key
from controller.quick_dataclasses import dataclass

_FIELD_ROOTS = ("mapping.", "schedule.", "enabled")

#   when this is true …   this must not be …          …that               why
_REFUSED_WITH_SWITCH: tuple[tuple[str, str, DeclaredValue, str], ...] = (
    (PAYMENTS_SYNC_PATH, SALES_SYNC_PATH, False, "payments are synchronised only with sales (API notes 4.5 #2)"),
    (PAYMENTS_SYNC_PATH, INVOICE_STATUS_PATH, "Draft", "payments need invoices that are not drafts (API notes 4.5 #3)"),
    (FEES_SYNC_PATH, account_path("payments", "card"), None, "fees need a payment account (API notes 4.5 #4)"),
    (FEES_SYNC_PATH, SUPPLIER_PATH, None, "fees need a supplier (API notes 4.5 #5)"),
    (SALES_SYNC_PATH, CUSTOMER_PATH, None, "sales need a customer (API notes 4.5 #6)"),
)
_ACCOUNTS_THAT_DIFFER = (
    ("prepaid", "prepaidpayment", "sold and redeemed gift cards need two accounts (API notes 4.5 #9)"),
    ("card", "payout", "card takings and payouts need two accounts (API notes 4.5 #10)"),
)


@dataclass(frozen=True, slots=True)
class CompiledFields:
    """The fields of some layers, and whether they keep the rules. Shared by all merchants with the same layers.

    created  the paths of accounts that may be created in the books
    """

    fields: Mapping[str, DeclaredValue]
    digest: str
    is_valid: bool
    created: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BaseProfile:
    """What merchants build on: the layers of a profile, and what they compile to.

    compiled_variants  by a merchant's own fields and what it un-declares; most merchants of a profile differ in neither
    """

    layers: Layers
    compiled_variants: dict[Hashable, CompiledFields] = field(default_factory=dict)


def compile_merchant(document: ParsedManifest, base: BaseProfile) -> tuple[DesiredMerchant | None, list[Diagnostic]]:
    """One merchant on its base, compiled; None and the diagnostics where something is wrong with it."""
    own = own_layer(document)
    lower, diagnostics = _without_unmanaged(document, base.layers, own)
    layers = merge_layers(lower, own)
    # Compiling is slow and thousands of merchants have the same fields, so each variant is compiled once.
    own_fields = frozenset(item for item in own.values.items() if item[0].startswith(_FIELD_ROOTS))
    variant = (own_fields, tuple(path.text for path in document.unmanaged))
    if variant not in base.compiled_variants:
        fields = _configuration_fields(layers.values)
        digest = _digest(sorted((path, value_to_json(value)) for path, value in fields.items()))
        is_valid = not any(_check_rules(layers))
        created = tuple(path for path, value in fields.items() if isinstance(value, Ref) and value.create)
        base.compiled_variants[variant] = CompiledFields(fields, digest, is_valid, created)
    compiled = base.compiled_variants[variant]
    # Anew for each merchant: the rules are broken alike, and at other places.
    if not compiled.is_valid:
        diagnostics.extend(_check_rules(layers))
    diagnostics += [*_check_company_name(layers), *_check_platform(document, layers), *_check_replacement(layers)]
    diagnostics += [*_check_ignored_fields(layers), *_check_new_accounts(layers, compiled.created)]
    return (None if diagnostics else _desired_merchant(document, layers, compiled)), diagnostics


def check_rules_of_invalid_merchant(document: ParsedManifest, base: BaseProfile) -> list[Diagnostic]:
    """The rules that an invalid merchant, or one with an invalid profile, breaks as far as it can be read."""
    own = own_layer(document)
    lower, _ = _without_unmanaged(document, base.layers, own)
    return list(_check_rules(merge_layers(lower, own)))


def _desired_merchant(document: ParsedManifest, layers: Layers, compiled: CompiledFields) -> DesiredMerchant:
    values: Mapping[str, Any] = layers.values
    head: dict[str, Any] = {
        "name": document.name,
        "company_name": normalize_company_name(values[COMPANY_NAME_PATH]),
        "platform": platform_key(values[PLATFORM_PATH]) if PLATFORM_PATH in values else None,
        "books": values.get("company.books"),
        "profile": document.base_profile.text if document.base_profile else None,
    }
    state = LinkState(values.get(CONNECTION_STATE_PATH, LinkState.LINKED))
    policy = _policy(
        values.get("policy.drift"),
        values.get("policy.deletion"),
        values.get("policy.adopt"),
        values.get(REPLACE_CONNECTION_PATH),
    )
    behaviour = f"{state} {policy.drift} {policy.deletion} {policy.adopt}"
    # Only where there is one: the digests of all others stay what they were before there was this key, and with them
    # quarantines, verdicts and the holds of rollouts.
    if policy.replace_connection:
        behaviour += f" {policy.replace_connection}"
    # Without the name, so that a renamed merchant is the same merchant.
    unnamed = [value for key, value in head.items() if key != "name"]
    digest = _digest((*unnamed, behaviour, sorted(document.labels.items()), compiled.digest))
    return DesiredMerchant(
        **head,
        manifest_company_name=values[COMPANY_NAME_PATH],
        link_state=state,
        fields=compiled.fields,
        policy=policy,
        labels=document.labels,
        origins=layers.origins,
        digest=digest,
        content_digest=_digest((head["platform"], head["books"], behaviour, compiled.digest)),
        ignore=tuple(map(_ignore_rule, values.get("policy.ignore", ()))),
        hold=_suspension(values.get("suspend.reason"), values.get("suspend.until")),
    )


def _ignore_rule(declared: Mapping[str, Any]) -> IgnoreRule:
    until = local_midnight(date.fromisoformat(declared["until"]), None)
    live, field = to_declared_value(declared.get("live")), declared.get("field")
    path = comparable_path(field) if field else None
    return IgnoreRule(declared.get("finding"), path, live, declared["reason"], until)


@cache
def _suspension(reason: str | None, until: str | None) -> DeclaredHold | None:
    if reason is None:
        return None
    return DeclaredHold(HeldBy.SUSPENSION, reason, local_midnight(date.fromisoformat(until), None) if until else None)


@cache
def _policy(drift: str | None, deletion: str | None, adopt: bool | None, replaces: str | None) -> MerchantPolicy:
    """One value for all merchants with the same policy."""
    return MerchantPolicy(
        DriftPolicy(drift or DriftPolicy.CORRECT),
        DeletionPolicy(deletion or DeletionPolicy.RETAIN),
        adopt is not False,
        platform_key(replaces) if replaces else None,
    )


def _configuration_fields(values: Mapping[str, DeclaredValue]) -> dict[str, DeclaredValue]:
    """The declared values of Codat's configuration document, ready to be resolved."""
    fields = {path: value for path, value in values.items() if path.startswith(_FIELD_ROOTS)}
    zone = fields.pop(TIME_ZONE_PATH, None)
    if LOCAL_TIME_PATH in fields and zone:
        fields[LOCAL_TIME_PATH] = LocalTime(str(fields[LOCAL_TIME_PATH]), str(zone))
    if START_DATE_PATH in fields:
        fields[START_DATE_PATH] = local_midnight(
            date.fromisoformat(str(fields[START_DATE_PATH])), str(zone) if zone else None
        )
    return fields


def _without_unmanaged(document: ParsedManifest, lower: Layers, own: Layers) -> tuple[Layers, list[Diagnostic]]:
    """`lower` without what the merchant un-declares, and what is wrong with its list."""
    diagnostics: list[Diagnostic] = []
    for path, position in document.unmanaged:
        rest = without_path(lower, path)
        if path in own.values:
            remedy = "keep one: declare it, or leave it alone"
            diagnostics.append(document.diagnostic_at(position, f"{path} is unmanaged and declared at once", remedy))
        elif rest is None:
            what = f"no profile of this merchant declares {path!r}"
            remedy = "remove it: what nobody declares is not managed anyway"
            if nearest := get_close_matches(path, lower.values, n=2, cutoff=0.7):
                remedy = f"did you mean {' or '.join(nearest)}?"
            diagnostics.append(document.diagnostic_at(position, what, remedy))
        else:
            lower = rest
    return lower, diagnostics


def _check_company_name(layers: Layers) -> Iterator[Diagnostic]:
    """A diagnostic where Codat would keep nothing of the name, or where what it keeps has an invisible flaw."""
    name = str(layers.values[COMPANY_NAME_PATH])
    kept = normalize_company_name(name)
    if not kept.strip():
        what = f"nothing is left of the company name {name!r} once the API strips it (API notes 3.1)"
        remedy = "use ASCII letters and digits in company.name"
    # A flaw of the name itself has its diagnostic already.
    elif (wrong := find_invisible_flaw(kept)) and not find_invisible_flaw(name):
        what = f"the API strips the company name {name!r} to {kept!r} (API notes 3.1): {wrong}"
        remedy = f"write company: {{name: {json.dumps(remove_invisible(kept))}}}"
    else:
        return
    origin = layers.origins[COMPANY_NAME_PATH][-1]
    yield Diagnostic(origin.file, origin.line, origin.column, what, remedy)


def _check_platform(document: ParsedManifest, layers: Layers) -> Iterator[Diagnostic]:
    if PLATFORM_PATH in layers.values or layers.values.get(CONNECTION_STATE_PATH) == LinkState.UNLINKED:
        return
    what = f"no layer of {document.name} declares connection.platform"
    yield document.diagnostic_at(
        document.name_position, what, "add connection: {platform: xero}, or a profile that has it"
    )


def _check_replacement(layers: Layers) -> Iterator[Diagnostic]:
    """A line that was left behind must not move a merchant back: it has to name the platform that is declared."""
    to, platform = layers.values.get(REPLACE_CONNECTION_PATH), layers.values.get(PLATFORM_PATH)
    if not (isinstance(to, str) and isinstance(platform, str)) or platform_key(to) == platform_key(platform):
        return
    yield _diagnostic(
        layers,
        (REPLACE_CONNECTION_PATH, PLATFORM_PATH),
        f"policy.replaceConnection moves to {to}, and connection.platform is {platform}",
        "name in both the platform that the merchant is to have, or delete replaceConnection",
    )


def _check_new_accounts(layers: Layers, paths: tuple[str, ...]) -> Iterator[Diagnostic]:
    """What a platform takes is known offline (API notes 3.11), as far as it is known at all."""
    platform = layers.values.get(PLATFORM_PATH)
    for path in paths:
        ref = layers.values[path]
        new = ref.create if isinstance(ref, Ref) else None
        if new and isinstance(platform, str) and (problem := new_account_problem(platform_key(platform), new)):
            yield _diagnostic(layers, (path,), f"{path}.create: {problem.what}", problem.remedy)


def _check_contradicting_accounts(layers: Layers) -> Iterator[Diagnostic]:
    """One account that is to be created in two ways."""
    seen: dict[tuple[str, str], tuple[str, NewAccount]] = {}
    for path, ref in layers.values.items():
        if not isinstance(ref, Ref) or ref.create is None:
            continue
        first, new = seen.setdefault((ref.by, ref.value), (path, ref.create))
        if new != ref.create:
            what = f"{first} and {path} would create {ref} in two ways"
            yield _diagnostic(layers, (path, first), what, "write the same create in both, or keep one")


def _check_ignored_fields(layers: Layers) -> Iterator[Diagnostic]:
    """A field that nobody declares is not compared anyway, but for a selection that its books lack."""
    rules: Any = layers.values.get("policy.ignore")
    if not rules:
        return
    known = {comparable_path(path) for path in layers.values} | {CONNECTION_STATE_PATH, PLATFORM_PATH}
    for rule in rules:
        path = comparable_path(rule.get("field", CONNECTION_STATE_PATH))
        if path in known or ref_kind(path):
            continue
        nearest = get_close_matches(path, known, n=2, cutoff=0.7)
        remedy = f"did you mean {' or '.join(nearest)}?" if nearest else "name a field as a finding shows it"
        yield _diagnostic(layers, ("policy.ignore",), f"policy.ignore: nothing declares {rule['field']!r}", remedy)


def _check_rules(layers: Layers) -> Iterator[Diagnostic]:
    yield from _check_implications(layers)
    yield from _check_duplicate_account_keys(layers)
    yield from _check_accounts_differ(layers)
    yield from _check_contradicting_accounts(layers)
    yield from _check_schedule(layers)


def _check_implications(layers: Layers) -> Iterator[Diagnostic]:
    """Values that Codat would refuse while another field is true. Only what is declared: the rest may be live."""
    values = layers.values
    for switch, path, refused, why in _REFUSED_WITH_SWITCH:
        if values.get(switch) is True and path in values and values[path] == refused:
            remedy = f"{switch} is true at {layers.origins[switch][-1]}: change one of them"
            shown = "null" if refused is None else str(refused).lower() if refused is False else str(refused)
            yield _diagnostic(layers, (switch, path), f"{path} is {shown}: {why}", remedy)


def _check_duplicate_account_keys(layers: Layers) -> Iterator[Diagnostic]:
    """Account keys that are declared in two sections: a key is one account, in whichever section live has it."""
    seen: dict[str, str] = {}
    for path, value in layers.values.items():
        key = split_account_path(path) if value != INVALID_VALUE else None
        first = seen.setdefault(key[1].lower(), path) if key else path
        if first != path:
            what = f"{first} and {path} are one account, found in whichever section live has it (API notes 7 #25)"
            yield _diagnostic(layers, (path, first), what, "keep one of them, or name the other in spec.unmanaged")


def _check_accounts_differ(layers: Layers) -> Iterator[Diagnostic]:
    accounts = {key[1].lower(): path for path in layers.values if (key := split_account_path(path))}
    for one, other, why in _ACCOUNTS_THAT_DIFFER:
        if one not in accounts or other not in accounts:
            continue
        paths = accounts[one], accounts[other]
        reference, another = (layers.values[path] for path in paths)
        if (
            isinstance(reference, Ref)
            and isinstance(another, Ref)
            and (reference.by, reference.value) == (another.by, another.value)
        ):
            yield _diagnostic(layers, paths, f"{paths[0]} and {paths[1]} are the same: {why}", "choose another account")


def _check_schedule(layers: Layers) -> Iterator[Diagnostic]:
    values = layers.values
    local_paths = [path for path in (LOCAL_TIME_PATH, TIME_ZONE_PATH) if path in values]
    if SYNC_HOUR_PATH in values and local_paths:
        what = f"{SYNC_HOUR_PATH} stands instead of time and timeZone, but {' and '.join(local_paths)} is declared too"
        yield _diagnostic(layers, (SYNC_HOUR_PATH, *local_paths), what, "keep one of the two ways")
    elif LOCAL_TIME_PATH in values and TIME_ZONE_PATH not in values:
        yield _diagnostic(
            layers, (LOCAL_TIME_PATH,), f"{LOCAL_TIME_PATH} has no {TIME_ZONE_PATH}", "add timeZone: Europe/London"
        )
    elif LOCAL_TIME_PATH in values and INVALID_VALUE not in (values[LOCAL_TIME_PATH], values[TIME_ZONE_PATH]):
        problem = local_time_problem(LocalTime(str(values[LOCAL_TIME_PATH]), str(values[TIME_ZONE_PATH])))
        if problem:
            yield _diagnostic(layers, (LOCAL_TIME_PATH, TIME_ZONE_PATH), problem, "the API takes whole UTC hours")


def _diagnostic(layers: Layers, paths: tuple[str, ...], what: str, remedy: str) -> Diagnostic:
    origin = layers.highest_origin(*paths)
    return Diagnostic(origin.file, origin.line, origin.column, what, remedy)


def _digest(value: object) -> str:
    return sha256(repr(value).encode(errors="surrogatepass")).hexdigest()
