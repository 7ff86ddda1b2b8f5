"""Which mapping rows the Sync Flow shows, per commerce platform (REFERENCE 3.7; endpoints 20 and 21)."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from controller.emulator.api import answer, json_object, world_of
from controller.emulator.errors import ApiError, not_valid
from controller.emulator.integrations import platform
from controller.emulator.world import CLIENT_ID, World

_TABLE = "visible-accounts"
_SALES = "sales-accounts-sales sales-accounts-refund sales-accounts-gratuity sales-accounts-prepaid"
_PAYMENTS = "cash invoice onlineCard payout custom storeCredit paypal paypalQr mobile vipps swish"
_FEES = "paymentFee paymentFeeRefund loan loanPayment loanFee cashback"

REQUIRED = (
    "sales-accounts-sales",
    "sales-accounts-refund",
    *(f"sales-taxRates-{rate}" for rate in (0, 5, 10, 20)),
    "sales-other-invoiceStatus",
    "sales-other-groupingPeriod",
    "payments-accounts-card",
)
"""Rows that cannot be hidden."""

ROWS = (
    *_SALES.split(),
    "sales-accounts-sales-other",
    *(f"sales-taxRates-{rate}" for rate in (0, 5, 10, 20)),
    "sales-other-invoiceStatus",
    "sales-other-groupingPeriod",
    *(f"fees-accounts-{key}" for key in _FEES.split()),
    "payments-accounts-card",
    *(f"payments-accounts-{key}" for key in f"{_PAYMENTS} prepaidPayment manual".split()),
)
"""Every row there is, in the order of the flow."""


def visible(world: World, platform_key: str) -> list[str]:
    """The rows shown for a commerce platform: what was chosen and the required ones; at first, all."""
    chosen = world.table(_TABLE).get(platform_key)
    return [row for row in ROWS if chosen is None or row in chosen or row in REQUIRED]


def choose(world: World, platform_key: str, body: dict[str, Any]) -> None:
    """A list shows exactly these (and the required ones); a body without one resets to all.

    Raises ApiError 400 for a row the flow does not have.
    """
    rows = body.get("visibleAccounts")
    table = world.table(_TABLE)
    if rows is None:
        if platform_key in table:
            del table[platform_key]
        return
    if not isinstance(rows, list) or any(row not in ROWS for row in rows):
        raise not_valid()
    table[platform_key] = list(rows)


def _commerce_platform(request: Request) -> str:
    found = platform(request.path_params["platformKey"])
    if found.source_type != "Commerce":
        raise ApiError(404, f"{found.name} is no commerce platform", "ClientsApi")
    return found.key


async def get_visible_accounts(request: Request) -> Response:
    """20; under `/clients/` the client must be the caller's own."""
    if request.path_params.get("clientId", CLIENT_ID) != CLIENT_ID:
        raise ApiError(403, "You are using an outdated API key or a key not associated with that resource.")
    return answer({"visibleAccounts": visible(world_of(request), _commerce_platform(request))})


async def set_visible_accounts(request: Request) -> Response:
    """21."""
    body = await json_object(request)
    key, world = _commerce_platform(request), world_of(request)
    choose(world, key, body)
    return answer({"visibleAccounts": visible(world, key)})


_CLIENT = "/clients/{clientId}/config/ui/accounts/platform/{platformKey}"
_OWN = "/sync/commerce/config/ui/accounts/platform/{platformKey}"

routes = [
    Route(_CLIENT, get_visible_accounts, methods=["GET"]),
    Route(_OWN, get_visible_accounts, methods=["GET"]),
    Route(_OWN, set_visible_accounts, methods=["POST", "PATCH"]),
]
