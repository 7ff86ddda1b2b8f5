"""Send a text to Slack, Teams and whatever else Apprise knows. It is an extra, loaded when it is first used.

The address is a secret, since whoever knows it may post: it appears in no result and no log.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Iterable
from importlib.util import find_spec

MISSING = "needs Apprise: pip install 'merchantctl[notify]'"

_STATUS = re.compile(r"\berror=(\d{3})\b")
_NEVER_CONNECTED = ("NewConnectionError", "NameResolutionError", "ConnectTimeoutError")
"""How its HTTP library calls what happens before anything was sent."""
_BEGINNING_OF_SUCCESS = "Sent "
"""Of what each of its services logs for each recipient that took the message."""


def is_installed() -> bool:
    return find_spec("apprise") is not None


async def notify_once(address: str, title: str, text: str) -> tuple[str, bool] | None:
    """Send a message once. None where it arrived; else why it did not, and whether it certainly did not and a later
    attempt may help. Never raises."""
    if not is_installed():
        return MISSING, True
    try:
        return await asyncio.to_thread(_notify, address, title, text)
    except Exception as error:  # of which of a hundred services, nobody can say
        return f"whether it arrived is not known ({type(error).__name__})", False


def _notify(address: str, title: str, text: str) -> tuple[str, bool] | None:
    from apprise import Apprise, AppriseAsset

    # What it and its HTTP library log in detail holds addresses. It is read from the result alone, to tell what became
    # of the message.
    for name in ("apprise", "urllib3"):
        logging.getLogger(name).propagate = False
    logging.getLogger("apprise").setLevel(logging.DEBUG)
    service = Apprise(asset=AppriseAsset(app_id="merchantctl", app_url="", image_url_mask="", image_url_logo=""))
    if not service.add(address):
        return "the address is none that Apprise knows", False
    result = service.notify(body=text, title=title, body_format="text", log_level=logging.DEBUG)
    return None if result else _explain_failure([str(entry.message) for entry in result.logs()])


def _explain_failure(logged: Iterable[str]) -> tuple[str, bool]:
    """Only what certainly reached nobody may be sent again: an address may be of several channels."""
    messages = list(logged)
    if any(each.startswith(_BEGINNING_OF_SUCCESS) for each in messages):
        return "not everyone of its recipients took it", False
    statuses = [int(found[1]) for each in messages for found in _STATUS.finditer(each)]
    if statuses:
        return f"the answer was {statuses[-1]}", statuses[-1] == 429 or statuses[-1] >= 500
    if any(word in each for each in messages for word in _NEVER_CONNECTED):
        return "nobody answers there", True
    return "whether it arrived is not known", False
