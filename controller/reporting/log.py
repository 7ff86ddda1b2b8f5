"""The log of the resident controller, on stderr: one event a line, readable on a terminal, else JSON. No secrets."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterable, MutableMapping
from typing import Any

import structlog

Event = MutableMapping[str, Any]


def start_log(secrets: Iterable[str | None]) -> None:
    """From here on everything that is logged goes to stderr, libraries' warnings too; `secrets` are blotted out."""
    words = tuple(word for word in secrets if word)

    def blot(logger: Any, method: str, event: Event) -> Event:
        return {key: _blotted(value, words) for key, value in event.items()}

    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        blot,
    ]
    structlog.configure(
        processors=[*shared, _renderer()],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
    )
    libraries = logging.StreamHandler(sys.stderr)
    libraries.setFormatter(structlog.stdlib.ProcessorFormatter(processor=_renderer(), foreign_pre_chain=shared))
    logging.basicConfig(handlers=[libraries], level=logging.WARNING, force=True)


def _renderer() -> Any:
    if not sys.stderr.isatty():
        return structlog.processors.JSONRenderer(ensure_ascii=False)
    return structlog.dev.ConsoleRenderer(colors=not os.environ.get("NO_COLOR"))


def _blotted(value: Any, secrets: tuple[str, ...]) -> Any:
    """Without the secrets, at any depth."""
    match value:
        case str():
            for secret in secrets:
                value = value.replace(secret, "***")
            return value
        case list() | tuple():
            return [_blotted(each, secrets) for each in value]
    return value
