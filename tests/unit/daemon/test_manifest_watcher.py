"""The newest manifests that are whole, on a real folder."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from controller.daemon.manifest_watcher import ManifestChange, ManifestWatcher
from controller.model.errors import InvalidManifests, UsageError

MERCHANT = "apiVersion: merchantctl/v1\nkind: Merchant\nmetadata: {name: %s}\nspec: {connection: {platform: xero}}\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path, "ann")
    return tmp_path


def write(root: Path, name: str) -> None:
    (root / f"{name}.yaml").write_text(MERCHANT % name)


def write_only(root: Path, platforms: dict[str, str]) -> None:
    """By merchant its platform; nobody else has a manifest."""
    for file in root.iterdir():
        file.unlink()
    for name, platform in platforms.items():
        (root / f"{name}.yaml").write_text(MERCHANT.replace("xero", platform) % name)


async def settled(revisions: ManifestWatcher) -> bool:
    """Two looks: a change counts once it has stopped moving."""
    return bool(await revisions.reload_if_changed() or await revisions.reload_if_changed())


async def test_what_has_not_changed_is_not_loaded_again(root: Path) -> None:
    revisions = ManifestWatcher(root)
    before = revisions.fleet
    assert not await settled(revisions)
    assert revisions.fleet is before


async def test_a_new_manifest_counts_once_it_has_stopped_changing(root: Path) -> None:
    revisions = ManifestWatcher(root)
    write(root, "bob")
    assert not await revisions.reload_if_changed()
    write(root, "cid")
    assert not await revisions.reload_if_changed()
    assert await revisions.reload_if_changed()
    assert set(revisions.fleet.merchants) == {"ann", "bob", "cid"}


async def test_broken_manifests_leave_the_old_ones_in_use_and_say_why(root: Path) -> None:
    revisions = ManifestWatcher(root)
    (root / "bob.yaml").write_text("kind: [")
    (root / "ann.yaml").unlink()
    assert not await settled(revisions)
    assert set(revisions.fleet.merchants) == {"ann"}
    assert "bob.yaml" in str(revisions.diagnostics[0])
    (root / "bob.yaml").unlink()
    write(root, "ann")
    assert not await settled(revisions)
    assert revisions.diagnostics == ()


async def test_a_folder_that_vanishes_is_a_complaint_and_no_empty_fleet(root: Path, tmp_path: Path) -> None:
    revisions = ManifestWatcher(root)
    os.rename(root, tmp_path.with_suffix(".away"))
    assert not await settled(revisions)
    assert set(revisions.fleet.merchants) == {"ann"}
    assert "merchantctl init" in str(revisions.diagnostics[0])


async def test_a_comment_moves_lines_and_nobody_is_looked_at_for_it(root: Path) -> None:
    revisions = ManifestWatcher(root)
    (root / "ann.yaml").write_text("# ours\n" + MERCHANT % "ann")
    assert not await settled(revisions)
    assert revisions.fleet.merchants["ann"].origins["connection.platform"][0].line == 5


def test_a_start_on_broken_or_missing_manifests_is_refused(root: Path) -> None:
    with pytest.raises(UsageError):
        ManifestWatcher(root / "nowhere")
    (root / "bob.yaml").write_text("kind: [")
    with pytest.raises(InvalidManifests):
        ManifestWatcher(root)


@pytest.mark.parametrize(
    ("merchants", "looked_at", "everyone"),
    [
        ({"ann": "xero", "bob": "xero"}, {"bob"}, False),
        ({"ann": "quickbooks-online"}, {"ann"}, False),
        ({"bob": "xero"}, {"bob"}, True),
    ],
    ids=["one more", "another platform", "one instead of the other"],
)
async def test_a_new_revision_names_whom_it_changed_and_only_a_departure_needs_everyone(
    root: Path, merchants: dict[str, str], looked_at: set[str], everyone: bool
) -> None:
    revisions = ManifestWatcher(root)
    write_only(root, merchants)
    assert await revisions.reload_if_changed() is None
    change = await revisions.reload_if_changed()
    assert change == ManifestChange(frozenset(looked_at), everyone)


async def test_who_is_suspended_by_a_new_revision_is_looked_at(root: Path) -> None:
    revisions = ManifestWatcher(root)
    write(root, "bob")
    await settled(revisions)
    (root / "ann.yaml").write_text((MERCHANT % "ann").replace("spec: {", "spec: {suspend: {reason: audit}, "))
    assert await revisions.reload_if_changed() is None
    assert await revisions.reload_if_changed() == ManifestChange(frozenset({"ann"}), needs_everyone=False)


class _AfterEachPiece(ThreadPoolExecutor):
    """Does what is given to a thread at once, and then something else: what the loop does before it hears of it."""

    def __init__(self, then: Callable[[int], None]) -> None:
        super().__init__(1)
        self._then, self.count = then, 0

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(fn(*args, **kwargs))
        self.count += 1
        self._then(self.count)
        return done


async def test_what_could_not_be_read_for_a_moment_is_read_again_though_nothing_was_written(root: Path) -> None:
    """A mount that is away just while it is loaded: to a look before and after, nothing on disk differs."""
    write(root, "bob")
    revisions = ManifestWatcher(root)
    (root / "bob.yaml").unlink()
    await revisions.reload_if_changed()
    away = root.with_suffix(".away")

    def come_and_go(count: int) -> None:
        if count == 1:
            root.rename(away)
        if count == 2:
            away.rename(root)

    with _AfterEachPiece(come_and_go) as pieces:
        asyncio.get_running_loop().set_default_executor(pieces)
        assert await revisions.reload_if_changed() is None
        assert "there are no manifests" in str(revisions.diagnostics)
        assert await revisions.reload_if_changed() is None
        assert pieces.count == 4, "what is broken is not loaded with every look"
        revisions.retry_at = 0.0
        change = await revisions.reload_if_changed()
    assert (change and change.needs_everyone, revisions.diagnostics, set(revisions.fleet.merchants)) == (
        True,
        (),
        {"ann"},
    )


async def test_a_root_that_cannot_even_be_looked_at_is_a_complaint(root: Path) -> None:
    revisions = ManifestWatcher(root)
    revisions.follow(root / ("x" * 300), "too long a name")
    assert not await settled(revisions)
    assert "File name too long" in str(revisions.diagnostics[0])


@pytest.mark.parametrize("piece", [1, 2, 3], ids=["the look", "the load", "the look after it"])
async def test_a_commit_that_is_fetched_while_the_one_before_is_loaded_is_in_use_in_the_end(
    tmp_path: Path, piece: int
) -> None:
    folders = {commit: tmp_path / commit for commit in ("first", "second", "third")}
    for commit, folder in folders.items():
        folder.mkdir()
        write(folder, commit)
    revisions = ManifestWatcher(folders["first"], commit="first")
    revisions.follow(folders["second"], "second")

    def push(count: int) -> None:
        if count == piece:
            revisions.follow(folders["third"], "third")

    with _AfterEachPiece(push) as pieces:
        asyncio.get_running_loop().set_default_executor(pieces)
        while pieces.count <= piece:
            await revisions.reload_if_changed()
        await revisions.reload_if_changed()
        await revisions.reload_if_changed()
    assert (set(revisions.fleet.merchants), revisions.fleet.commit) == ({"third"}, "third")
