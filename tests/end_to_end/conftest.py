"""One empty place for each test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.place import Place


@pytest.fixture
def place(tmp_path: Path, emulator: Any) -> Place:
    return Place(tmp_path, emulator)
