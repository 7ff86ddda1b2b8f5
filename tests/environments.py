"""The environment that most tests run commands in: this machine's, but nobody waits long in it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import count

from controller.environment import REAL_ENVIRONMENT

LONGEST_WAIT_S = 0.02


async def hurried_sleep(seconds: float) -> None:
    """A wait between two attempts or two looks, cut short."""
    await asyncio.sleep(min(seconds, LONGEST_WAIT_S))


HURRIED_ENVIRONMENT = replace(REAL_ENVIRONMENT, sleep=hurried_sleep, monotonic=count().__next__)
"""For every test but those whose subject is a wait, or in which something else must happen during one.

A second passes from each look at the stopwatch to the next: nothing is fresh, however fast the machine is."""
