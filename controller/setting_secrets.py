"""Where secrets come from: a variable, or the file that it names; never a flag, never `merchantctl.toml`.

No message shows one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from controller.named_environments import (
    InvalidSettings,
    NamedEnvironment,
)

SECRET_VARIABLES = {
    "web_token": "MERCHANTCTL_WEB_TOKEN",
    "webhook_secret": "MERCHANTCTL_WEBHOOK_SECRET",
    "webhook_authorization": "MERCHANTCTL_WEBHOOK_AUTHORIZATION",
    "notify_url": "MERCHANTCTL_NOTIFY_URL",
    "smtp_url": "MERCHANTCTL_SMTP_URL",
    "git_webhook_secret": "MERCHANTCTL_GIT_WEBHOOK_SECRET",
}
"""Each by its variable, or by a file that the variable with `_FILE` names; never by a flag or in the toml."""

MAX_SECRET_FILE_BYTES = 64 * 1024


def read_nonempty_variable(name: str, environ: Mapping[str, str]) -> str | None:
    """What a variable holds; None where it is not set.

    Set and empty is a mistake: a CI that does not know a secret passes on nothing, and the default of a setting (the
    production address, a state on a throw-away runner) is not what was meant.
    """
    text = environ.get(name)
    if text is not None and not text.strip():
        raise InvalidSettings(f"{name} is set and empty: give it a value, or unset it")
    return text


def read_api_key(environ: Mapping[str, str], cwd: Path, environment: NamedEnvironment | None) -> str | None:
    if environment and environment.api_key_file:
        key_file = environment.api_key_file
        return _checked_key(_read_secret_file(key_file, key_file, cwd), key_file)
    if environment and environment.api_key_variable:
        # Its own variable alone: the key that lies about in CODAT_API_KEY may be that of another environment.
        text = read_nonempty_variable(environment.api_key_variable, environ)
        return _checked_key(text.removeprefix("\ufeff").strip(), environment.api_key_variable) if text else None
    key = read_secret("CODAT_API_KEY", environ, cwd)
    source = "CODAT_API_KEY" if "CODAT_API_KEY" in environ else "CODAT_API_KEY_FILE"
    return _checked_key(key, source) if key else None


def read_secret(variable: str, environ: Mapping[str, str], cwd: Path) -> str | None:
    """A secret, without the line end and the byte order mark that editors leave. No message ever shows it."""
    secret, file = read_nonempty_variable(variable, environ), read_nonempty_variable(f"{variable}_FILE", environ)
    if secret:
        return secret.removeprefix("\ufeff").strip()
    return _read_secret_file(f"{variable}_FILE: {file}", file, cwd) if file else None


def read_named_secret(kind: str, name: str, environ: Mapping[str, str], cwd: Path) -> str | None:
    """A secret whose place a manifest names: `env` or `file`. None where it is not there, or cannot be read: that is
    told where its absence shows, since any manifest may name any place."""
    if kind == "env":
        return environ.get(name, "").removeprefix("\ufeff").strip() or None
    file = cwd / name
    try:
        if not file.is_file() or file.stat().st_size > MAX_SECRET_FILE_BYTES:
            return None
        return _read_secret_file(name, name, cwd)
    except (InvalidSettings, OSError, ValueError):
        return None


def _read_secret_file(address: str, file: str, cwd: Path) -> str:
    try:
        secret = (cwd / file).read_text(encoding="utf-8-sig").strip()
    except OSError as error:
        raise InvalidSettings(f"{address} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InvalidSettings(f"{address} is not text") from None
    if not secret:
        raise InvalidSettings(f"{address} is empty")
    return secret


def exposed_secret_files(environ: Mapping[str, str], cwd: Path, environment: NamedEnvironment | None) -> Iterator[Path]:
    files = [
        environ[f"{variable}_FILE"]
        for variable in ("CODAT_API_KEY", *SECRET_VARIABLES.values())
        if variable not in environ and f"{variable}_FILE" in environ
    ]
    named = (*files, environment.api_key_file if environment else None)
    yield from (cwd / each for each in named if each and is_exposed(cwd / each))


def is_exposed(file: Path) -> bool:
    """Whether a file with a secret can be read by others on this machine, and its owner, who runs this, can shut it.

    As ssh and kubectl see it: somebody else's file is theirs to guard, and what an orchestrator mounts (read-only, or
    swapped in behind `..data` as Kubernetes does) has the mode that it was given, for whoever is in this container.
    """
    try:
        kind, real = file.stat(), file.resolve()
        mounted = os.statvfs(real).f_flag & os.ST_RDONLY or any(each.startswith("..") for each in real.parts)
    except OSError:
        return False
    return bool(kind.st_mode & 0o066) and kind.st_uid == os.geteuid() and not mounted


def exposure_text(file: Path) -> str:
    return f"{file} can be read by others than its owner"


def _checked_key(key: str, address: str) -> str:
    if key.startswith("Basic ") or _is_base64_form(key):
        raise InvalidSettings(
            f"{address}: this is the Base64 form of a key, as the Authorization header bears it; set the key itself"
        )
    if not key.isprintable() or " " in key:
        raise InvalidSettings(f"{address}: the key holds a space, a line end or a control character; it is one word")
    return key


def _is_base64_form(key: str) -> bool:
    """Whether this decodes to a word of sixteen signs or more: no key made at random does."""
    import binascii
    from base64 import b64decode

    try:
        word = b64decode(key, validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        return False
    return len(word) >= 16 and word.isprintable() and " " not in word
