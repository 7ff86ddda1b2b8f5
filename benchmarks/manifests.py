"""10,000 manifests, loaded, validated and compiled: with nothing to go by, and after a handful of changes."""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.stage import Figure, declared, seconds
from controller.desired.fleet import load

MERCHANTS = 10_000
_CHANGED = 10


def measure(merchants: int = MERCHANTS) -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        root, cache = declared(Path(folder) / "manifests", merchants), Path(folder) / "cache"
        cold, _ = seconds(lambda: load(root, None, cache))
        for file in sorted(root.iterdir())[:_CHANGED]:
            file.write_text(file.read_text().replace("enabled: true", "enabled: false"))
        warm, _ = seconds(lambda: load(root, None, cache))
    return [
        Figure("loaded with nothing to go by", cold, "CPU s", "3"),
        Figure(f"loaded after {_CHANGED} changed", warm, "CPU s", "0.5"),
    ]
