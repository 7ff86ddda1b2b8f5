"""Answers against the published OpenAPI files, where they are at hand.

The files are not ours to ship: `MERCHANTCTL_API_SPECS` names their folder; failing that, a folder beside
the repository is tried (`folder`). A path is judged by the first file that has it, eldest era first. Where
the API notes say that a file is wrong or was overtaken, `KNOWN_FAULTS` says so by name.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import httpx
from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError
from jsonschema.protocols import Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

ERAS = (
    "openapi-sync-commerce-2023-02.json",
    "openapi-sync-commerce-v1.json",
    "openapi-common-2023-08-legacy-rules.json",
    "openapi-sync-commerce-v2.json",
    "openapi-platform.json",
)
_ROWS = 20
_PARAMETER = re.compile(r"\{[^}]+\}")
METHODS = ("get", "post", "put", "patch", "delete")


FORMATS = FormatChecker(("uuid", "email"))


@FORMATS.checks("date-time", ValueError)
def _is_a_date(value: Any) -> bool:
    """Any form of API notes 1.5."""
    return not isinstance(value, str) or bool(datetime.fromisoformat(value))


@FORMATS.checks("uri", ValueError)
def _is_an_address(value: Any) -> bool:
    return not isinstance(value, str) or bool(urlsplit(value).scheme)


def folder() -> Path | None:
    """Where the files are, if anywhere."""
    named = os.environ.get("MERCHANTCTL_API_SPECS")
    candidate = Path(named) if named else Path(__file__).parents[2].parent / "shared" / "api"
    return candidate if all((candidate / name).is_file() for name in ERAS) else None


@dataclass(frozen=True, slots=True)
class Operation:
    """One method on one path of one file, with a validator for each status that has a JSON schema."""

    era: str
    method: str
    path: str
    pattern: re.Pattern[str]
    answers: Mapping[str, Validator | None]


class Contract:
    """All operations of all files."""

    def __init__(self, specs: Path) -> None:
        self.operations = [each for name in ERAS for each in _operations(name, specs / name)]

    def operation(self, method: str, path: str) -> Operation | None:
        """The eldest description of a call; None when no file has it."""
        for each in self.operations:
            if each.method == method.lower() and each.pattern.fullmatch(path.rstrip("/")):
                return each
        return None

    def objections(self, response: httpx.Response) -> Iterator[str]:
        """What the file of its era has against an answer, but for the known faults of the files."""
        operation = self.operation(response.request.method, unquote(response.request.url.path))
        if operation is None:
            return
        where = f"{operation.method.upper()} {operation.path} ({operation.era})"
        for place, message in complaints(operation, response):
            if not any(known.covers(operation, place, message) for known in KNOWN_FAULTS):
                yield f"{where}: {place}: {message[:300]}"


def complaints(operation: Operation, response: httpx.Response) -> Iterator[tuple[str, str]]:
    """(place, message) of everything that is not as described; refusals need not be foreseen."""
    status = str(response.status_code)
    if status not in operation.answers:
        if response.is_success:
            yield "", f"status {status} is not described"
    elif (validator := operation.answers[status]) is not None:
        for error in validator.iter_errors(_sample(response.json())):
            yield from ((leaf.json_path, leaf.message) for leaf in _leaves(error))


@dataclass(frozen=True, slots=True)
class KnownFault:
    """Where a file is known to be wrong: why (by the API notes), in which files, at which place, in which words."""

    reason: str
    era: str
    place: str
    message: str

    def covers(self, operation: Operation, place: str, message: str) -> bool:
        where = f"{operation.method} {operation.path} {place}"
        found = (re.search(self.place, where), re.search(self.message, message))
        return bool(re.search(self.era, operation.era) and all(found))


KNOWN_FAULTS = (
    KnownFault("7 #37: emitted, though Feb 2023 lacks it", "2023-02", "", "'integrationKey' was"),
    KnownFault(
        "1.4, 3.1: a company is always shown whole; Feb 2023 shows four members of it",
        "2023-02",
        r"post /meta/companies/sync \$$",
        "'(platform|redirect)'",
    ),
    KnownFault("3.4: later contracts have it", "2023-02", "get /config/integrations", "'dataProvidedBy' was"),
    KnownFault("7 #16: both names of a sync's id", "2023-02|v1", "/sync/commerce/", "'syncId' was"),
    KnownFault(
        "4.2, end, and 4.6: what a later service or a portal edit put there comes back unchanged",
        "2023-02",
        "/config/companies",
        "'(countryCode|mapSettings|a|note)' was",
    ),
    KnownFault("3.8 #24: the older word `all` answers as `data/all`", "v1", "data/queue", "status 204"),
)


def _operations(era: str, file: Path) -> Iterator[Operation]:
    document = _modern(json.loads(file.read_text(encoding="utf-8")))
    registry: Registry[Any] = Registry().with_resource("urn:spec", DRAFT202012.create_resource(document))
    for path, methods in document["paths"].items():
        pattern = re.compile(_PARAMETER.sub(_shape, path.rstrip("/")))
        for method in METHODS:
            if method in methods:
                answers = dict(_answers(document, registry, path, method))
                yield Operation(era, method, path, pattern, answers)


def _shape(parameter: re.Match[str]) -> str:
    """What a path parameter looks like; `/rules/alerts` is no rule, `syncs/list` no sync."""
    return "[0-9a-fA-F-]{36}" if parameter[0] in ("{ruleId}", "{syncId}") else "[^/]+"


def _answers(document: Any, registry: Registry[Any], path: str, method: str) -> Iterator[tuple[str, Validator | None]]:
    escaped = path.replace("~", "~0").replace("/", "~1")
    for status, answer in document["paths"][path][method]["responses"].items():
        pointer = f"/paths/{escaped}/{method}/responses/{status}"
        if "$ref" in answer:
            pointer = answer["$ref"].removeprefix("#")
            answer = _at(document, pointer)
        schema = answer.get("content", {}).get("application/json", {}).get("schema")
        if schema is None:
            yield status, None
        else:
            reference = {"$ref": f"urn:spec#{pointer}/content/application~1json/schema"}
            yield status, Draft202012Validator(reference, registry=registry, format_checker=FORMATS)


def _at(document: Any, pointer: str) -> Any:
    for step in pointer.strip("/").split("/"):
        document = document[step.replace("~1", "/").replace("~0", "~")]
    return document


def _modern(node: Any) -> Any:
    """`nullable: true` of OpenAPI 3.0 (which the 3.1 files use as well) in the words of JSON Schema."""
    if isinstance(node, list):
        return [_modern(each) for each in node]
    if not isinstance(node, dict):
        return node
    renewed = {key: _modern(value) for key, value in node.items() if key not in ("example", "examples")}
    if renewed.pop("nullable", None) is True:
        return {"anyOf": [renewed, {"type": "null"}]}
    return renewed


def _sample(body: Any) -> Any:
    """Of a long list its first rows: the others come out of the same mould."""
    if isinstance(body, dict) and isinstance(body.get("results"), list):
        return {**body, "results": body["results"][:_ROWS]}
    return body


def _leaves(error: ValidationError) -> Iterator[ValidationError]:
    """The errors that say most: those below an `anyOf` that is only there for null."""
    if error.validator == "anyOf" and error.context:
        deeper = [each for each in error.context if each.schema_path[0] == 0]
        for each in deeper:
            yield from _leaves(each)
    else:
        yield error
