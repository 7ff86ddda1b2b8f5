"""Manifests from a Git repository, with the real `git`."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.desired.git_source import CommitOrder, GitSource, GitUnavailable
from controller.git_address import GitAddress, parse_git_address
from tests.git_repository import GitRepository

words = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9.-]{0,8}[A-Za-z0-9]", fullmatch=True).filter(lambda word: ".." not in word)


@given(
    st.sampled_from(["https://host/", "https://me@host/", "ssh://git@host:22/", "file:///"]),
    st.lists(words, min_size=1, max_size=3),
    st.none() | st.lists(words, min_size=1, max_size=2),
    st.lists(words, max_size=3),
)
def test_an_address_is_read_as_it_is_written(
    host: str, repository: list[str], branch: list[str] | None, path: list[str]
) -> None:
    address = GitAddress(host + "/".join(repository), "/".join(branch) if branch else None, "/".join(path))
    assert parse_git_address(str(address)) == address


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("git+http://host/repo", "no repository"),
        ("git+https://host", "no repository"),
        ("git+https://host/repo@", "no repository"),
        ("git+https://host/repo@--upload-pack=x", "no repository"),
        ("git+ext://sh -c x/y", "no repository"),
        ("git+https://me:secret@host/repo", "password"),
        ("git+https://host/repo//../../etc", "leaves the repository"),
    ],
)
def test_what_is_no_address_is_refused_and_told_why(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse_git_address(text)


def source_of(repository: GitRepository, tmp_path: Path, path: str = "") -> GitSource:
    return GitSource(parse_git_address(f"{repository.url}@main" + (f"//{path}" if path else "")), tmp_path / "cache")


def test_each_commit_has_a_folder_of_its_own_that_later_ones_leave_alone(tmp_path: Path) -> None:
    repository = GitRepository(tmp_path / "git")
    source = source_of(repository, tmp_path, "fleet/manifests")
    repository.commit({"fleet/manifests/a.yaml": "one", "elsewhere.txt": "x"})
    first = source.check_out(source.fetch_head())
    repository.commit({"fleet/manifests/a.yaml": "two", "fleet/manifests/b.yaml": "new"})
    second = source.check_out(source.fetch_head())
    assert [(each / "a.yaml").read_text() for each in (first, second)] == ["one", "two"]
    assert sorted(each.name for each in first.iterdir()) == ["a.yaml"]
    assert not list(tmp_path.rglob("elsewhere.txt"))[1:], "only the folder of the manifests is checked out"


def test_commits_are_in_order_as_their_history_says(tmp_path: Path) -> None:
    repository = GitRepository(tmp_path / "git")
    source = source_of(repository, tmp_path)
    first = repository.commit({"a.yaml": "1"})
    second = repository.commit({"a.yaml": "2"})
    source.fetch_head()
    repository.reset(first)
    other = repository.commit({"a.yaml": "beside"})
    assert source.fetch_head() == other
    assert source.order(second, first) is CommitOrder.NEWER
    assert source.order(first, second) is CommitOrder.OLDER
    assert source.order(other, second) is CommitOrder.NEITHER
    assert source.order(other, other) is CommitOrder.SAME
    assert source.order("0" * 40, first) is CommitOrder.NEITHER, "one that nobody knows is no ancestor"


def test_while_the_repository_is_away_what_was_fetched_before_is_there(tmp_path: Path) -> None:
    repository = GitRepository(tmp_path / "git")
    source = source_of(repository, tmp_path)
    assert source.fetched_head() is None
    commit = repository.commit({"a.yaml": "1"})
    assert source.check_out(source.fetch_head()).is_dir()
    repository.bare.rename(tmp_path / "away")
    with pytest.raises(GitUnavailable, match=r"cannot be read: .*does not"):
        source.fetch_head()
    assert source.fetched_head() == commit
    assert (source.check_out(commit) / "a.yaml").read_text() == "1"


def test_a_branch_or_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    repository = GitRepository(tmp_path / "git")
    commit = repository.commit({"a.yaml": "1"})
    with pytest.raises(GitUnavailable, match="nowhere"):
        GitSource(parse_git_address(f"{repository.url}@nowhere"), tmp_path / "cache").fetch_head()
    source = source_of(repository, tmp_path, "no/such/folder")
    assert source.fetch_head() == commit
    with pytest.raises(GitUnavailable, match="no/such/folder"):
        source.check_out(commit)
