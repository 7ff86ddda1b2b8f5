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
from tempfile import TemporaryDirectory

from controller.git_address import GitAddress
from controller.model.errors import MerchantctlError
from controller.quick_dataclasses import dataclass
from controller.untrusted_text import mask_passwords

GIT_TIMEOUT_S = 120.0
"""Seconds that one call of `git` may take, over whatever network."""

FIRST_TIMEOUT_S = 900.0
"""Seconds for the first call that brings a whole history, or all files of a folder."""

TREE_KEPT_S = 3600.0
"""A commit's folder that nobody has used for so long is deleted: a commit a minute would fill the disk."""

TREE_TOUCH_INTERVAL_S = 600.0
"""So often whoever uses a commit's folder for long says so."""

LEFT_BEHIND_S = 2 * FIRST_TIMEOUT_S
"""Lock files and half-fetched packs that are older belong to a `git` that was killed."""

_BATCH_OPTIONS = ("-c", "core.hooksPath=/dev/null", "-c", "http.lowSpeedLimit=1000", "-c", "http.lowSpeedTime=60")
"""Hooks are for people who work in a clone. A connection over which nothing comes any more is given up."""

_OFFLINE = ("-c", "protocol.allow=never")
"""Git would ask the repository for a commit that the clone lacks, each time anew."""

_SSH = "ssh -o BatchMode=yes -o ConnectTimeout=30 -o ServerAliveInterval=15 -o ServerAliveCountMax=4"

_ABOUT_A_REPOSITORY = frozenset(
    f"GIT_{name}"
    for name in (
        *("DIR", "WORK_TREE", "INDEX_FILE", "INDEX_VERSION", "OBJECT_DIRECTORY", "ALTERNATE_OBJECT_DIRECTORIES"),
        *("COMMON_DIR", "NAMESPACE", "PREFIX", "SHALLOW_FILE", "GRAFT_FILE", "REPLACE_REF_BASE", "QUARANTINE_PATH"),
        *("IMPLICIT_WORK_TREE", "NO_REPLACE_OBJECTS", "INTERNAL_SUPER_PREFIX", "CEILING_DIRECTORIES"),
        *("LITERAL_PATHSPECS", "GLOB_PATHSPECS", "NOGLOB_PATHSPECS", "ICASE_PATHSPECS"),
    )
)
"""What a surrounding git sets (a hook, say) is about its own repository."""

_SUBMODULE_MODE = "160000 "


class GitUnavailable(MerchantctlError):
    """The repository cannot be read now, or `git` is not installed."""

    exit_code = 5


class CommitOrder(StrEnum):
    """How one commit stands to another."""

    SAME = "the same"
    NEWER = "newer"
    OLDER = "older"
    NEITHER = "neither newer nor older"
    UNKNOWN = "to one that is not here"


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
    def _fetched_ref(self) -> str:
        return f"refs/merchantctl/{self.address.branch or 'HEAD'}"

    def fetch_head(self) -> str:
        """The branch's newest commit over there, which is here afterwards, with its history."""
        with self._clone_locked():
            is_first = self.last_fetched_head() is None
            if not (self._repository / "HEAD").is_file():
                self._init_repository()
            source = f"refs/heads/{self.address.branch}" if self.address.branch else "HEAD"
            fetch = ("fetch", "--quiet", "--no-tags", "--filter=blob:none", "origin", f"+{source}:{self._fetched_ref}")
            self._git_output(*fetch, timeout_s=FIRST_TIMEOUT_S if is_first else GIT_TIMEOUT_S)
            return self._git_output("rev-parse", f"{self._fetched_ref}^{{commit}}").strip()

    def last_fetched_head(self) -> str | None:
        """The newest commit that was fetched before; None where none was."""
        if not (self._repository / "HEAD").is_file():
            return None
        try:
            return (
                self._git_output("rev-parse", "--verify", "--quiet", f"{self._fetched_ref}^{{commit}}").strip() or None
            )
        except GitUnavailable:
            return None

    def check_out(self, commit: str) -> Path:
        """The folder of the manifests as of that commit, for an hour at least; `keep` makes it last."""
        tree = self._tree_folder(commit)
        with self._clone_locked():
            if not tree.is_dir():
                self._check_out_tree(commit, tree)
            os.utime(tree)
            self._delete_unused_trees(tree.parent)
        root = tree / self.address.path if self.address.path else tree
        if not root.exists():
            raise self._no_such_folder_error(commit)
        return root

    def keep_tree(self, commit: str) -> None:
        """That commit's folder is still in use; one that was deleted meanwhile is written anew."""
        try:
            age_s = time.time() - self._tree_folder(commit).stat().st_mtime
        except OSError:  # where it cannot be looked at either, `check_out` says so
            age_s = TREE_TOUCH_INTERVAL_S
        if not 0 <= age_s < TREE_TOUCH_INTERVAL_S:
            self.check_out(commit)

    def compare_commits(self, commit: str, before: str) -> CommitOrder:
        """How a commit stands to the one before."""
        if commit == before:
            return CommitOrder.SAME
        if not (self._has_commit(commit) and self._has_commit(before)):
            return CommitOrder.UNKNOWN
        if self._is_ancestor(before, commit):
            return CommitOrder.NEWER
        return CommitOrder.OLDER if self._is_ancestor(commit, before) else CommitOrder.NEITHER

    def _tree_folder(self, commit: str) -> Path:
        return self._repository.parent / "trees" / f"{commit}-{sha256(self.address.path.encode()).hexdigest()[:8]}"

    def _has_commit(self, commit: str) -> bool:
        return self._run(*_OFFLINE, "cat-file", "-e", f"{commit}^{{commit}}").returncode == 0

    def _is_ancestor(self, older: str, newer: str) -> bool:
        done = self._run(*_OFFLINE, "merge-base", "--is-ancestor", older, newer)
        if done.returncode != 1:  # that is its word for «no»; whatever else is not 0 says nothing of the two
            _output_or_raise(done, self.address)
        return done.returncode == 0

    def _init_repository(self) -> None:
        new = self._repository.with_suffix(".new")
        shutil.rmtree(new, ignore_errors=True)
        new.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        _output_or_raise(_run_command(["git", "init", "--quiet", "--bare", str(new)]), self.address)
        configure = ["git", "-C", str(new), "config"]
        _output_or_raise(_run_command([*configure, "remote.origin.url", self.address.url]), self.address)
        _output_or_raise(_run_command([*configure, "remote.origin.promisor", "true"]), self.address)
        _output_or_raise(_run_command([*configure, "remote.origin.partialclonefilter", "blob:none"]), self.address)
        # The commit in force may be reachable no more, after a forced push.
        _output_or_raise(_run_command([*configure, "gc.pruneExpire", "never"]), self.address)
        os.replace(new, self._repository)

    def _check_out_tree(self, commit: str, tree: Path) -> None:
        self._require_whole_folder(commit)
        new = tree.with_suffix(".new")
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(parents=True)
        wanted = f":(literal){self.address.path}" if self.address.path else "."
        with TemporaryDirectory(prefix="index-", dir=self._repository.parent) as index:
            done = _run_command(
                ["git", *_BATCH_OPTIONS, "--work-tree", str(new), "checkout", "--quiet", commit, "--", wanted],
                timeout_s=FIRST_TIMEOUT_S,
                GIT_DIR=str(self._repository),
                GIT_INDEX_FILE=f"{index}/index",
            )
        _output_or_raise(done, self.address)
        # Before it counts as the whole commit: after a power cut, files whose content had not come to the disk would be
        # empty, and the merchants in them would count as gone. Once for all of it: a sync a file takes much longer.
        os.sync()
        os.replace(new, tree)

    def _require_whole_folder(self, commit: str) -> None:
        """The folder is there, and no submodule in it: that would be an empty folder, and the merchants that it
        declares would count as gone."""
        folder = ("--", self.address.path) if self.address.path else ()
        listed = self._git_output("ls-tree", "-r", "-z", commit, *folder)
        if not listed:
            raise self._no_such_folder_error(commit)
        for entry in listed.split("\0"):
            if entry.startswith(_SUBMODULE_MODE):
                name = entry.partition("\t")[2]
                raise GitUnavailable(
                    f"{mask_passwords(str(self.address))}: {name} in commit {commit[:12]} is a submodule, which is not "
                    "read: keep the manifests in the repository itself, and name their folder (//FOLDER)"
                )

    def _no_such_folder_error(self, commit: str) -> GitUnavailable:
        what = self.address.path or "file"
        return GitUnavailable(f"{mask_passwords(str(self.address))}: there is no {what} in commit {commit[:12]}")

    def _delete_unused_trees(self, folder: Path) -> None:
        for each in folder.iterdir():
            with suppress(OSError):
                if time.time() - each.stat().st_mtime > TREE_KEPT_S:
                    # First under another name: half of a folder would be taken for the whole commit, and the merchants
                    # in the other half would count as gone.
                    gone = each.with_suffix(".gone")
                    os.replace(each, gone)
                    shutil.rmtree(gone, ignore_errors=True)

    def _git_output(self, *arguments: str, timeout_s: float = GIT_TIMEOUT_S) -> str:
        return _output_or_raise(self._run(*arguments, timeout_s=timeout_s), self.address)

    def _run(self, *arguments: str, timeout_s: float = GIT_TIMEOUT_S) -> subprocess.CompletedProcess[str]:
        return _run_command(["git", "-C", str(self._repository), *_BATCH_OPTIONS, *arguments], timeout_s=timeout_s)

    @contextmanager
    def _clone_locked(self) -> Iterator[None]:
        """One process of this machine at a time changes the clone."""
        try:
            self._repository.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with open(self._repository.parent / "lock", "w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                self._delete_leftovers()
                yield
        except OSError as error:
            raise GitUnavailable(
                f"the clone in {self.folder} cannot be used: {error.strerror or error}: {error.filename or ''}"
            ) from error

    def _delete_leftovers(self) -> None:
        """What a `git` that was killed has left: with its locks no other could ever work, its packs fill the disk."""
        folder = self._repository.parent
        for pattern in ("repo.git/*.lock", "repo.git/refs/**/*.lock", "repo.git/objects/pack/tmp_*", "index-*"):
            for each in folder.glob(pattern):
                with suppress(OSError):
                    if time.time() - each.stat().st_mtime > LEFT_BEHIND_S:
                        shutil.rmtree(each) if each.is_dir() else each.unlink()


def _run_command(
    command: list[str], timeout_s: float = GIT_TIMEOUT_S, **variables: str
) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if name not in _ABOUT_A_REPOSITORY}
    # A question to a terminal would never end.
    batch = {"GIT_TERMINAL_PROMPT": "0", "GIT_SSH_COMMAND": inherited.get("GIT_SSH_COMMAND", _SSH)}
    try:
        return subprocess.run(
            command,
            env=inherited | batch | {"LC_ALL": "C"} | variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=False,
        )
    except FileNotFoundError:
        raise GitUnavailable("manifests from Git need the program `git`, which is not installed here") from None
    except OSError as error:  # for instance no file descriptor or process is left
        raise GitUnavailable(f"git cannot be started here: {error.strerror or error}") from None
    except subprocess.TimeoutExpired:
        raise GitUnavailable(f"git did not end within {timeout_s:.0f} s; is the repository reachable?") from None


def _output_or_raise(done: subprocess.CompletedProcess[str], address: GitAddress) -> str:
    if done.returncode == 0:
        return done.stdout
    lines = [line for line in done.stderr.strip().splitlines() if line.strip()]
    why = next((line for line in lines if line.startswith(("fatal:", "error:"))), lines[-1] if lines else "no reason")
    raise GitUnavailable(
        f"{mask_passwords(str(address))} cannot be read: {why.removeprefix('fatal: ')}. "
        "Try `git ls-remote` with the same address as this user."
    )
