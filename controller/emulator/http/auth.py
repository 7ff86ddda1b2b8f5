"""Access checks: the key for the API, loopback for the controls, same site for browsers."""

from __future__ import annotations

from base64 import b64encode
from ipaddress import ip_address
from urllib.parse import urlsplit

from controller.emulator.service.errors import OUTDATED_KEY, ApiError
from controller.emulator.service.world import EmulatorSettings

_MAINTENANCE = "The Codat API is temporarily offline for maintenance. Please try again later."


def check_key_and_maintenance(settings: EmulatorSettings, authorization: str) -> None:
    """`Basic` and the key by itself in Base64; `base64("key:")` is another key (API notes 1.2).

    Raises ApiError 401 (wrong or none), 403 (outdated), 503 (maintenance).
    """
    if authorization in [_basic_authorization(key) for key in settings.outdated_keys]:
        raise ApiError(403, OUTDATED_KEY)
    if authorization != _basic_authorization(settings.api_key):
        raise ApiError(401, "Unauthorized")
    if settings.maintenance:
        raise ApiError(503, _MAINTENANCE)


def check_loopback(address: str) -> None:
    """Raises ApiError 403 for a caller from another machine, or through another address of this one."""
    try:
        caller = ip_address(address)
    except ValueError:
        caller = None
    if caller is None or not (getattr(caller, "ipv4_mapped", None) or caller).is_loopback:
        raise ApiError(403, "Controls are for this machine only.")


def check_same_site(caller: str, host: str, origin: str | None) -> None:
    """Refuse requests of foreign web pages: open in a browser here, they could send them, also by DNS rebinding.

    caller  the address that the request came from; over loopback `host` must be a name of loopback
    host    as the request names us; every browser says it
    origin  of the page that sent it; None where no browser did. It must be one of the emulator's

    Raises ApiError 403.
    """
    ours = _hostname(f"//{host}")
    if host and _is_loopback_name(caller) and not _is_loopback_name(ours):
        raise ApiError(403, "On this machine it is asked for by 127.0.0.1 or localhost.")
    if origin is not None and _hostname(origin) != ours and not _is_loopback_name(_hostname(origin)):
        raise ApiError(403, "A page from elsewhere may not do this.")


def _hostname(address: str) -> str:
    try:
        return (urlsplit(address).hostname or "").lower()
    except ValueError:
        return ""


def _is_loopback_name(name: str) -> bool:
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


def _basic_authorization(key: str) -> str:
    return "Basic " + b64encode(key.encode()).decode()
