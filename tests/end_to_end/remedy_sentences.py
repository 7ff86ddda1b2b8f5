"""Which sentences the code has for remedies, read from the source: what is followed by nobody is left out by nobody.

A sentence is what a string has between the values that are put into it. It belongs to a remedy where it

    is assigned to a name with `remedy` in it, or stands in a function whose name or docstring has that word
    is handed to a finding: context.finding(code, cause, HERE, …), Finding(code, merchant, cause, HERE, …), remedy=HERE
    stands in a function of the same module that one of these calls, or is assigned to a name that one of these has
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

HOUSE = Path(__file__).parents[2] / "controller"
FOLDERS = ("planning", "reconcile")
_REMEDY = re.compile(r"remed(y|ies)", re.IGNORECASE)
_PLACE_OF_REMEDY = {"Finding": 3, "finding": 2, "_finding": 2, "SyncFailure": 2}
"""By the name of what is called, which argument is the remedy."""
Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def sentences() -> frozenset[str]:
    """Every sentence, as the code has it."""
    files = (path for folder in FOLDERS for path in sorted((HOUSE / folder).rglob("*.py")))
    return frozenset(each for path in files for each in _sentences_of(ast.parse(path.read_text())))


def _sentences_of(module: ast.Module) -> Iterator[str]:
    functions = {each.name: each for each in ast.walk(module) if isinstance(each, Function)}
    open_: list[tuple[ast.AST, ast.AST]] = [*_expressions(module)]
    seen = set[int]()
    while open_:
        scope, node = open_.pop()
        for each in ast.walk(node):
            if isinstance(each, ast.Constant) and isinstance(each.value, str):
                yield from _parts(each.value)
            if isinstance(each, ast.Call) and isinstance(each.func, ast.Name) and each.func.id in functions:
                called: ast.AST = functions[each.func.id]
                more: list[ast.AST] = [*_body(functions[each.func.id])]
            elif isinstance(each, ast.Name):
                called, more = scope, _values_of(each.id, scope)
            else:
                continue
            open_ += [(called, one) for one in more if id(one) not in seen]
            seen.update(map(id, more))


def _values_of(name: str, function: ast.AST) -> list[ast.AST]:
    """What a function assigns to a name of its own."""
    assigned = (each for each in ast.walk(function) if isinstance(each, ast.Assign | ast.AugAssign))
    targets = ((each, each.targets if isinstance(each, ast.Assign) else [each.target]) for each in assigned)
    return [each.value for each, its in targets if any(isinstance(one, ast.Name) and one.id == name for one in its)]


def _expressions(module: ast.Module) -> Iterator[tuple[ast.AST, ast.AST]]:
    """Each with the function that it stands in; what stands in none, with an empty one."""
    functions = [each for each in ast.walk(module) if isinstance(each, Function)]
    scopes: list[ast.AST] = [*functions, module]
    for scope in scopes:
        if isinstance(scope, Function) and _REMEDY.search(f"{scope.name} {ast.get_docstring(scope) or ''}"):
            yield from ((scope, each) for each in _body(scope))
        for node in ast.walk(scope):
            values: list[ast.expr] = []
            if isinstance(node, ast.Assign):
                values = [value for target in node.targets for value in _assigned(target, node.value)]
            if isinstance(node, ast.AugAssign):
                values = [*_assigned(node.target, node.value)]
            if isinstance(node, ast.Call):
                values = [*_handed_over(node)]
            yield from ((scope if isinstance(scope, Function) else ast.Pass(), each) for each in values)


def _body(function: Function) -> Iterable[ast.AST]:
    return function.body[1:] if ast.get_docstring(function) else function.body


def _assigned(target: ast.expr, value: ast.expr) -> Iterator[ast.expr]:
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        for one, its_value in zip(target.elts, value.elts, strict=True):
            yield from _assigned(one, its_value)
    elif any(isinstance(each, ast.Name) and _REMEDY.search(each.id) for each in ast.walk(target)):
        yield value


def _handed_over(call: ast.Call) -> Iterator[ast.expr]:
    name = call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")
    place = _PLACE_OF_REMEDY.get(name)
    if place is not None:
        yield from call.args[place : place + 1]
    yield from (each.value for each in call.keywords if each.arg == "remedy")


def _parts(text: str) -> Iterator[str]:
    """Of at least three words; a placeholder of `format` and a line end divide."""
    for part in re.split(r"\{\w*\}|\n", text):
        if len(re.findall(r"[a-z']+", part)) >= 3:
            yield part.strip(" ;:,")


# Who follows them ----------------------------------------------------------------------------------------

FOLLOWED_IN: Mapping[str, tuple[str, ...]] = {
    "account deleted, and added again": (
        "add it to the books again; then",
        "in the manifest of",
        "the manifest of",
    ),
    "an account to create is offered in other letters": ("or give the new account a name and a code of its own",),
    "account archived, and restored": ("restore it in the books; then",),
    "account remapped, stays": (
        "to follow it to",
        "to stay with it",
    ),
    "account renamed": ("that are offered",),
    "supplier deleted, and added again": ("add another one to the books, which is offered then",),
    "flow changed under Report, agreed": (
        "change the manifest, or put it back in Codat's portal: policy.drift is Report",
    ),
    "a text mistyped": (
        "did you mean",
        "remove it from the manifest",
    ),
    "flow stored otherwise": ("write in the manifest what Codat stored, or remove it there",),
    "a part of the flow that could not be read": (
        "it is looked at again with the next run; nothing was changed there",
    ),
    "rule changed, put right": (
        "delete it there, to have it created as declared",
        "put it right in Codat's portal (",
    ),
    "consumer disabled": ("write another variable or file under secret, to have a new one take its place",),
    "consumer unproven": (
        "after that the first event proves it",
        "copy the signing secret of",
        "from Codat's portal to",
        "where deliveries arrive",
    ),
    "two manifests of almost one name": ("are one merchant: delete one of the manifests before apply",),
    "a similar name that no manifest can have": (
        "if that is this merchant's: rename it at Codat to",
        "then merchantctl apply",
    ),
    "every company is gone": (
        "if they were really deleted: merchantctl state rm",
        "merchantctl state rm",
        "no bound company is left; is this the right account? merchantctl doctor",
    ),
    "nobody declares a mapping": ("or declare it in a manifest",),
    "nothing is offered for what is lacking": (
        "add one to the books for",
        "or have it mended in the Sync Flow",
        "which the next plan then names",
    ),
    "nothing to choose from": (
        "add it to the merchant's books; then",
        "there is nothing to choose from",
    ),
    "remapped under Report": ("policy drift: Report keeps live",),
    "an account is being created": (
        "should it stay so",
        "wait a minute; then",
        "wait a minute; then merchantctl apply",
    ),
    "an account that is archived": ("restore it in the books, or have it take payments there",),
    "an account of no type": ("then, once Codat has pulled it",),
    "to and fro, of the account": (
        "find out who it is: merchantctl history",
        "or leave it to them: remove it from its SyncFlow, or write there policy: {drift: Report}",
        "policy: {drift: Report}",
    ),
    "to and fro, its name": ("or leave it to them: in the manifest of",),
    "to and fro between two manifests": ("let one of them go, or give both the same manifests",),
    "a sync that ended with 4000, something": (
        "mend what the message names, in the manifest or in the books; the next sync tries the whole period again",
    ),
    "a sync that ended with 4000, Account 77 is not active": ("wait for the next sync: it shows whether that was all",),
    "a sync that ended with 4040, Company gone": (
        "it is linked at present: should the next sync end so too, have the merchant authorise again: merchantctl link",
    ),
    "a sync that ended with 4260, Expired": ("have the merchant renew it",),
    "a sync that ended with 5000, Oops": (
        "the next sync tries the whole period again; should it fail so too, ask Codat's support",
    ),
    "a sync that ended with 5080, Booked": (
        "--status; then begin where that ends",
        "compare what was synchronised before: merchantctl sync",
    ),
    "a sync that ended with 5120, Unreadable": (
        "look at what was uploaded for that period: orders, payments and transactions, all three; then upload it again",
    ),
    "a sync that ended with 5130, Rejected": (
        "the next sync tries the whole period again; should it fail so too, ask Codat's support with the message",
    ),
    "failed for now": (
        "a controller that runs tries it again at",
        "to try it at once: merchantctl apply",
    ),
    "failed for now, and looked at by a run": (
        "it is tried again then",
        "to try it all the same: merchantctl apply --target",
    ),
    "held for a rollout that was aborted": ("change the manifests back; or merchantctl rollout start",),
    "held for a rollout": (
        "merchantctl rollout resume",
        "or merchantctl rollout abort",
    ),
    "account like nothing, added": ("nothing similar is offered",),
    "account retyped, typed back": ("give it its former type back in the books; then",),
    "chosen by somebody and deleted, under Report": (
        "policy drift: Report keeps it",
        "policy drift: Report keeps it; in the manifest of",
        "write policy: {drift: Correct}",
        "write policy: {drift: Correct}; then",
    ),
    "a record that could not be read": ("run it again",),
    "mapping changed under Report, agreed": ("or to have it put right",),
    "a rate of the merchant's own is not offered": ("from the manifest of",),
    "a rate of a profile is not offered": ("write unmanaged: ['",),
    "not configured, lacking": (
        "all that is offered",
        "or in its profile",
        "the first day to synchronise, YYYY-MM-DD",
        "write what is lacking; then",
    ),
    "would replay its books, begun where they end": (
        "or to begin from the start again",
        "to begin where the books end: in the manifest of",
    ),
    "re-create held": (
        "then the merchant gives consent again",
        "what was before is booked already: in the manifest of",
    ),
    "company deleted under Report": ("under Report nothing is made anew",),
    "company deleted, and another of its name": ("bears its name; to adopt it",),
    "company deleted, and two others of its name": ("delete all but one of",),
    "a namesake beside it": (
        "at Codat; then",
        "delete the wrong one at Codat; then merchantctl plan",
        "rename or delete the wrong one at Codat; then merchantctl plan",
    ),
    "its name is another's": (
        "another company.name",
        "if they are the same merchant",
    ),
    "a company that may not be adopted": ("write policy: {adopt: true}; or another company.name; then",),
    "wrong books, mended in the manifest": (
        "have the merchant link the right books; or in the manifest of",
        "write company.books",
    ),
    "waits for consent": ("send the merchant the link, to give consent",),
    "of another platform": (
        "or, to have it go on until the merchant has consented to the new one",
        "write policy.replaceConnection: {to",
    ),
    "a move that is made": ("delete policy.replaceConnection from",),
    "commerce connection gone": (
        "ask Codat's support to restore it; or delete the company there, and have it made anew",
    ),
    "the last pull was not allowed": ("send the merchant the link, to authorise again; then",),
    "renamed in Git without a word": (
        "if they are two merchants: give",
        "metadata.renamedFrom",
        "or merchantctl state mv",
    ),
    "a rename that has nothing to do": ("delete metadata.renamedFrom from the manifest of",),
    "many are gone": ("look at Codat, and at what answers for it: merchantctl doctor",),
    "refused before": ("mend what it was refused for, in the manifest or in the books",),
    "a similar name": ("if that is this merchant's, have it adopted",),
    "synchronised by hand": ("wait for it to end",),
    "synchronised by hand, and left": (
        "a run does it by itself",
        "to have them on again: merchantctl apply --target",
    ),
    "suspended": ("to open it again: delete",),
    "ignored": ("to have it put right again: delete policy.ignore from the manifest of",),
    "a sync that failed": ("where it is declared",),
    "renamed from, and a company of its own": (
        "is to go on with the company of",
        "is to go: delete metadata.renamedFrom from the manifest of",
    ),
    "removed, and whoever came in its file is it": ("write metadata.renamedFrom",),
    "removed, and whoever came is it and has a company": (
        "then merchantctl state rm",
        "its new company stays at Codat, to be deleted there",
    ),
    "removed, and whoever came is another": ("is to go: merchantctl apply --allow",),
    "renamed during a rollout": ("the rename is done by the apply after that",),
    "more than a run may of some": ("none: the next look at everyone judges it",),
    "to and fro": ("']; where it says that itself, delete it",),
    "a wrong clock": ("set this machine's clock (timedatectl set-ntp true)",),
}
"""By situation of `test_every_remedy` sentences of the remedy that it follows; each in one of those that have it."""

_CAUSE, _ELSEWHERE = (
    "says what happened, and stands beside a remedy",
    "is not of a finding: it ends a run, or a command",
)
NOT_FOLLOWED: Mapping[str, str] = {
    **dict.fromkeys(
        (
            "a start cannot move earlier, so live's stands",
            "and moves it back",
            "in the portal",
            "it was not asked for",
            "live differs, and we never set it",
            "or another program",
            "put back by",
            "re-create-held",
            "somebody at Codat moves it",
            "startDate is earlier than live's, and a start cannot move earlier",
            "the merchant in the portal or the Sync Flow",
            "the merchant or Codat switched it",
            "two valid data connections",
        ),
        _CAUSE,
    ),
    **dict.fromkeys(
        (
            "Name another state for this account with --state or MERCHANTCTL_STATE. If it is the same account at a new "
            "address: merchantctl state rebind",
            "at the same time; delete the one that nobody uses at Codat; then merchantctl plan",
            "merchantctl plan shows what is left to do",
            "raise it at Codat, or make room there; then",
            "their lines say with what; once that is mended",
        ),
        _ELSEWHERE,
    ),
    "ask Codat's support why none has run": "Codat's support is to be asked",
    "configure the merchant first: see not-configured": "names the finding beside it, which is followed",
    "else: merchantctl state rm": "of a state from before the index that forbids it",
    "where the company is": "of a state from before the index that forbids it",
    "look at it at Codat, and declare it if it matters": "an event, told once by the apply that saw it",
    "nothing is to be done: the manifest means the same day": "there is nothing to follow",
    "please report it, with what this shows: merchantctl -vv plan --target": "a fault of ours is to be reported",
    "write connection: {platform: xero}; or another one; then": "the manifests are not sound without a platform",
}
"""The others, and why nobody follows them."""
