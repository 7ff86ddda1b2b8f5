"""Manifests from a Git repository, by the `git` program and its own credentials.

A bare clone in the cache folder has the history and, of the files, only what is needed (`--filter=blob:none`; a shallow
clone would deny true ancestors). Each commit is checked out to a folder of its own, which is complete or not there.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum
from hashlib import sha256
from pathlib import Path

from controller.git_address import GitAddress
from controller.model.errors import MerchantctlError
from controller.quick_dataclasses import dataclass
from controller.text import mask_passwords

GIT_TIMEOUT_S = 120.0
"""Seconds that one call of `git` may take, over whatever network."""

TREES_KEPT_S = 30 * 86_400.0
"""A commit's folder that nobody has used for so long is deleted."""


class GitUnavailable(MerchantctlError):
    """The repository cannot be read now, or `git` is not installed."""

    exit_code = 5


class CommitOrder(StrEnum):
    """How one commit stands to another."""

    SAME = "the same"
    NEWER = "newer"
    OLDER = "older"
    NEITHER = "neither newer nor older"


@dataclass(frozen=True, slots=True)
class GitSource:
    """One branch of one repository. `folder`: where clones are kept; others with the same address share it.

    Every method may raise GitUnavailable.
    """

    address: GitAddress
    folder: Path

    @property
    def _repository(self) -> Path:
        return self.folder / "git" / sha256(self.address.url.encode()).hexdigest()[:16] / "repo.git"

    @property
    def _head_ref(self) -> str:
        return f"refs/merchantctl/{self.address.branch or 'HEAD'}"

    def fetch_head(self) -> str:
        """The branch's newest commit over there, which is here afterwards, with its history."""
        with self._alone():
            if not (self._repository / "HEAD").is_file():
                self._clone()
            source = f"refs/heads/{self.address.branch}" if self.address.branch else "HEAD"
            self._git("fetch", "--quiet", "--no-tags", "--filter=blob:none", "origin", f"+{source}:{self._head_ref}")
            return self._git("rev-parse", f"{self._head_ref}^{{commit}}").strip()

    def fetched_head(self) -> str | None:
        """The newest commit that was fetched before; None where none was."""
        if not (self._repository / "HEAD").is_file():
            return None
        try:
            return self._git("rev-parse", "--verify", "--quiet", f"{self._head_ref}^{{commit}}").strip() or None
        except GitUnavailable:
            return None

    def check_out(self, commit: str) -> Path:
        """The folder of the manifests as of that commit."""
        tree = self._repository.parent / "trees" / f"{commit}-{sha256(self.address.path.encode()).hexdigest()[:8]}"
        with self._alone():
            if not tree.is_dir():
                self._write_tree(commit, tree)
            os.utime(tree)
            self._delete_unused_trees(tree.parent)
        root = tree / self.address.path if self.address.path else tree
        if not root.exists():
            raise GitUnavailable(f"{self.address}: there is no {self.address.path} in commit {commit[:12]}")
        return root

    def order(self, commit: str, before: str) -> CommitOrder:
        """How a commit stands to the one before; one that is not known here is neither newer nor older."""
        if commit == before:
            return CommitOrder.SAME
        if self._is_ancestor(before, commit):
            return CommitOrder.NEWER
        return CommitOrder.OLDER if self._is_ancestor(commit, before) else CommitOrder.NEITHER

    def _is_ancestor(self, older: str, newer: str) -> bool:
        done = self._run("merge-base", "--is-ancestor", older, newer)
        return done.returncode == 0

    def _clone(self) -> None:
        new = self._repository.with_suffix(".new")
        shutil.rmtree(new, ignore_errors=True)
        new.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        _succeeded(_call(["git", "init", "--quiet", "--bare", str(new)]), self.address)
        configure = ["git", "-C", str(new), "config"]
        _succeeded(_call([*configure, "remote.origin.url", self.address.url]), self.address)
        _succeeded(_call([*configure, "remote.origin.promisor", "true"]), self.address)
        _succeeded(_call([*configure, "remote.origin.partialclonefilter", "blob:none"]), self.address)
        os.replace(new, self._repository)

    def _write_tree(self, commit: str, tree: Path) -> None:
        new = tree.with_suffix(".new")
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(parents=True)
        index = new.with_suffix(".index")
        wanted = self.address.path or "."
        try:
            done = _call(
                ["git", "--work-tree", str(new), "checkout", "--quiet", commit, "--", wanted],
                GIT_DIR=str(self._repository),
                GIT_INDEX_FILE=str(index),
            )
            _succeeded(done, self.address)
        finally:
            index.unlink(missing_ok=True)
        os.replace(new, tree)

    def _delete_unused_trees(self, folder: Path) -> None:
        for each in folder.iterdir():
            with suppress(OSError):
                if time.time() - each.stat().st_mtime > TREES_KEPT_S:
                    shutil.rmtree(each, ignore_errors=True)

    def _git(self, *arguments: str) -> str:
        return _succeeded(self._run(*arguments), self.address)

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return _call(["git", "-C", str(self._repository), *arguments])

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One process of this machine at a time changes the clone."""
        self._repository.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with open(self._repository.parent / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _call(command: list[str], **variables: str) -> subprocess.CompletedProcess[str]:
    # What a surrounding git sets (a hook, say) is about its repository; a question to a terminal would never end.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("GIT_") or "SSH" in name}
    batch = {"GIT_TERMINAL_PROMPT": "0", "GIT_SSH_COMMAND": inherited.get("GIT_SSH_COMMAND", "ssh -o BatchMode=yes")}
    try:
        return subprocess.run(
            command,
            env=inherited | batch | {"LC_ALL": "C"} | variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=GIT_TIMEOUT_S,
            check=False,
        )
    except FileNotFoundError:
        raise GitUnavailable("manifests from Git need the program `git`, which is not installed here") from None
    except subprocess.TimeoutExpired:
        raise GitUnavailable(f"git did not end within {GIT_TIMEOUT_S:.0f} s; is the repository reachable?") from None


def _succeeded(done: subprocess.CompletedProcess[str], address: GitAddress) -> str:
    if done.returncode == 0:
        return done.stdout
    lines = [line for line in done.stderr.strip().splitlines() if line.strip()]
    why = next((line for line in lines if line.startswith(("fatal:", "error:"))), lines[-1] if lines else "no reason")
    raise GitUnavailable(
        f"{mask_passwords(str(address))} cannot be read: {why.removeprefix('fatal: ')}. "
        "Try `git ls-remote` with the same address as this user."
    )
