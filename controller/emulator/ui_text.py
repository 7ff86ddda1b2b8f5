"""The captions of the Sync Flow, client-wide and by locale (REFERENCE 3.6; endpoints 18 and 19)."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from controller.emulator.api import answer, json_object, world_of
from controller.emulator.errors import NOT_VALID, ApiError, Complaint, not_valid
from controller.emulator.ui_text_defaults import CAPTIONS, LOCALES
from controller.emulator.world import World

_TABLE = "ui-text"
_UNCHANGED = object()


def captions(world: World, locale: str) -> dict[str, str]:
    """Every text key with what the flow displays in that locale."""
    own = world.table(_TABLE).get(locale, {})
    return {key: own.get(key, caption.defaults[locale]) for key, caption in CAPTIONS.items()}


def change(world: World, locale: str, changes: dict[str, Any]) -> None:
    """Set (string), blank (`""`) or reset (None) just the keys sent, in either documented shape.

    Raises ApiError 400 for a key the flow does not have or a text that is no text; nothing is changed then.
    """
    unknown = [key for key in changes if key not in CAPTIONS]
    if unknown:
        complaints = [Complaint(key, "Text key is not known.", "SyncFlowText") for key in unknown]
        raise ApiError(400, NOT_VALID, validation=complaints)
    texts = {key: _text(value) for key, value in changes.items()}
    own = dict(world.table(_TABLE).get(locale, {}))
    own.update({key: text for key, text in texts.items() if text is not _UNCHANGED})
    world.table(_TABLE)[locale] = {key: text for key, text in own.items() if text is not None}


def _text(value: Any) -> Any:
    """The text in a flat value (`"…"`, None) or a nested one (`{"text": …}`)."""
    if isinstance(value, dict):
        value = value.get("text", _UNCHANGED)
    if not (value is None or value is _UNCHANGED or isinstance(value, str)):
        raise not_valid()
    return value


def _locale(request: Request) -> str:
    locale = request.query_params.get("locale", LOCALES[0])
    if locale not in LOCALES:
        raise not_valid()
    return locale


def _nested(texts: dict[str, str]) -> dict[str, Any]:
    return {key: {"text": text, "required": CAPTIONS[key].required} for key, text in texts.items()}


async def get_text(request: Request) -> Response:
    """18: the nested shape, which both contracts have."""
    return answer(_nested(captions(world_of(request), _locale(request))))


async def update_text(request: Request) -> Response:
    """19: the whole map as it stands afterwards."""
    changes = await json_object(request)
    locale, world = _locale(request), world_of(request)
    change(world, locale, changes)
    return answer(_nested(captions(world, locale)))


routes = [
    Route("/sync/commerce/config/ui/text", get_text, methods=["GET"]),
    Route("/sync/commerce/config/ui/text", update_text, methods=["PATCH"]),
]
