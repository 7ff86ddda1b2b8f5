"""A file that is there but holds no manifest: its merchant is not gone, and nothing is taken down."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.end_to_end.place import Place, count_writes_by_call


def into_a_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def into_a_broken_link(file: Path) -> None:
    file.unlink()
    file.symlink_to("moved.yaml")


HOW: dict[str, Callable[[Path], object]] = {
    "emptied": lambda file: file.write_text(""),
    "commented out": lambda file: file.write_text("".join(f"# {line}\n" for line in file.read_text().splitlines())),
    "now a folder": into_a_folder,
    "a link that broke": into_a_broken_link,
    "renamed to .YAML": lambda file: file.rename(file.with_suffix(".YAML")),
}


@pytest.mark.parametrize("how", HOW)
def test_a_manifest_that_cannot_be_one_any_more_switches_nobody_off(
    place: Place, command_line: Callable[..., tuple[int, str, str]], how: str
) -> None:
    place.provision("ann", "bob", policy={"deletion": "Disable"})
    HOW[how](place.manifests / "merchant-ann.yaml")
    with place.count_requests() as counts:
        code, _, err = command_line("apply", "--yes", "--allow", "shrink")
        drift, _, _ = command_line("drift")
    assert (code, drift, count_writes_by_call(counts)) == (65, 65, {})
    assert "merchant-ann" in err
    assert ":1:1: " in err
    assert place.document("ann")["enabled"] is True


def test_a_manifest_that_is_really_gone_is_switched_off_by_its_policy(place: Place) -> None:
    place.provision("ann", "bob", policy={"deletion": "Disable"})
    place.remove_manifests("ann")
    place.apply(allow=("shrink",))
    assert place.document("ann")["enabled"] is False
