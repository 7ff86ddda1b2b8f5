"""The address of manifests in a Git repository: `git+https://host/team/repo.git@branch//path`. Pure."""

from __future__ import annotations

import re

from controller.quick_dataclasses import dataclass

GIT_PREFIX = "git+"

SCHEMES = ("https", "ssh", "file")


@dataclass(frozen=True, slots=True)
class GitAddress:
    """Where the manifests are.

    url     the repository, as the `git` program reads it: https, ssh or file
    branch  None = the repository's own default branch
    path    the folder of the manifests in it; "" = all of it
    """

    url: str
    branch: str | None = None
    path: str = ""

    def __str__(self) -> str:
        return (
            f"{GIT_PREFIX}{self.url}"
            + (f"@{self.branch}" if self.branch else "")
            + (f"//{self.path}" if self.path else "")
        )


def parse_git_address(text: str) -> GitAddress:
    """Raises ValueError, which ends the sentence «TEXT …»."""
    scheme, _, rest = text.removeprefix(GIT_PREFIX).partition("://")
    host, slash, rest = rest.partition("/")
    if ":" in host.rpartition("@")[0]:
        raise ValueError("holds a password: git asks its own credential helper for it")
    repository, _, path = rest.partition("//")
    repository, has_branch, branch = repository.partition("@")
    is_complete = scheme in SCHEMES and slash and repository.strip("/") and bool(host) == (scheme != "file")
    if not is_complete or re.search(r"[\s\x00-\x1f]", text) or (has_branch and not _is_branch(branch)):
        raise ValueError("is no repository like git+https://host/team/repo.git@branch//path (https, ssh or file)")
    path = path.strip("/")
    if ".." in path.split("/"):
        raise ValueError("leaves the repository with ..")
    return GitAddress(f"{scheme}://{host}/{repository.rstrip('/')}", branch or None, path)


def _is_branch(name: str) -> bool:
    return re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_./+-]*", name) is not None and ".." not in name
