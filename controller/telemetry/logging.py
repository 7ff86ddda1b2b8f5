"""The log of the daemon, on stderr: one event a line, readable on a terminal, else JSON. No secrets."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterable, MutableMapping, Sequence
from typing import Any

import structlog

from controller.untrusted_text import escape_control, mask_passwords

EventDict = MutableMapping[str, Any]


def configure_logging(secrets: Iterable[str | None]) -> Callable[[str], None]:
    """Send all logging to stderr, libraries' warnings included, with every occurrence of `secrets` redacted.

    Returns a function that adds a secret, for keys that are renewed while the process runs.
    """
    known_secrets = [word for word in secrets if word]

    def redact_secrets(_logger: Any, _method: str, event: EventDict) -> EventDict:
        return {key: _redact(value, known_secrets) for key, value in event.items()}

    def escape_values(_logger: Any, _method: str, event: EventDict) -> EventDict:
        """Escape control characters and line breaks, except in a traceback, which keeps its lines."""
        return {key: value if key == "exception" else _escape(value) for key, value in event.items()}

    processors: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        redact_secrets,
        escape_values,
    ]
    structlog.configure(
        processors=[*processors, _renderer()],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
    )
    # Libraries log through the standard library: the same processors keep secrets out of their lines too.
    library_handler = logging.StreamHandler(sys.stderr)
    library_handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(processor=_renderer(), foreign_pre_chain=processors)
    )
    logging.basicConfig(handlers=[library_handler], level=logging.WARNING, force=True)
    return known_secrets.append


def _renderer() -> Any:
    if not sys.stderr.isatty():
        return structlog.processors.JSONRenderer(ensure_ascii=False)
    return structlog.dev.ConsoleRenderer(colors=not os.environ.get("NO_COLOR"))


def _escape(value: Any) -> Any:
    match value:
        case str():
            return escape_control(value)
        case list() | tuple():
            return [_escape(item) for item in value]
    return value


def _redact(value: Any, secrets: Sequence[str]) -> Any:
    """A logged value with secrets and passwords in URLs replaced, in nested lists too."""
    match value:
        case str():
            for secret in secrets:
                value = value.replace(secret, "***")
            return mask_passwords(value)
        case list() | tuple():
            return [_redact(item, secrets) for item in value]
    return value
