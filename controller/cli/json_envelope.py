"""The envelope of every JSON document that a command prints: when it was made, of which API, from which manifests."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import click

from controller.settings import Settings
from controller.untrusted_text import dump_json, mask_passwords

LEADING_KEYS = ("schemaVersion", "kind", "complete")


def render_document(document: Mapping[str, Any], base_url: str | None, revision: str | None = None) -> str:
    """A document in its envelope, as JSON text. `revision`: of the manifests that it is about; None: of none."""
    from controller.reporting.formatting import format_iso

    context = click.get_current_context(silent=True)
    settings = context.find_object(Settings) if context else None
    head = {key: document[key] for key in LEADING_KEYS}
    provenance = {
        "generatedAt": format_iso(datetime.now(UTC)),
        "environment": settings.environment_name if settings else None,
        "baseUrl": mask_passwords(base_url) if base_url else None,
        "revision": revision,
    }
    return dump_json(head | provenance | {key: value for key, value in document.items() if key not in LEADING_KEYS})


def manifests_revision(settings: Settings) -> str | None:
    """The commit of the manifests, or the digest of those on disk; None where they cannot all be read."""
    from controller.desired.loader import load_fleet
    from controller.model.errors import UsageError

    try:
        fleet = load_fleet(settings.manifests, cache=settings.cache, selector=settings.selector)
    except UsageError:
        return None
    return None if fleet.diagnostics else settings.commit or fleet.digest
