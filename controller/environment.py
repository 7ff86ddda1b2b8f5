"""What a run takes from the world around it: the time, waiting, and the wire. A test gives it others of each."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime

from controller.codat.network import OpenNetwork, open_network
from controller.codat.transport import utc_now
from controller.quick_dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Environment:
    """One for each process; every verb in `controller/operations` takes it.

    clock    what time it is, with its offset: what a run calls now, records and judges ages by
    sleep    waits so many seconds
    network  opens the wire to a base URL, for so many requests at once
    """

    clock: Callable[[], datetime] = utc_now
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    network: OpenNetwork = open_network


REAL_ENVIRONMENT = Environment()
"""This machine's clock, and HTTP over its network."""
