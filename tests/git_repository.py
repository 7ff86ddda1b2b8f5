"""A real Git repository with manifests, for tests: what a team pushes to."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest


class GitRepository:
    """`url` serves a bare repository; `work` is somebody's clone of it."""

    def __init__(self, folder: Path) -> None:
        if shutil.which("git") is None:
            pytest.skip("the program git is not installed")
        self.bare, self.work = folder / "origin.git", folder / "work"
        folder.mkdir(parents=True)
        _run(folder, "init", "--quiet", "--bare", "--initial-branch=main", str(self.bare))
        _run(self.bare, "config", "uploadpack.allowFilter", "true")
        _run(folder, "clone", "--quiet", str(self.bare), str(self.work))
        _run(self.work, "checkout", "--quiet", "-b", "main")

    @property
    def url(self) -> str:
        return f"git+file://{self.bare}"

    def commit(self, files: dict[str, str | None], message: str = "change") -> str:
        """Writes the files (None: removes), commits and pushes; the commit."""
        for name, content in files.items():
            path = self.work / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if content is None:
                path.unlink()
            else:
                path.write_text(content)
        _run(self.work, "add", "--all")
        _run(self.work, "commit", "--quiet", "--allow-empty", "-m", message)
        _run(self.work, "push", "--quiet", "--force", "origin", "HEAD:main")
        return self.head

    def reset(self, commit: str) -> None:
        """A forced push back to that commit."""
        _run(self.work, "reset", "--quiet", "--hard", commit)
        _run(self.work, "push", "--quiet", "--force", "origin", "HEAD:main")

    def add_submodule(self, other: GitRepository, path: str) -> None:
        """Another repository at this path, committed and pushed."""
        _run(self.work, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(other.bare), path)
        self.commit({})

    @property
    def head(self) -> str:
        return _run(self.work, "rev-parse", "HEAD").strip()


def _run(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=Test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false")
    done = subprocess.run(
        ["git", "-C", str(folder), *identity, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
