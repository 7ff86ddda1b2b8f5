"""Environments that `merchantctl.toml` names: where each one's API, state and manifests are, and where its key is.

    [environments.sandbox]          chosen with --env sandbox or MERCHANTCTL_ENV; the only one counts unasked,
    state = "sqlite:///…"           of two or more one has to be chosen

A key is never in the file: an environment names the variable, or the file, that holds it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import field
from typing import Any

from controller.quick_dataclasses import dataclass

ENVIRONMENT_VARIABLE = "MERCHANTCTL_ENV"
ENVIRONMENTS_KEY = "environments"
SETTABLE_LIMITS = ("unlink", "disable", "remap", "reschedule")
"""Words of the classes of changes whose limits an environment may set."""

_OWN_KEYS = ("selector", "limits", "api_key_variable", "api_key_file", "confirm")
NAME_IN_FILE = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
"""Of an environment or a scheduled report in `merchantctl.toml`."""


class InvalidSettings(ValueError):
    """A setting does not make sense: where it stands, what is wrong, what would be right."""


@dataclass(frozen=True, slots=True)
class NamedEnvironment:
    """One environment.

    settings          its own settings, by key of the file; they count before those of the whole file
    selector          the labels of its merchants; None = all manifests of its root are its own
    api_key_variable  the variable that holds its key; None = CODAT_API_KEY, unless there is a file
    api_key_file      the file that holds its key
    limits            by class of changes: at least so many, and so many per cent of the bound merchants
    confirms_by_name  whoever is asked has to type its name
    """

    name: str
    settings: Mapping[str, object] = field(default_factory=dict)
    selector: str | None = None
    api_key_variable: str | None = None
    api_key_file: str | None = None
    limits: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    confirms_by_name: bool = False

    @property
    def default_state(self) -> str:
        """Never the state of another environment."""
        return f"sqlite:///var/{self.name}.db"


def split_environments(
    file: str, table: Mapping[str, Any]
) -> tuple[Mapping[str, object], Mapping[str, NamedEnvironment]]:
    """The settings for all environments, and the environments by name. Raises InvalidSettings."""
    common = {key: value for key, value in table.items() if key != ENVIRONMENTS_KEY}
    tables = table.get(ENVIRONMENTS_KEY, {})
    if not isinstance(tables, dict) or not all(isinstance(each, dict) for each in tables.values()):
        raise InvalidSettings(f"{file}: {ENVIRONMENTS_KEY} are tables: [environments.sandbox]")
    environments = {
        name: _parse_environment(f"{file}: [environments.{name}]", name, each) for name, each in tables.items()
    }
    states: dict[str, str] = {}
    for name, environment in environments.items():
        state = _canonical_state(str(environment.settings.get("state", common.get("state", environment.default_state))))
        if state in states:
            raise InvalidSettings(
                f"{file}: environments {states[state]} and {name} have the same state: each remembers another account, "
                "so give each a state of its own"
            )
        states[state] = name
    return common, environments


def _canonical_state(state: str) -> str:
    """The same text for the same file of a state, however its path is written."""
    scheme, separator, path = state.partition("sqlite:///")
    return os.path.realpath(path) if separator and not scheme else state


def choose_environment(
    file: str, environments: Mapping[str, NamedEnvironment], wanted: str | None
) -> NamedEnvironment | None:
    """The environment that is meant; None where the file has none. Raises InvalidSettings where that is not clear."""
    known = ", ".join(sorted(environments))
    if wanted is not None and wanted not in environments:
        there = f"it has {known}" if known else "it has none: write [environments.NAME]"
        raise InvalidSettings(f"{file}: there is no environment {wanted!r}; {there}")
    if wanted is not None:
        return environments[wanted]
    if len(environments) > 1:
        raise InvalidSettings(
            f"{file}: it has the environments {known}, and none of them is meant unasked: "
            f"say which with --env or {ENVIRONMENT_VARIABLE}"
        )
    return next(iter(environments.values()), None)


def _parse_environment(address: str, name: str, table: Mapping[str, Any]) -> NamedEnvironment:
    if not NAME_IN_FILE.fullmatch(name):
        raise InvalidSettings(f"{address}: a name is of small letters, digits and -")
    for key in ("selector", "api_key_variable", "api_key_file"):
        if key in table and not (isinstance(table[key], str) and table[key].strip()):
            raise InvalidSettings(f"{address}: {key}: {table[key]!r} is no text")
    if "api_key_variable" in table and "api_key_file" in table:
        raise InvalidSettings(f"{address}: the key is in a variable or in a file: keep one of the two keys")
    if table.get("confirm", "name") not in ("name", "yes"):
        raise InvalidSettings(f'{address}: confirm: {table["confirm"]!r} is neither "name" nor "yes"')
    return NamedEnvironment(
        name,
        settings={key: value for key, value in table.items() if key not in _OWN_KEYS},
        selector=table.get("selector"),
        api_key_variable=table.get("api_key_variable"),
        api_key_file=table.get("api_key_file"),
        limits=_parse_limits(address, table.get("limits", {})),
        confirms_by_name=table.get("confirm", "name" if name == "production" else "yes") == "name",
    )


def _parse_limits(address: str, table: Any) -> dict[str, tuple[int, int]]:
    if not isinstance(table, dict):
        raise InvalidSettings(f'{address}: limits is a table: limits = {{unlink = 1, remap = "10%"}}')
    limits = {}
    for word, value in table.items():
        if word not in SETTABLE_LIMITS:
            raise InvalidSettings(f"{address}: limits: {word}: there are limits on {', '.join(SETTABLE_LIMITS)}")
        limits[word] = _parse_count_and_percent(f"{address}: limits: {word}", value)
    return limits


def _parse_count_and_percent(address: str, value: object) -> tuple[int, int]:
    """A number of merchants, or a share of the bound ones, of which there is always one."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value, 0
    share = re.fullmatch(r"([0-9]{1,3})%", value) if isinstance(value, str) else None
    if share is None or int(share[1]) > 100:
        raise InvalidSettings(f'{address}: {value!r} is neither a number of merchants, 5, nor a share of them, "10%"')
    return 1, int(share[1])
