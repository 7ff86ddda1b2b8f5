"""Who is let in: callers of the API with the key, callers of the controls from this machine."""

from __future__ import annotations

from base64 import b64encode
from ipaddress import ip_address

from controller.emulator.errors import ApiError
from controller.emulator.world import Settings

_OUTDATED = "You are using an outdated API key or a key not associated with that resource."
_MAINTENANCE = "The Codat API is temporarily offline for maintenance. Please try again later."


def check_key(settings: Settings, authorization: str) -> None:
    """`Basic` and the key by itself in Base64; `base64("key:")` is another key (REFERENCE 1.2).

    Raises ApiError 401 (wrong or none), 403 (outdated), 503 (maintenance).
    """
    if authorization in [_credential(key) for key in settings.outdated_keys]:
        raise ApiError(403, _OUTDATED)
    if authorization != _credential(settings.api_key):
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


def _credential(key: str) -> str:
    return "Basic " + b64encode(key.encode()).decode()
