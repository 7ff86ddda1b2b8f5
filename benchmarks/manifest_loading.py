"""10,000 manifests, loaded, validated and compiled: with nothing to go by, and after a handful of changes."""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.stage import Figure, measure_seconds, write_manifests
from controller.desired.loader import load_fleet

MANIFEST_COUNT = 10_000
_CHANGED = 10


def measure(merchants: int = MANIFEST_COUNT) -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        root, cache = write_manifests(Path(folder) / "manifests", merchants), Path(folder) / "cache"
        cold, _ = measure_seconds(lambda: load_fleet(root, None, cache))
        for file in sorted(root.iterdir())[:_CHANGED]:
            file.write_text(file.read_text().replace("enabled: true", "enabled: false"))
        warm, _ = measure_seconds(lambda: load_fleet(root, None, cache))
    return [
        Figure("loaded with nothing to go by", cold, "CPU s", "<= 3"),
        Figure(f"loaded after {_CHANGED} changed", warm, "CPU s", "<= 0.5"),
    ]
