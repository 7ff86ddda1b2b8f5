"""A remedy, followed to the letter: what it says to run is run, what it says to write is written, nothing is guessed.

A command begins with `merchantctl`, a value follows `write PATH: `; both end with the line, at a semicolon, or (a
value) where a bracket explains it (`model.plan.Finding`). Whoever cannot follow that would not be helped by more words.
"""

from __future__ import annotations

import json
import re
import shlex
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from controller.cli.main import group
from controller.desired import yaml_reader as source
from controller.model.plan import Finding
from tests.end_to_end.place import Place

_COMMAND = re.compile(r"merchantctl [^;]*")
_WRITE = re.compile(r"\bwrite (?P<path>[a-zA-Z]+(?:\.\w+|\[\"[^\"]*\"\])*): ")
_DELETE = re.compile(r"\bdelete (?P<path>[a-zA-Z]+(?:\.\w+|\[\"[^\"]*\"\])*) from the manifest of (?P<name>[^\s;]+)")
_KEY = re.compile(r"\[\"([^\"]*)\"\]|([^.\[]+)")


def commands(remedy: str) -> list[list[str]]:
    """Every command line of a remedy, as a shell would hand it over; those joined by && are several."""
    lines = [each for line in remedy.splitlines() for each in _COMMAND.findall(line)]
    return [shlex.split(part)[1:] for each in lines for part in each.split("&&")]


def writes(remedy: str) -> list[tuple[str, Any]]:
    """Every value that a remedy says to write, with its path; alternatives one after another."""
    found = []
    for line in remedy.splitlines():
        starts = [*_WRITE.finditer(line)]
        for at, start in enumerate(starts):
            end = starts[at + 1].start() if at + 1 < len(starts) else len(line)
            found += [(start["path"], value) for value in _values(line[start.end() : end])]
    return found


def _values(text: str) -> Iterator[Any]:
    """`{code: "205"} (Sales returns); or {code: "206"}; then …`: one value, and each that follows `; or `."""
    text = re.sub(r"; or (?=to have it put right)", ";", text)
    while True:
        value, rest = _value(text)
        yield value
        rest = re.sub(r"^ \(.*?\)(?=$|;)", "", rest)
        if not re.match(r"; or [{\"\[\w]", rest) or re.match(r"; or (\d+ more|another)", rest):
            return
        text = rest.removeprefix("; or ")


def _value(text: str) -> tuple[Any, str]:
    """The value that a text begins with, read as a manifest is read, and what comes after it."""
    ends = [at + 1 for at, each in enumerate(text) if each in '}]"'] if text[0] in "{[\"'" else []
    for end in [*ends, len(text.split(";")[0])]:
        node = source.parse_yaml(f"value: {text[:end]}".encode(), "remedy")
        if not node.diagnostics and node.documents:
            return node.documents[0].value["value"], text[end:]
    raise AssertionError(f"no value of a manifest: {text}")


def deletes(remedy: str) -> list[tuple[str, str]]:
    return [(each["path"], each["name"]) for each in _DELETE.finditer(remedy)]


def keys_of(path: str) -> list[str]:
    keys = [bracketed or plain for bracketed, plain in _KEY.findall(path)]
    return keys if keys[0] == "metadata" else ["spec", *keys]


def written(place: Place, merchant: str, path: str, value: Any) -> None:
    """The merchant's manifest, with this value there; a list of what is not managed grows."""
    file = place.manifests / f"merchant-{merchant}.yaml"
    manifest = json.loads(file.read_text())
    *way, last = keys_of(path)
    inside = manifest
    for key in way:
        inside = inside.setdefault(key, {})
    if isinstance(value, dict) and isinstance(inside.get(last), dict) and last == "policy":
        value = {**inside[last], **value}
    inside[last] = [*inside.get(last, []), *value] if last == "unmanaged" else value
    file.write_text(json.dumps(manifest, indent=1))


def deleted(place: Place, merchant: str, path: str) -> None:
    file = place.manifests / f"merchant-{merchant}.yaml"
    manifest = json.loads(file.read_text())
    *way, last = keys_of(path)
    inside = manifest
    for key in way:
        inside = inside[key]
    del inside[last]
    file.write_text(json.dumps(manifest, indent=1))


def run(place: Place, command: list[str]) -> None:
    """As somebody types it; whoever types it says yes."""
    asks = command[0] == "apply" or command[:2] in (["rollout", "start"], ["rollout", "undo"])
    with minutes_pass(place) if "--wait" in command else nullcontext():
        done = place.run_in_process(*command, *(["--yes"] if asks else []))
    said = f"merchantctl {shlex.join(command)}: {done.returncode}\n{done.stdout}{done.stderr}"
    assert done.returncode in (0, 2, 3), said


@contextmanager
def minutes_pass(place: Place) -> Iterator[None]:
    """Whoever waits waits for Codat, which is as quick as its own clock."""
    over = threading.Event()

    def pass_by() -> None:
        while not over.wait(0.2):
            place.emulator.advance("PT30S")

    thread = threading.Thread(target=pass_by)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def is_understood(command: list[str]) -> bool:
    """Whether the front door takes these words: verbs, options and arguments; nothing is run."""
    import click

    name, context = group, click.Context(group, info_name="merchantctl")
    words = [*command]
    while words and words[0].startswith("-"):
        words.pop(0)
    try:
        found: Any = group
        while isinstance(found, click.Group):
            word, found, words = found.resolve_command(context, words)
            context = click.Context(found, info_name=word, parent=context)
        found.make_parser(context).parse_args([*words])
        found.parse_args(context, [*words])
    except click.UsageError:
        return False
    return bool(name)


def of(findings: list[Finding], code: str, field: str | None = None) -> Finding:
    fitting = [each for each in findings if each.code == code and (field is None or each.field == field)]
    assert fitting, f"{code} is not among {[(each.code, each.field, each.remedy) for each in findings]}"
    return fitting[0]
