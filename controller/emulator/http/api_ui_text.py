"""The captions of the Sync Flow, client-wide and by locale (API notes 3.6; endpoints 18 and 19)."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from controller.emulator.http.handler_helpers import json_object, json_response, world_of
from controller.emulator.http.ui_text_defaults import CAPTIONS, LOCALES
from controller.emulator.service.errors import NOT_VALID, ApiError, ValidationItem, not_valid
from controller.emulator.service.world import World

_UI_TEXT_TABLE = "ui-text"
_KEEP_TEXT = object()


def captions(world: World, locale: str) -> dict[str, str]:
    """Every text key with what the flow displays in that locale."""
    own = world.table(_UI_TEXT_TABLE).get(locale, {})
    return {key: own.get(key, caption.defaults[locale]) for key, caption in CAPTIONS.items()}


def update_captions(world: World, locale: str, changes: dict[str, Any]) -> None:
    """Set (string), blank (`""`) or reset (None) just the keys sent, in either documented shape.

    Raises ApiError 400 for a key the flow does not have or a text that is no text; nothing is changed then.
    """
    unknown = [key for key in changes if key not in CAPTIONS]
    if unknown:
        complaints = [ValidationItem(key, "Text key is not known.", "SyncFlowText") for key in unknown]
        raise ApiError(400, NOT_VALID, validation=complaints)
    texts = {key: _parse_text(value) for key, value in changes.items()}
    own = dict(world.table(_UI_TEXT_TABLE).get(locale, {}))
    own.update({key: text for key, text in texts.items() if text is not _KEEP_TEXT})
    world.table(_UI_TEXT_TABLE)[locale] = {key: text for key, text in own.items() if text is not None}


def _parse_text(value: Any) -> Any:
    """The text in a flat value (`"…"`, None) or a nested one (`{"text": …}`)."""
    if isinstance(value, dict):
        value = value.get("text", _KEEP_TEXT)
    if not (value is None or value is _KEEP_TEXT or isinstance(value, str)):
        raise not_valid()
    return value


def _locale_of(request: Request) -> str:
    locale = request.query_params.get("locale", LOCALES[0])
    if locale not in LOCALES:
        raise not_valid()
    return locale


def _captions_json(texts: dict[str, str]) -> dict[str, Any]:
    return {key: {"text": text, "required": CAPTIONS[key].required} for key, text in texts.items()}


async def get_text(request: Request) -> Response:
    """18: the nested shape, which both contracts have."""
    return json_response(_captions_json(captions(world_of(request), _locale_of(request))))


async def update_text(request: Request) -> Response:
    """19: the whole map as it stands afterwards."""
    changes = await json_object(request)
    locale, world = _locale_of(request), world_of(request)
    update_captions(world, locale, changes)
    return json_response(_captions_json(captions(world, locale)))


routes = [
    Route("/sync/commerce/config/ui/text", get_text, methods=["GET"]),
    Route("/sync/commerce/config/ui/text", update_text, methods=["PATCH"]),
]
