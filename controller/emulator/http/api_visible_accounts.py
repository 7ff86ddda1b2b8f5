"""Which mapping rows the Sync Flow shows, per commerce platform (API notes 3.7; endpoints 20 and 21)."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from controller.emulator.http.api_integrations import find_platform
from controller.emulator.http.handler_helpers import json_object, json_response, world_of
from controller.emulator.service.errors import OUTDATED_KEY, ApiError, not_valid
from controller.emulator.service.world import World

_VISIBLE_ACCOUNTS_TABLE = "visible-accounts"
_SALES_ROW_NAMES = "sales-accounts-sales sales-accounts-refund sales-accounts-gratuity sales-accounts-prepaid"
_PAYMENT_ROW_KEYS = "cash invoice onlineCard payout custom storeCredit paypal paypalQr mobile vipps swish"
_FEE_ROW_KEYS = "paymentFee paymentFeeRefund loan loanPayment loanFee cashback"

REQUIRED_ROWS = (
    "sales-accounts-sales",
    "sales-accounts-refund",
    *(f"sales-taxRates-{rate}" for rate in (0, 5, 10, 20)),
    "sales-other-invoiceStatus",
    "sales-other-groupingPeriod",
    "payments-accounts-card",
)
"""Rows that cannot be hidden."""

ALL_ROWS = (
    *_SALES_ROW_NAMES.split(),
    "sales-accounts-sales-other",
    *(f"sales-taxRates-{rate}" for rate in (0, 5, 10, 20)),
    "sales-other-invoiceStatus",
    "sales-other-groupingPeriod",
    *(f"fees-accounts-{key}" for key in _FEE_ROW_KEYS.split()),
    "payments-accounts-card",
    *(f"payments-accounts-{key}" for key in f"{_PAYMENT_ROW_KEYS} prepaidPayment manual".split()),
)
"""Every row there is, in the order of the flow."""


def visible_rows(world: World, platform_key: str) -> list[str]:
    """The rows shown for a commerce platform: what was chosen and the required ones; at first, all."""
    chosen = world.table(_VISIBLE_ACCOUNTS_TABLE).get(platform_key)
    return [row for row in ALL_ROWS if chosen is None or row in chosen or row in REQUIRED_ROWS]


def store_visible_rows(world: World, platform_key: str, body: dict[str, Any]) -> None:
    """A list shows exactly these (and the required ones); a body without one resets to all.

    Raises ApiError 400 for a row the flow does not have.
    """
    rows = body.get("visibleAccounts")
    table = world.table(_VISIBLE_ACCOUNTS_TABLE)
    if rows is None:
        if platform_key in table:
            del table[platform_key]
        return
    if not isinstance(rows, list) or any(row not in ALL_ROWS for row in rows):
        raise not_valid()
    table[platform_key] = list(rows)


def _commerce_platform_key(request: Request) -> str:
    found = find_platform(request.path_params["platformKey"])
    if found.source_type != "Commerce":
        raise ApiError(404, f"{found.name} is no commerce platform", "ClientsApi")
    return found.key


async def get_visible_accounts(request: Request) -> Response:
    """20; under `/clients/` the client must be the caller's own."""
    account = world_of(request).account
    if request.path_params.get("clientId", account) != account:
        raise ApiError(403, OUTDATED_KEY)
    return json_response({"visibleAccounts": visible_rows(world_of(request), _commerce_platform_key(request))})


async def set_visible_accounts(request: Request) -> Response:
    """21."""
    body = await json_object(request)
    key, world = _commerce_platform_key(request), world_of(request)
    store_visible_rows(world, key, body)
    return json_response({"visibleAccounts": visible_rows(world, key)})


_CLIENT_PATH = "/clients/{clientId}/config/ui/accounts/platform/{platformKey}"
_OWN_PATH = "/sync/commerce/config/ui/accounts/platform/{platformKey}"

routes = [
    Route(_CLIENT_PATH, get_visible_accounts, methods=["GET"]),
    Route(_OWN_PATH, get_visible_accounts, methods=["GET"]),
    Route(_OWN_PATH, set_visible_accounts, methods=["POST", "PATCH"]),
]
