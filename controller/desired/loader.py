"""All merchants that the manifests declare, the account's own settings, and every diagnostic at once."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import field, replace
from datetime import UTC, date, datetime, timedelta
from difflib import get_close_matches
from functools import cache, partial
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any

from controller.desired import discovery, yaml_reader
from controller.desired.account_settings import compile_settings
from controller.desired.cache import ManifestCache
from controller.desired.compile import BaseProfile, check_rules_of_invalid_merchant, compile_merchant
from controller.desired.merge import Layers, merge_layers, own_layer
from controller.desired.parsed_manifest import LocatedText, ParsedManifest, flatten
from controller.desired.schema import ACCOUNT_KINDS, MANIFEST_KINDS, MERCHANT_KIND, PROFILE_KIND
from controller.desired.schema_problems import SchemaProblem, find_schema_problems
from controller.desired.selector import parse_selector
from controller.desired.yaml_reader import MAX_DIAGNOSTICS, Position, YamlNode
from controller.model.account_settings import ACCOUNT_NAME
from controller.model.desired import DeclaredRename, DesiredMerchant, DesiredSettings, Diagnostic, Fleet, Origin
from controller.model.errors import UsageError
from controller.model.field_values import COMPANY_NAME_PATH
from controller.model.syncs_and_uploads import LAST_SYNC_FAILED
from controller.quick_dataclasses import dataclass

MAX_PROFILE_CHAIN = 32
MAX_OTHERS_NAMED = 5
"""Of the manifests that contradict one."""
_NO_PROFILE = ""
"""The key of what a manifest without a profile builds on: no profile can have this name."""


def load_fleet(
    root: Path,
    path: Path | None = None,
    cache: Path | None = None,
    *,
    selector: str | None = None,
    today: date | None = None,
) -> Fleet:
    """The merchants at or below `path` (a file or folder; None = all), compiled on the whole root.

    The parsed files of large roots are kept in the folder `cache`, so that next time only changed ones are parsed.
    A path that is not below the root is read as a root of its own. UsageError when root or path is not there;
    whatever is wrong with a manifest is one of the fleet's diagnostics, sorted by file and line.

    selector  the labels of the merchants of one environment: those of another are as if they were not declared, though
              whatever is wrong with their manifests is told
    today  from which `policy.ignore` reaches so many days; None: this machine's date in UTC
    """
    today = today or datetime.now(UTC).date()
    if path is not None and not path.exists():
        raise UsageError(f"there is no {path}: name a file or folder of manifests")
    part = _path_below_root(root, path) if path is not None else None
    if path is not None and part is None:
        return _load(path, None, ManifestCache.for_root(path, cache), selector, today, configured_root=False)
    if not root.exists():
        raise UsageError(
            f"there are no manifests at {root}: create them with `merchantctl init`, or set MERCHANTCTL_MANIFESTS"
        )
    return _load(root, part, ManifestCache.for_root(root, cache), selector, today, configured_root=True)


def _documents_of_other_environments(loaded: _LoadedManifests, selector: str) -> Iterator[tuple[str, str]]:
    """Kind and name of the merchants and the account's documents of other environments."""
    requirements = parse_selector(selector)
    for (kind, name), document in loaded.documents.items():
        if kind != PROFILE_KIND and not all(requirement.is_met_by(document.labels) for requirement in requirements):
            yield kind, name


MAX_IGNORE_DAYS, MAX_IGNORE_DAYS_BY_CODE = 90, {LAST_SYNC_FAILED: 7}
"""How long something may be ignored; then somebody has to decide again. With every day a valid end stays valid."""


def _check_ignore_durations(merchants: Iterable[DesiredMerchant], today: date) -> Iterator[Diagnostic]:
    for merchant in merchants:
        for rule in merchant.ignore:
            max_days = MAX_IGNORE_DAYS_BY_CODE.get(rule.code or "", MAX_IGNORE_DAYS)
            latest, origin = today + timedelta(days=max_days), merchant.origins["policy.ignore"][-1]
            if rule.until.date() > latest:
                what = f"{rule.code or rule.field} is ignored until {rule.until:%Y-%m-%d}: {max_days} days at most"
                remedy = f"write until: {latest}, or earlier; it can be renewed then"
                yield Diagnostic(origin.file, origin.line, origin.column, what, remedy)


def empty_root_diagnostic(root: Path) -> Diagnostic:
    """The diagnostic for a root without any manifest."""
    what = "no manifest is in this folder or below it"
    remedy = "name the right one with MERCHANTCTL_MANIFESTS, or begin with merchantctl init"
    return Diagnostic(discovery.display_path(str(root)), 0, 0, what, remedy)


def _path_below_root(root: Path, path: Path) -> str | None:
    """`path` as the display name of a file below the root; "" for the root itself, None outside of it."""
    try:
        relative = Path(os.path.realpath(path)).relative_to(os.path.realpath(root))
    except ValueError:
        return None
    return "" if relative == Path() else discovery.display_path(str(root / relative))


def _load(
    root: Path, part: str | None, cache: ManifestCache, selector: str | None, today: date, *, configured_root: bool
) -> Fleet:
    with _without_garbage_collection():
        loaded = _read_manifests(root, cache)
        cache.save()
        compiled = _compile_merchants(loaded)
    renames = _collect_and_check_renames(loaded)
    elsewhere = frozenset(_documents_of_other_environments(loaded, selector)) if selector else frozenset()
    others = frozenset(name for kind, name in elsewhere if kind == MERCHANT_KIND)
    of_account = {key: each for key, each in loaded.documents.items() if key[0] in ACCOUNT_KINDS}
    settings, problems = compile_settings(each for key, each in of_account.items() if key not in elsewhere)
    loaded.diagnostics.extend(problems)
    compiled = [(document, merchant) for document, merchant in compiled if merchant.name not in others]
    renames = {name: rename for name, rename in renames.items() if name not in others}
    loaded.diagnostics.extend(_check_ignore_durations((merchant for _, merchant in compiled), today))
    # Each once: a fault of a profile was found with every merchant that builds on it.
    diagnostics = tuple(sorted(set(loaded.diagnostics)))
    # A file or a folder: `acme.yaml` is in part "acme.yaml" and "acme/uk.yaml" in "acme", but not "acme-2.yaml".
    merchants = {
        merchant.name: merchant
        for document, merchant in compiled
        if not part or document.file == part or document.file.startswith(part + os.sep)
    }
    is_whole_root = configured_root and not diagnostics
    root_name = discovery.display_path(str(root)) + os.sep
    return Fleet(
        dict(sorted(merchants.items())),
        frozenset(loaded.merchant_names) - others,
        diagnostics,
        is_whole_root and not part,
        _fleet_digest((merchant for _, merchant in compiled), renames, settings),
        frozenset(name for kind, name in loaded.documents if kind == PROFILE_KIND),
        renames,
        is_whole_root,
        account_settings=settings,
        has_account_documents=bool(of_account),
        files={merchant.name: document.file.removeprefix(root_name) for document, merchant in compiled},
        content_digests={merchant.name: merchant.content_digest for _, merchant in compiled},
    )


@contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """Nothing that loading creates is garbage, and searching 10,000 manifests for it takes most of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        _freeze_first_load()
        if was_on:
            gc.enable()


@cache
def _freeze_first_load() -> None:
    """What is loaded first lives as long as the process: later collections need not look at it either. Not what a `run`
    loads after that: whatever else lives at that moment would never be collected when it is garbage."""
    gc.freeze()


@dataclass
class _LoadedManifests:
    """What was read so far.

    documents       by kind and name, the first of each
    invalid         kind and name of those with a diagnostic of their own: checked, and never compiled
    merchant_names  of all merchant manifests, invalid ones too: none of these was removed
    remedies        by the name of a profile that is not there: thousands of merchants may name it
    """

    documents: dict[tuple[str, str], ParsedManifest] = field(default_factory=dict)
    invalid: set[tuple[str, str]] = field(default_factory=set)
    merchant_names: set[str] = field(default_factory=set)
    diagnostics: list[Diagnostic] = field(default_factory=list)
    remedies: dict[str, str] = field(default_factory=dict)


def _read_manifests(root: Path, cache: ManifestCache) -> _LoadedManifests:
    loaded = _LoadedManifests()
    for file in discovery.read_manifest_files(root):
        if isinstance(file.content, Diagnostic):
            loaded.diagnostics.append(file.content)
        else:
            documents = cache.get(file.content, file.display_name)
            if documents is None:
                documents = _parse_file(loaded, file.display_name, file.content, cache)
            _add_documents(loaded, documents)
    return loaded


def _parse_file(
    loaded: _LoadedManifests, file: str, content: bytes, cache: ManifestCache
) -> tuple[ParsedManifest, ...]:
    """The manifests of one file; adds its diagnostics to `loaded`, or the manifests to the cache."""
    of_file: list[Diagnostic] = []
    diagnostics: list[Diagnostic] = []
    documents: list[ParsedManifest] = []
    is_empty = True
    for node, is_incomplete in yaml_reader.parse_yaml_lazily(content, file, of_file):
        is_empty = False
        if len(of_file) + len(diagnostics) >= MAX_DIAGNOSTICS:
            diagnostics.append(_too_many_problems_diagnostic(file, node.position))
            break
        document, problems = _parse_document(file, node, is_incomplete)
        diagnostics.extend(problems)
        if document:
            documents.append(document)
    # Emptied by mistake, its merchants would count as removed.
    if is_empty and not of_file:
        remedy = "remove the file, if its merchants are to go; else write their manifests"
        diagnostics.append(Diagnostic(file, 1, 1, "no manifest in this file: it is empty, or all comments", remedy))
    diagnostics = [*of_file, *diagnostics]
    loaded.diagnostics.extend(diagnostics)
    if not diagnostics:
        cache.put(content, documents)
    return tuple(documents)


def _too_many_problems_diagnostic(file: str, position: Position) -> Diagnostic:
    what = f"more than {MAX_DIAGNOSTICS} complaints in this file: the rest of it was not looked at"
    return Diagnostic(file, *position, what, "mend those first")


def _parse_document(file: str, node: YamlNode, is_incomplete: bool) -> tuple[ParsedManifest | None, list[Diagnostic]]:
    """One manifest and what is wrong with its shape; None where it has no name.

    is_incomplete  the reader could not read all of it
    """
    kind = node.value.get("kind") if isinstance(node.value, dict) else None
    if not isinstance(kind, str) or kind not in MANIFEST_KINDS:
        return None, [_kind_diagnostic(file, node, kind)]
    problems = list(islice(find_schema_problems(kind, node.value, partial(_source_text_at, node)), MAX_DIAGNOSTICS))
    diagnostics = [_schema_diagnostic(file, node, problem) for problem in problems]
    name_node = node.get("metadata", "name")
    if name_node is None or not isinstance(name_node.value, str):
        return None, diagnostics
    name, spec = LocatedText(name_node.value, name_node.position), node.get("spec")
    # Nothing to flatten, but its name is known: the merchant must not count as removed.
    if spec is None or not spec.is_mapping or len(problems) >= MAX_DIAGNOSTICS:
        return ParsedManifest(file, kind, *name, is_valid=False), diagnostics
    invalid_ids = {node_id for problem in problems for node_id in _invalid_node_ids(node, problem)}
    document = flatten(file, kind, name, node, invalid_ids)
    return (replace(document, is_valid=False) if is_incomplete else document), diagnostics


def _source_text_at(node: YamlNode, path: tuple[str | int, ...]) -> str | None:
    """The value at a path as the file has it: `0205` where YAML reads 205; None for text, which is itself."""
    for key in path:
        child = _child(node, key)
        if child is None:
            return None
        node = child
    return node.text


def _invalid_node_ids(node: YamlNode, problem: SchemaProblem) -> Iterator[int]:
    """The `id`s of the nodes whose values a problem makes unusable: those on the way to it, and all below it."""
    for key in problem.path:
        child = _child(node, key)
        if child is None:
            break
        yield id(child)
        node = child
    if problem.path:
        yield from map(id, _descendants(node))


def _descendants(node: YamlNode) -> Iterator[YamlNode]:
    for child in (*node.children.values(), *node.items):
        yield child
        yield from _descendants(child)


def _add_documents(loaded: _LoadedManifests, documents: Sequence[ParsedManifest]) -> None:
    before = len(loaded.diagnostics)
    for document in documents:
        if len(loaded.diagnostics) - before >= MAX_DIAGNOSTICS:
            loaded.diagnostics.append(_too_many_problems_diagnostic(document.file, document.name_position))
            return
        key = (document.kind, document.name)
        if document.kind == MERCHANT_KIND:
            loaded.merchant_names.add(document.name)
        if not document.is_valid:
            loaded.invalid.add(key)
        if (first := loaded.documents.setdefault(key, document)) is not document:
            # Which of the two is meant nobody knows: neither is compiled.
            loaded.invalid.add(key)
            for one, other in ((first, document), (document, first)):
                what = f"two of kind {one.kind} are called {one.name!r}, the other at {_position_text(other)}"
                loaded.diagnostics.append(one.diagnostic_at(one.name_position, what, "rename or remove one"))


def _kind_diagnostic(file: str, node: YamlNode, kind: Any) -> Diagnostic:
    kinds = " or ".join(MANIFEST_KINDS)
    if not node.is_mapping:
        return Diagnostic(file, *node.position, "a document that is not a mapping", f"write a {kinds}")
    if kind is None:
        return Diagnostic(file, *node.position, "a document without kind", f"add kind: {kinds}")
    kind_node = node.get("kind") or node
    nearest = get_close_matches(str(kind), MANIFEST_KINDS, n=1, cutoff=0.5)
    remedy = f"did you mean {nearest[0]}?" if nearest else f"write {kinds}"
    return Diagnostic(file, *kind_node.position, f"there is no kind {kind!r}", remedy)


def _schema_diagnostic(file: str, node: YamlNode, problem: SchemaProblem) -> Diagnostic:
    """The problem with its line and column: those of the last node on its path that the document has."""
    position = node.position
    for key in problem.path:
        child = _child(node, key)
        if child is None:
            break
        position = node.key_position(str(key)) if problem.at_key else child.position
        node = child
    return Diagnostic(file, *position, problem.what, problem.remedy)


def _child(node: YamlNode, key: str | int) -> YamlNode | None:
    if isinstance(key, str):
        return node.children.get(key)
    return node.items[key] if key < len(node.items) else None


def _position_text(document: ParsedManifest) -> str:
    return f"{document.file}:{document.name_position.line}:{document.name_position.column}"


def _compile_merchants(loaded: _LoadedManifests) -> list[tuple[ParsedManifest, DesiredMerchant]]:
    bases: dict[str, BaseProfile | None] = {_NO_PROFILE: BaseProfile(Layers())}
    for kind, name in loaded.documents:
        if kind == PROFILE_KIND:
            _compile_base(loaded, name, bases, ())
    compiled: list[tuple[ParsedManifest, DesiredMerchant]] = []
    for key, document in loaded.documents.items():
        base = _base_of_merchant(loaded, document, bases) if key[0] == MERCHANT_KIND else None
        if base is None:
            continue
        base_is_valid = all((layer.kind, layer.name) not in loaded.invalid for layer in base.layers.manifests)
        # Not compiled, but its rules are checked as far as it can be read, so that every diagnostic comes at once.
        if key in loaded.invalid or not base_is_valid:
            loaded.diagnostics.extend(check_rules_of_invalid_merchant(document, base))
            continue
        merchant, diagnostics = compile_merchant(document, base)
        loaded.diagnostics.extend(diagnostics)
        if merchant:
            compiled.append((document, merchant))
    return _drop_and_report_shared_companies(loaded, compiled)


def _base_of_merchant(
    loaded: _LoadedManifests, document: ParsedManifest, bases: dict[str, BaseProfile | None]
) -> BaseProfile | None:
    """What a merchant builds on; None, with a diagnostic, when its profile is not there."""
    if document.base_profile is None:
        return bases[_NO_PROFILE]
    if (PROFILE_KIND, document.base_profile.text) not in loaded.documents:
        loaded.diagnostics.append(_unknown_profile_diagnostic(loaded, document, document.base_profile))
        return None
    return bases[document.base_profile.text]


def _compile_base(
    loaded: _LoadedManifests, name: str, bases: dict[str, BaseProfile | None], chain: tuple[str, ...]
) -> BaseProfile | None:
    """A profile on those that it extends, merged once; None when one of them is not there, or extends it in turn."""
    if name in bases:
        return bases[name]
    document = loaded.documents[PROFILE_KIND, name]
    bases[name] = None  # until it is merged; asked for meanwhile, it extends itself
    lower = bases[_NO_PROFILE]
    if document.base_profile is not None:
        lower = _base_of_profile(loaded, document, document.base_profile, bases, (*chain, name))
    if lower is not None:
        bases[name] = BaseProfile(merge_layers(lower.layers, own_layer(document)))
    return bases[name]


def _base_of_profile(
    loaded: _LoadedManifests,
    document: ParsedManifest,
    base: LocatedText,
    bases: dict[str, BaseProfile | None],
    chain: tuple[str, ...],
) -> BaseProfile | None:
    if base.text in chain:
        loop = " → ".join((*chain[chain.index(base.text) :], base.text))
        loaded.diagnostics.append(
            document.diagnostic_at(base.position, f"profiles extend each other: {loop}", "break the circle")
        )
        return None
    if len(chain) > MAX_PROFILE_CHAIN:
        what = f"a chain of more than {MAX_PROFILE_CHAIN} profiles"
        loaded.diagnostics.append(document.diagnostic_at(base.position, what, "join some of them"))
        return None
    if (PROFILE_KIND, base.text) not in loaded.documents:
        loaded.diagnostics.append(_unknown_profile_diagnostic(loaded, document, base))
        return None
    return _compile_base(loaded, base.text, bases, chain)


def _unknown_profile_diagnostic(loaded: _LoadedManifests, document: ParsedManifest, base: LocatedText) -> Diagnostic:
    what = f"there is no MappingProfile {base.text!r}"
    if base.text not in loaded.remedies:
        names = [name for kind, name in loaded.documents if kind == PROFILE_KIND]
        nearest = get_close_matches(base.text, names, n=1, cutoff=0.5)
        known = ", ".join(sorted(names)[:10]) or "none was found"
        loaded.remedies[base.text] = f"did you mean {nearest[0]!r}?" if nearest else f"profiles: {known}"
    return document.diagnostic_at(base.position, what, loaded.remedies[base.text])


def _drop_and_report_shared_companies(
    loaded: _LoadedManifests, compiled: list[tuple[ParsedManifest, DesiredMerchant]]
) -> list[tuple[ParsedManifest, DesiredMerchant]]:
    """Without the merchants that would become one company at Codat; each of them gets a diagnostic."""
    by_company: dict[str, list[DesiredMerchant]] = {}
    for _, merchant in compiled:
        by_company.setdefault(merchant.company_name, []).append(merchant)
    shared = {name: merchants for name, merchants in by_company.items() if len(merchants) > 1}
    for name, merchants in shared.items():
        origins = [merchant.origins[COMPANY_NAME_PATH][-1] for merchant in merchants]
        places = [f"{merchant.name} ({origin})" for merchant, origin in zip(merchants, origins, strict=True)]
        for origin, place in zip(origins, places, strict=True):
            what = f"the company name {name!r}, as the API stores it, is also that of {_others_text(places, place)}"
            remedy = "give company.name other letters or digits"
            loaded.diagnostics.append(Diagnostic(origin.file, origin.line, origin.column, what, remedy))
    return [(document, merchant) for document, merchant in compiled if merchant.company_name not in shared]


def _others_text(places: Sequence[str], own: str) -> str:
    """All places but one's own, of many only some: a mistake in a template is made ten thousand times, and each of its
    diagnostics would name ten thousand."""
    named = [place for place in places[: MAX_OTHERS_NAMED + 1] if place != own][:MAX_OTHERS_NAMED]
    left = len(places) - 1 - len(named)
    return ", ".join(named) + (f" and {left:,} more" if left else "")


# Renames ------------------------------------------------------------------------------------------------


def _collect_and_check_renames(loaded: _LoadedManifests) -> dict[str, DeclaredRename]:
    """Every `metadata.renamedFrom` by the new name; adds a diagnostic for each that has no single meaning.

    An old name may be the new name of another rename (a chain, a swap), but not one that keeps its manifest.
    """
    renamed = {
        name: document
        for (kind, name), document in loaded.documents.items()
        if kind == MERCHANT_KIND and document.renamed_from
    }
    by_source: dict[str, list[ParsedManifest]] = {}
    for document in renamed.values():
        by_source.setdefault(_renamed_from(document).text, []).append(document)
    for old, documents in by_source.items():
        places = [f"{document.name} ({_rename_origin(document)})" for document in documents]
        for document, place in zip(documents, places, strict=True):
            others = _others_text(places, place)
            loaded.diagnostics.extend(_check_rename(loaded, document, others, old_name_stays=old not in renamed))
    return {
        name: DeclaredRename(_renamed_from(document).text, _rename_origin(document))
        for name, document in renamed.items()
    }


def _check_rename(
    loaded: _LoadedManifests, document: ParsedManifest, others: str, *, old_name_stays: bool
) -> Iterator[Diagnostic]:
    """`others`: the manifests that are renamed from the same, in words; empty = none."""
    old, position = _renamed_from(document)
    if old == document.name:
        yield document.diagnostic_at(position, f"{old!r} is renamed from itself", "delete the line")
        return
    if others:
        what = f"{document.name} is renamed from {old!r}, and so is {others}"
        yield document.diagnostic_at(position, what, "keep the line in the manifest that the merchant has now")
    if old_name_stays and old in loaded.merchant_names:
        manifest = loaded.documents.get((MERCHANT_KIND, old))
        where = f" at {_position_text(manifest)}" if manifest else ""
        what = f"{document.name} is renamed from {old!r}, which still has a manifest{where} and is not renamed itself"
        yield document.diagnostic_at(position, what, "delete the line, or that manifest")


def _renamed_from(document: ParsedManifest) -> LocatedText:
    assert document.renamed_from is not None, "only manifests with the line are asked"
    return document.renamed_from


def _rename_origin(document: ParsedManifest) -> Origin:
    return Origin(document.file, *_renamed_from(document).position, document.title)


def _fleet_digest(
    merchants: Iterable[DesiredMerchant], renames: Mapping[str, DeclaredRename], settings: DesiredSettings
) -> str:
    """A hash of all that is declared, with what no merchant's own digest has: names, renames, what is left alone."""
    lines = [
        " ".join((merchant.digest, merchant.name, *(str(each or "") for each in merchant.declared_outside_digest)))
        for merchant in merchants
    ]
    lines += [f"{rename.old_name!r} -> {name!r}" for name, rename in renames.items()]
    # Only where some are declared, so that a fleet without them keeps the digest that it had before there were any.
    lines += [f"{ACCOUNT_NAME} {settings.digest}"] if settings.digest else []
    return sha256("\n".join(sorted(lines)).encode(errors="surrogatepass")).hexdigest()
