"""Files that are written whole or not at all, whatever the disk says."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from controller.cli.files import overwrite_file, write_new_file, write_output_file
from controller.model.errors import MerchantctlError

LONG = "x" * 100_000


@contextmanager
def no_room() -> Iterator[None]:
    """No file may have more than a few bytes: what a full disk is to those who write it.

    Around the writing alone: pytest itself may be writing to a file, too, as soon as a test has ended.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize(
    "write", [lambda path: write_new_file(path, LONG, path.parent), lambda path: write_output_file(path, LONG)]
)
def test_a_full_disk_leaves_neither_an_empty_file_nor_a_draft(tmp_path: Path, write: Callable[[Path], None]) -> None:
    with pytest.raises(MerchantctlError, match="cannot be written: File too large"), no_room():
        write(tmp_path / "acme.yaml")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_what_was_there_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "acme.yaml"
    file.write_text("kind: Merchant\n")
    writes: list[Callable[[], None]] = [
        lambda: overwrite_file(file, file.read_bytes(), LONG.encode(), tmp_path),
        lambda: write_output_file(file, LONG),
    ]
    for write in writes:
        with pytest.raises(MerchantctlError, match="cannot be written: File too large"), no_room():
            write()
    assert list(tmp_path.iterdir()) == [file]
    assert file.read_text() == "kind: Merchant\n"


def test_what_somebody_wrote_to_a_file_while_a_question_was_open_is_written_over_by_nobody(tmp_path: Path) -> None:
    file = tmp_path / "acme.yaml"
    file.write_text("kind: Merchant\n")
    shown = file.read_bytes()
    file.write_text("kind: Merchant   # the accountant called\n")
    with pytest.raises(MerchantctlError, match="changed meanwhile, and is left as it is"):
        overwrite_file(file, shown, b"kind: MappingProfile\n", tmp_path)
    assert file.read_text() == "kind: Merchant   # the accountant called\n"
    assert list(tmp_path.iterdir()) == [file]
