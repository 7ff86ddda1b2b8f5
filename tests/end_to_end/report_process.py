"""A process that looks at these times which reports are due: python -m tests.end_to_end.report_process INSTANT …

Settings are those of its folder and of its environment, as those of `merchantctl run` are; only the clock is not.
"""

from __future__ import annotations

import asyncio
import os
import sys
from datetime import datetime
from pathlib import Path

from controller.operations.scheduled_report import deliver_due_reports
from controller.settings import load_settings
from state import open_state


async def look(instants: list[str]) -> None:
    settings = load_settings(os.environ, Path.cwd(), {})
    async with open_state(settings.state) as store:
        for instant in instants:
            await deliver_due_reports(settings, store, datetime.fromisoformat(instant))


if __name__ == "__main__":
    asyncio.run(look(sys.argv[1:]))
