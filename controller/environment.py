"""What a run takes from the world around it: the time, waiting, and the wire. A test gives it others of each."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import datetime

from controller.codat.aiohttp_transport import OpenNetwork, open_network
from controller.codat.transport import utc_now
from controller.quick_dataclasses import dataclass


def seconds_since_boot() -> float:
    """A clock that nobody puts forward or back, and that goes on while the machine sleeps."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


@dataclass(frozen=True, slots=True)
class Environment:
    """One for each process; every verb in `controller/operations` takes it.

    clock      what time it is, with its offset: what a run calls now, records and judges ages by
    monotonic  seconds since some moment, whatever the clock is put to: what short intervals are measured with
    sleep      waits so many seconds
    network    opens the wire to a base URL, for so many requests at once
    """

    clock: Callable[[], datetime] = utc_now
    monotonic: Callable[[], float] = seconds_since_boot
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    network: OpenNetwork = open_network


REAL_ENVIRONMENT = Environment()
"""This machine's clock, and HTTP over its network."""
