"""Manifests from a Git repository, for verbs that run once: the newest commit of the branch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from controller.desired.git_source import GitSource, GitUnavailable
from controller.settings import Settings


def open_git_source(settings: Settings) -> GitSource | None:
    """None where the manifests are in a folder."""
    if settings.git is None:
        return None
    assert settings.cache is not None, "the settings refuse a repository without a cache"
    return GitSource(settings.git, settings.cache)


def fetch_newest_commit(source: GitSource, on_message: Callable[[str], None]) -> str:
    """The branch's newest commit; while the repository cannot be reached, the newest that was fetched before, and that
    is said. Raises GitUnavailable where none was."""
    try:
        return source.fetch_head()
    except GitUnavailable as error:
        fetched = source.last_fetched_head()
        if fetched is None:
            raise
        on_message(f"{error} Using commit {fetched[:12]}, which was fetched before.")
        return fetched


def check_out_newest_commit(settings: Settings, on_message: Callable[[str], None]) -> Settings:
    """The settings with the folder of the branch's newest commit, checked out. Raises GitUnavailable."""
    source = open_git_source(settings)
    if source is None:
        return settings
    commit = fetch_newest_commit(source, on_message)
    return replace(settings, manifests=source.check_out(commit), commit=commit)
