"""The manifest cache only saves time: the fleet is the same, whatever became of the cache."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.desired import cache as cache_module
from controller.desired import yaml_reader
from controller.desired.loader import load_fleet
from controller.desired.yaml_reader import ParsedDocument
from controller.model.desired import Diagnostic, Fleet
from tests.unit.desired.test_loader import BASE, merchant, profile

MERCHANTS = 300
NEW = {"code": "850", "type": "Liability.Current"}
OWN = {
    "sales": {
        "accounts": {"gratuity": {"name": "Tips", "create": NEW}},
        "taxRates": {"20.0": {"id": "x"}},
        "customer": None,
    }
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A fleet that is worth the while, with a bit of everything that a manifest may say."""
    folder = tmp_path / "manifests"
    folder.mkdir()
    (folder / "base.yaml").write_text(profile(**BASE))
    for number in range(MERCHANTS):
        name = f"m-{number:03}"
        said = {"profile": "base", "mapping": OWN, "unmanaged": ["schedule.frequency"], "policy": {"adopt": False}}
        (folder / f"{name}.yaml").write_text(merchant(name, **said))
    return folder


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that were parsed, as they are."""
    files: list[str] = []
    read_each = yaml_reader.parse_yaml_lazily

    def noted(content: bytes, file: str, diagnostics: list[Diagnostic]) -> Iterator[ParsedDocument]:
        files.append(Path(file).name)
        return read_each(content, file, diagnostics)

    monkeypatch.setattr(yaml_reader, read_each.__name__, noted)
    return files


def same(one: Fleet, other: Fleet) -> bool:
    return one == other and all(one.merchants[name] == other.merchants[name] for name in one.merchants)


def test_a_second_load_parses_nothing_and_finds_the_same_fleet(root: Path, cache: Path, parsed: list[str]) -> None:
    first = load_fleet(root, None, cache)
    parsed.clear()
    assert same(load_fleet(root, None, cache), first)
    assert same(load_fleet(root), first)
    assert len(parsed) == MERCHANTS + 1, "the last load had nothing to go by, the one before it parsed nothing"


def test_only_a_file_with_other_bytes_is_parsed_again(root: Path, cache: Path, parsed: list[str]) -> None:
    load_fleet(root, None, cache)
    parsed.clear()
    (root / "m-007.yaml").write_text(merchant("m-007", connection={"platform": "qhyg"}))
    os.utime(root / "m-008.yaml")
    (root / "m-009.yaml").rename(root / "renamed.yaml")
    again = load_fleet(root, None, cache)
    assert parsed == ["m-007.yaml"]
    assert again.merchants["m-007"].platform == "qhyg"
    assert again.merchants["m-009"].origins["policy.adopt"][-1].file.endswith("renamed.yaml")
    assert same(again, load_fleet(root))


def test_of_the_next_commit_of_a_repository_only_what_it_changes_is_parsed(
    root: Path, cache: Path, parsed: list[str]
) -> None:
    """Each commit is checked out to a folder of its own."""
    trees = cache / "git" / ("0" * 16) / "trees"
    before, after = (trees / f"{digit * 40}-{'0' * 8}" for digit in "ab")
    for each in (before, after):
        shutil.copytree(root, each / "fleet")
    (after / "fleet" / "m-007.yaml").write_text(merchant("m-007", profile="base"))
    load_fleet(before / "fleet", cache=cache)
    parsed.clear()
    assert "schedule.frequency" in load_fleet(after / "fleet", cache=cache).merchants["m-007"].fields
    assert parsed == ["m-007.yaml"]


def test_another_profile_reaches_merchants_whose_files_are_as_they_were(root: Path, cache: Path) -> None:
    load_fleet(root, None, cache)
    (root / "base.yaml").write_text(profile(**BASE | {"enabled": False}))
    assert not load_fleet(root, None, cache).merchants["m-000"].fields["enabled"]


def test_a_file_with_a_complaint_is_complained_of_each_time(root: Path, cache: Path) -> None:
    (root / "broken.yaml").write_text(merchant("broken", mapping={"sale": {}}))
    (root / "twin.yaml").write_text((root / "m-001.yaml").read_text())
    complaints = load_fleet(root, None, cache).diagnostics
    assert complaints
    assert load_fleet(root, None, cache).diagnostics == complaints


@pytest.mark.parametrize("line", [0, 1, -1])
@pytest.mark.parametrize("garbage", [b"", b"\x00\xff", b"{}", b"[[1]]", b'"Merchant"'])
def test_garbage_in_what_was_kept_only_costs_time(root: Path, cache: Path, line: int, garbage: bytes) -> None:
    fresh = load_fleet(root, None, cache)
    (place,) = cache.iterdir()
    lines = place.read_bytes().split(b"\n")
    lines[line] = lines[line].partition(b" ")[0] + b" " + garbage if line else garbage
    place.write_bytes(b"\n".join(lines))
    assert same(load_fleet(root, None, cache), fresh)


def test_other_code_reads_everything_anew(
    root: Path, cache: Path, parsed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    load_fleet(root, None, cache)
    parsed.clear()
    monkeypatch.setattr(cache_module, cache_module._source_hash.__name__, lambda: b"another")
    load_fleet(root, None, cache)
    assert len(parsed) == MERCHANTS + 1


def test_where_nothing_can_be_written_nothing_is_kept_and_nothing_fails(root: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    assert len(load_fleet(root, None, tmp_path / "file" / "cache").merchants) == MERCHANTS


def test_a_small_fleet_leaves_nothing_behind(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "acme.yaml").write_text(merchant("acme"))
    load_fleet(tmp_path / "acme.yaml", None, cache)
    assert not cache.exists()


def test_what_is_kept_is_for_nobody_elses_eyes_and_of_few_roots(root: Path, cache: Path) -> None:
    cache.mkdir()
    for number in range(20):
        (cache / f"manifests-{number}").write_text("of a folder that is gone")
        os.utime(cache / f"manifests-{number}", (number, number))
    load_fleet(root, None, cache)
    ours = max(cache.iterdir(), key=lambda each: each.stat().st_mtime)
    assert ours.stat().st_mode & 0o077 == 0
    assert len(list(cache.iterdir())) < 20
