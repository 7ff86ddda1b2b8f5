"""Manifests from a Git repository, with the real `git`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.desired.git_source import CommitOrder, GitSource, GitUnavailable
from controller.desired.loader import load_fleet
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


def test_the_clone_has_all_of_the_history_and_of_the_files_none_that_was_not_checked_out(tmp_path: Path) -> None:
    repository = GitRepository(tmp_path / "git")
    source = source_of(repository, tmp_path)
    for content in ("one", "two", "three"):
        repository.commit({"a.yaml": content})
    source.check_out(source.fetch_head())
    (clone,) = tmp_path.glob("cache/git/*/repo.git")
    listed = ["git", "-C", str(clone), "cat-file", "--batch-all-objects", "--batch-check=%(objecttype)"]
    kinds = Counter(subprocess.run(listed, capture_output=True, text=True, check=True).stdout.split())
    assert (kinds["commit"], kinds["blob"]) == (3, 1)


def test_a_file_of_a_commit_is_called_as_it_is_in_the_repository(tmp_path: Path) -> None:
    repository = GitRepository(tmp_path / "git")
    repository.commit({"fleet/manifests/broken.yaml": "kind: ["})
    for folder, name in (("fleet/manifests", "fleet/manifests/broken.yaml"), ("", "fleet/manifests/broken.yaml")):
        source = source_of(repository, tmp_path, folder)
        fleet = load_fleet(source.check_out(source.fetch_head()))
        assert [each.file for each in fleet.diagnostics] == [name]


def test_commits_are_in_order_as_their_history_says(tmp_path: Path) -> None:
    repository = GitRepository(tmp_path / "git")
    source = source_of(repository, tmp_path)
    first = repository.commit({"a.yaml": "1"})
    second = repository.commit({"a.yaml": "2"})
    source.fetch_head()
    repository.reset(first)
    other = repository.commit({"a.yaml": "beside"})
    assert source.fetch_head() == other
    assert source.compare_commits(second, first) is CommitOrder.NEWER
    assert source.compare_commits(first, second) is CommitOrder.OLDER
    assert source.compare_commits(other, second) is CommitOrder.NEITHER
    assert source.compare_commits(other, other) is CommitOrder.SAME


def test_while_the_repository_is_away_what_was_fetched_before_is_there(tmp_path: Path) -> None:
    repository = GitRepository(tmp_path / "git")
    source = source_of(repository, tmp_path)
    assert source.last_fetched_head() is None
    commit = repository.commit({"a.yaml": "1"})
    assert source.check_out(source.fetch_head()).is_dir()
    repository.bare.rename(tmp_path / "away")
    with pytest.raises(GitUnavailable, match=r"cannot be read: .*does not"):
        source.fetch_head()
    assert source.last_fetched_head() == commit
    assert (source.check_out(commit) / "a.yaml").read_text() == "1"


def test_a_branch_or_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    repository = GitRepository(tmp_path / "git")
    commit = repository.commit({"a.yaml": "1"})
    with pytest.raises(GitUnavailable, match="nowhere"):
        GitSource(parse_git_address(f"{repository.url}@nowhere"), tmp_path / "cache").fetch_head()
    source = source_of(repository, tmp_path, "no/such/folder")
    assert source.fetch_head() == commit
    with pytest.raises(GitUnavailable, match=f"there is no no/such/folder in commit {commit[:12]}"):
        source.check_out(commit)


def test_of_a_commit_that_was_never_here_nobody_knows_how_it_stands(tmp_path: Path) -> None:
    repository = GitRepository(tmp_path / "git")
    source = source_of(repository, tmp_path)
    commit = repository.commit({"a.yaml": "1"})
    source.fetch_head()
    elsewhere = repository.commit({"a.yaml": "2"})
    assert source.compare_commits(commit, elsewhere) is CommitOrder.UNKNOWN, (
        "it is not asked for: that would be a request a look"
    )
    source.fetch_head()
    assert source.compare_commits(commit, elsewhere) is CommitOrder.OLDER


def test_a_clone_or_folder_that_somebody_deleted_is_made_anew(tmp_path: Path) -> None:
    repository = GitRepository(tmp_path / "git")
    source = source_of(repository, tmp_path)
    commit = repository.commit({"a.yaml": "1"})
    root = source.check_out(source.fetch_head())
    shutil.rmtree(root)
    source.keep_tree(commit)
    assert (root / "a.yaml").read_text() == "1"
    shutil.rmtree(tmp_path / "cache")
    assert source.fetch_head() == commit
    source.keep_tree(commit)
    assert (root / "a.yaml").read_text() == "1"


def test_of_a_branch_with_a_commit_a_minute_only_the_folders_in_use_are_kept(tmp_path: Path) -> None:
    repository = GitRepository(tmp_path / "git")
    source = source_of(repository, tmp_path)
    roots = []
    for number in range(3):
        commit = repository.commit({"a.yaml": str(number)})
        roots.append(source.check_out(source.fetch_head()))
    two_hours_ago = time.time() - 7200
    for each in roots:
        os.utime(each, (two_hours_ago, two_hours_ago))
    source.keep_tree(commit)
    assert [each.exists() for each in roots] == [False, False, True]


def test_a_folder_whose_deletion_was_cut_short_is_never_taken_for_the_commit(tmp_path: Path) -> None:
    repository = GitRepository(tmp_path / "git")
    source = source_of(repository, tmp_path)
    first = repository.commit({f"{number}.yaml": "1" for number in range(4)})
    unused = source.check_out(source.fetch_head())
    second = repository.commit({"0.yaml": "2"})
    source.check_out(source.fetch_head())
    two_hours_ago = time.time() - 7200
    for each in unused.parent.iterdir():
        os.utime(each, (two_hours_ago, two_hours_ago))
    child = os.fork()
    if not child:
        _die_at_second_removal()
        source.keep_tree(second)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9, "it died in the middle"
    assert len(list(source.check_out(first).iterdir())) == 4


def _die_at_second_removal() -> None:
    removed = []

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        if event == "os.remove":
            removed.append(arguments)
            if len(removed) == 2:
                os._exit(9)

    sys.addaudithook(watch)


def test_two_commits_that_git_could_not_compare_are_not_told_as_unrelated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where it is killed for want of memory."""
    repository = GitRepository(tmp_path / "git")
    source = source_of(repository, tmp_path)
    first, second = repository.commit({"a.yaml": "1"}), repository.commit({"a.yaml": "2"})
    source.fetch_head()
    (tmp_path / "bin").mkdir()
    git = tmp_path / "bin" / "git"
    git.write_text(f'#!/bin/sh\ncase "$*" in *merge-base*) kill -9 $$;; esac\nexec {shutil.which("git")} "$@"\n')
    git.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    with pytest.raises(GitUnavailable):
        source.compare_commits(second, first)


def test_what_a_killed_git_left_behind_is_in_nobodys_way(tmp_path: Path) -> None:
    repository = GitRepository(tmp_path / "git")
    source = source_of(repository, tmp_path)
    repository.commit({"a.yaml": "1"})
    source.fetch_head()
    (clone,) = (tmp_path / "cache").rglob("repo.git")
    left = [clone / "refs/merchantctl/main.lock", clone / "packed-refs.lock", clone / "objects/pack/tmp_pack_Ab1"]
    for each in left:
        each.write_text("")
    second = repository.commit({"a.yaml": "2"})
    with pytest.raises(GitUnavailable):
        source.fetch_head()
    yesterday = time.time() - 86_400
    for each in left:
        os.utime(each, (yesterday, yesterday))
    assert source.fetch_head() == second
    assert not any(each.exists() for each in left)


def test_a_cache_that_cannot_be_written_is_told_as_that(tmp_path: Path) -> None:
    repository = GitRepository(tmp_path / "git")
    repository.commit({"a.yaml": "1"})
    (tmp_path / "cache").write_text("a file where the folder should be")
    with pytest.raises(GitUnavailable, match=r"cache cannot be used"):
        source_of(repository, tmp_path).fetch_head()


def test_a_submodule_is_refused_rather_than_read_as_an_empty_folder(tmp_path: Path) -> None:
    other, repository = GitRepository(tmp_path / "other"), GitRepository(tmp_path / "git")
    other.commit({"b.yaml": "1"})
    repository.commit({"fleet/a.yaml": "1"})
    repository.add_submodule(other, "fleet/b")
    with pytest.raises(GitUnavailable, match=r"fleet/b in commit .* is a submodule"):
        source_of(repository, tmp_path, "fleet").check_out(source_of(repository, tmp_path).fetch_head())
    repository.commit({"apart/c.yaml": "1"})
    source = source_of(repository, tmp_path, "apart")
    assert source.check_out(source.fetch_head()).is_dir(), "one beside the manifests' folder is nobody's concern"


def test_names_that_are_patterns_or_odd_are_files_like_any_other(tmp_path: Path) -> None:
    repository = GitRepository(tmp_path / "git")
    source = source_of(repository, tmp_path, "fleet")
    names = ["fleet/[a]*.yaml", 'fleet/q"uo\tte.yaml', "fleet/über\nline.yaml", "fleet/:(top)x.yaml"]
    repository.commit(dict.fromkeys(names, "1"))
    root = source.check_out(source.fetch_head())
    assert sorted(f"fleet/{each.name}" for each in root.iterdir()) == sorted(names)


def test_credentials_by_the_environment_reach_git_and_a_surrounding_repository_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = GitRepository(tmp_path / "git")
    commit = repository.commit({"a.yaml": "1"})
    moved = repository.bare.rename(tmp_path / "moved.git")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "surrounding"))
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", f"url.file://{moved}.insteadOf")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", f"file://{repository.bare}")
    assert source_of(repository, tmp_path).fetch_head() == commit


@pytest.mark.parametrize("url", ["https://git.example.com/team/fleet.git", "ssh://git@git.example.com/team/fleet.git"])
def test_an_address_in_a_network_is_reached_as_gits_own_settings_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    repository = GitRepository(tmp_path / "git")
    repository.commit({"manifests/a.yaml": "1"})
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", f"url.file://{repository.bare}.insteadOf")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", url)
    source = GitSource(parse_git_address(f"git+{url}@main//manifests"), tmp_path / "cache")
    assert (source.check_out(source.fetch_head()) / "a.yaml").read_text() == "1"


def test_a_git_that_cannot_be_started_is_a_repository_that_cannot_be_read_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where no file descriptor is left; the comparison of two commits is not under the lock of the clone."""
    (tmp_path / "git").write_text("not executable")
    monkeypatch.setenv("PATH", str(tmp_path))
    source = GitSource(parse_git_address("git+https://host/repo"), tmp_path)
    with pytest.raises(GitUnavailable, match="git cannot be started here: Permission denied"):
        source.compare_commits("a" * 40, "b" * 40)


def test_a_machine_without_git_is_told_what_it_lacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(GitUnavailable, match="which is not installed here"):
        GitSource(parse_git_address("git+https://host/repository"), tmp_path / "cache").fetch_head()
