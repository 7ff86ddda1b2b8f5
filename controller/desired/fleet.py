"""All merchants that the manifests declare, or all complaints about them at once."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any

from controller.desired import files, source
from controller.desired.check import Problem, problems
from controller.desired.compile import Base, broken_rules, merchant
from controller.desired.document import Document, Word, flat
from controller.desired.kept import Kept
from controller.desired.layers import Layers, declared, stacked
from controller.desired.schema import KINDS, MERCHANT, PROFILE
from controller.desired.source import MAX_COMPLAINTS, Node, Position
from controller.model.errors import UsageError
from controller.model.merchant import Complaint, Fleet, Wanted
from controller.model.values import COMPANY_NAME

MAX_CHAIN = 32
_NOTHING = ""
"""What a manifest without a profile builds on: no profile can be called that."""


def load(root: Path, path: Path | None = None, cache: Path | None = None) -> Fleet:
    """The merchants at or below `path` (a file or folder; None = all), compiled on the whole root.

    What large roots hold is kept in the folder `cache`, so that next time only changed files need be parsed.
    A path that is not below the root is read as a root of its own. Raises UsageError when root or path is not
    there; whatever is wrong with a manifest is one of the fleet's complaints, sorted by address.
    """
    if path is not None and not path.exists():
        raise UsageError(f"there is no {path}: name a file or folder of manifests")
    part = _part_of(root, path) if path is not None else None
    if path is not None and part is None:
        return _fleet(path, None, Kept.of(path, cache), configured_root=False)
    if not root.exists():
        raise UsageError(
            f"there are no manifests at {root}: create them with `merchantctl init`, or set MERCHANTCTL_MANIFESTS"
        )
    return _fleet(root, part, Kept.of(root, cache), configured_root=True)


def _part_of(root: Path, path: Path) -> str | None:
    """`path` as the files below the root are shown; None when it is not the root or below it. "" is the root."""
    try:
        relative = Path(os.path.realpath(path)).relative_to(os.path.realpath(root))
    except ValueError:
        return None
    return "" if relative == Path() else files.shown(str(root / relative))


def _fleet(root: Path, part: str | None, kept: Kept, configured_root: bool) -> Fleet:
    with _without_garbage_collection():
        pile = _read(root, kept)
        kept.save()
        compiled = _compile(pile)
    complaints = tuple(sorted(set(pile.complaints)))
    chosen = {wanted.name: wanted for document, wanted in compiled if not part or _is_at_or_below(document.file, part)}
    merchants = dict(sorted(chosen.items()))
    known = frozenset(pile.known)
    whole = configured_root and not part and not complaints
    profiles = frozenset(name for kind, name in pile.documents if kind == PROFILE)
    return Fleet(merchants, known, complaints, whole, _digest(wanted for _, wanted in compiled), profiles)


def _is_at_or_below(file: str, part: str) -> bool:
    return file == part or file.startswith(part + os.sep)


@contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """Nothing made while loading is garbage, and looking for it among 10,000 manifests takes most of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_on:
            gc.enable()


@dataclass
class _Pile:
    """What was read: sound documents by kind and name, names that are known to be there, and complaints."""

    documents: dict[tuple[str, str], Document] = field(default_factory=dict)
    unsound: set[tuple[str, str]] = field(default_factory=set)
    known: set[str] = field(default_factory=set)
    complaints: list[Complaint] = field(default_factory=list)


def _read(root: Path, kept: Kept) -> _Pile:
    pile = _Pile()
    for file in files.below(root):
        if isinstance(file.content, Complaint):
            pile.complaints.append(file.content)
        else:
            documents = kept.documents(file.content, file.name)
            _put_all(pile, _parsed(pile, file.name, file.content, kept) if documents is None else documents)
    return pile


def _parsed(pile: _Pile, file: str, content: bytes, kept: Kept) -> list[Document]:
    """The manifests of one file, the complaints about it on the pile; one without a complaint is kept."""
    text = source.read(content, file)
    complaints, documents = [*text.complaints], []
    for number, node in enumerate(text.documents):
        if len(complaints) >= MAX_COMPLAINTS:
            complaints.append(_enough(file, node.position))
            break
        document, found = _checked(file, node, marred=number in text.marred)
        complaints.extend(found)
        documents.extend([document] if document else [])
    pile.complaints.extend(complaints)
    if not complaints:
        kept.keep(content, documents)
    return documents


def _enough(file: str, position: Position) -> Complaint:
    what = f"more than {MAX_COMPLAINTS} complaints in this file: the rest of it was not looked at"
    return Complaint(file, *position, what, "mend those first")


def _checked(file: str, node: Node, marred: bool) -> tuple[Document | None, list[Complaint]]:
    """One manifest and the complaints about its shape; None where it has no name. `marred`: not all of it was read."""
    kind = node.value.get("kind") if isinstance(node.value, dict) else None
    if not isinstance(kind, str) or kind not in KINDS:
        return None, [_not_a_manifest(file, node, kind)]
    found = list(islice(problems(kind, node.value), MAX_COMPLAINTS))
    complaints = [_complaint(file, node, problem) for problem in found]
    named = node.get("metadata", "name")
    if named is None or not isinstance(named.value, str):
        return None, complaints
    name, spec = Word(named.value, named.position), node.get("spec")
    if spec is None or not spec.is_mapping or len(found) >= MAX_COMPLAINTS:
        return Document(file, kind, *name, sound=False), complaints
    document = flat(file, kind, name, node, {each for problem in found for each in _wrong(node, problem)})
    return (replace(document, sound=False) if marred else document), complaints


def _wrong(node: Node, problem: Problem) -> Iterator[int]:
    """The `id`s of what a problem makes unreadable: the nodes on the way to it, and all below it."""
    for key in problem.path:
        child = _child(node, key)
        if child is None:
            break
        yield id(child)
        node = child
    if problem.path:
        yield from map(id, _below(node))


def _below(node: Node) -> Iterator[Node]:
    for child in (*node.children.values(), *node.items):
        yield child
        yield from _below(child)


def _put_all(pile: _Pile, documents: Sequence[Document]) -> None:
    before = len(pile.complaints)
    for document in documents:
        if len(pile.complaints) - before >= MAX_COMPLAINTS:
            pile.complaints.append(_enough(document.file, document.named))
            return
        _put(pile, document)


def _put(pile: _Pile, document: Document) -> None:
    key = (document.kind, document.name)
    if document.kind == MERCHANT:
        pile.known.add(document.name)
    if not document.sound:
        pile.unsound.add(key)
    if key in pile.documents:
        _complain_of_twins(pile, pile.documents[key], document)
    else:
        pile.documents[key] = document


def _not_a_manifest(file: str, node: Node, kind: Any) -> Complaint:
    known = " or ".join(KINDS)
    if not node.is_mapping:
        return Complaint(file, *node.position, "a document that is not a mapping", f"write a {known}")
    if kind is None:
        return Complaint(file, *node.position, "a document without kind", f"add kind: {known}")
    at = node.get("kind") or node
    near = get_close_matches(str(kind), KINDS, n=1, cutoff=0.5)
    remedy = f"did you mean {near[0]}?" if near else f"write {known}"
    return Complaint(file, *at.position, f"there is no kind {kind!r}", remedy)


def _complaint(file: str, node: Node, problem: Problem) -> Complaint:
    """The address of a problem: follow its path as far as the document goes."""
    position = node.position
    for key in problem.path:
        child = _child(node, key)
        if child is None:
            break
        position = node.key_position(str(key)) if problem.at_key else child.position
        node = child
    return Complaint(file, *position, problem.what, problem.remedy)


def _child(node: Node, key: str | int) -> Node | None:
    if isinstance(key, str):
        return node.children.get(key)
    return node.items[key] if key < len(node.items) else None


def _complain_of_twins(pile: _Pile, first: Document, second: Document) -> None:
    pile.unsound.add((first.kind, first.name))
    for one, other in ((first, second), (second, first)):
        what = f"two of kind {one.kind} are called {one.name!r}, the other at {_at(other)}"
        pile.complaints.append(one.complaint(one.named, what, "rename or remove one"))


def _at(document: Document) -> str:
    return f"{document.file}:{document.named.line}:{document.named.column}"


def _compile(pile: _Pile) -> list[tuple[Document, Wanted]]:
    bases: dict[str, Base | None] = {_NOTHING: Base(Layers())}
    for kind, name in pile.documents:
        if kind == PROFILE:
            _base(pile, name, bases, ())
    compiled: list[tuple[Document, Wanted]] = []
    for key, document in pile.documents.items():
        base = _profile_of(pile, document, bases) if key[0] == MERCHANT else None
        if base is None:
            continue
        if key in pile.unsound or not _is_sound(pile, base):
            pile.complaints.extend(broken_rules(document, base))
            continue
        wanted, complaints = merchant(document, base)
        pile.complaints.extend(complaints)
        if wanted:
            compiled.append((document, wanted))
    return _one_company_each(pile, compiled)


def _is_sound(pile: _Pile, base: Base) -> bool:
    return all((each.kind, each.name) not in pile.unsound for each in base.layers.documents)


def _profile_of(pile: _Pile, document: Document, bases: dict[str, Base | None]) -> Base | None:
    """What a merchant builds on; None when that is not there, which has its own complaint."""
    if document.base is None:
        return bases[_NOTHING]
    if (PROFILE, document.base.text) not in pile.documents:
        pile.complaints.append(_unknown_profile(pile, document, document.base))
        return None
    return bases[document.base.text]


def _base(pile: _Pile, name: str, bases: dict[str, Base | None], chain: tuple[str, ...]) -> Base | None:
    """A profile on those it extends, compiled once; None when one of them is not there."""
    if name in bases:
        return bases[name]
    document = pile.documents[PROFILE, name]
    bases[name] = None
    lower = bases[_NOTHING]
    if document.base is not None:
        lower = _extended(pile, document, document.base, bases, (*chain, name))
    if lower is not None:
        bases[name] = Base(stacked(lower.layers, declared(document)))
    return bases[name]


def _extended(
    pile: _Pile, document: Document, base: Word, bases: dict[str, Base | None], chain: tuple[str, ...]
) -> Base | None:
    if base.text in chain:
        loop = " → ".join((*chain[chain.index(base.text) :], base.text))
        pile.complaints.append(
            document.complaint(base.position, f"profiles extend each other: {loop}", "break the circle")
        )
        return None
    if len(chain) > MAX_CHAIN:
        what = f"a chain of more than {MAX_CHAIN} profiles"
        pile.complaints.append(document.complaint(base.position, what, "join some of them"))
        return None
    if (PROFILE, base.text) not in pile.documents:
        pile.complaints.append(_unknown_profile(pile, document, base))
        return None
    return _base(pile, base.text, bases, chain)


def _unknown_profile(pile: _Pile, document: Document, base: Word) -> Complaint:
    names = [name for kind, name in pile.documents if kind == PROFILE]
    near = get_close_matches(base.text, names, n=1, cutoff=0.5)
    remedy = f"did you mean {near[0]!r}?" if near else f"profiles: {', '.join(sorted(names)[:10]) or 'none was found'}"
    return document.complaint(base.position, f"there is no MappingProfile {base.text!r}", remedy)


def _one_company_each(pile: _Pile, compiled: list[tuple[Document, Wanted]]) -> list[tuple[Document, Wanted]]:
    """Two merchants may not become one company: complains at both, and leaves both out."""
    by_company: dict[str, list[Wanted]] = {}
    for _, wanted in compiled:
        by_company.setdefault(wanted.company_name, []).append(wanted)
    twins = {name: merchants for name, merchants in by_company.items() if len(merchants) > 1}
    for name, merchants in twins.items():
        for one in merchants:
            at = one.origins[COMPANY_NAME][-1]
            others = ", ".join(
                f"{other.name} ({other.origins[COMPANY_NAME][-1]})" for other in merchants if other is not one
            )
            what = f"the company name {name!r}, as the API stores it, is also that of {others}"
            remedy = "give company.name other letters or digits"
            pile.complaints.append(Complaint(at.file, at.line, at.column, what, remedy))
    return [each for each in compiled if each[1].company_name not in twins]


def _digest(merchants: Iterable[Wanted]) -> str:
    return sha256("\n".join(sorted(wanted.digest for wanted in merchants)).encode()).hexdigest()
