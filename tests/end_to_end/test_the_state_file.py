"""What becomes of the file of the state: no right to write it, no room for it, another one in its place."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.end_to_end.place import Place, count_writes_by_call
from tests.postgresql import empty_schema
from tests.processes import run_python

pytestmark = pytest.mark.over_tcp

AS_ANY_OTHER_USER = """
import ctypes
libc, header, sets = ctypes.CDLL(None), (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
assert libc.capget(header, sets) == 0
for number in (0, 1):  # what is in force, and what may be; the capabilities are CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
    sets[number] &= ~(1 << 1 | 1 << 2)
assert libc.capset(header, sets) == 0
"""
"""Root may write everywhere: in the child it may not."""


def run(place: Place, *arguments: str, before: str = AS_ANY_OTHER_USER) -> subprocess.CompletedProcess[str]:
    """`merchantctl` in a process that runs that program before."""
    command = [sys.executable, "-c", f"{before}\nfrom controller.__main__ import main\nmain()", *arguments]
    return run_python(command, cwd=place.folder, env=place.variables(), timeout=300)


@pytest.fixture(params=["the file", "its folder", "both, while another process has it open"])
def withheld(request: pytest.FixtureRequest, place: Place) -> Iterator[Place]:
    """A state of one merchant in sync that may be read and not written."""
    folder = place.folder / "var"
    folder.mkdir()
    place.use_state_file(folder / "state.db")
    place.provision("ann")
    other = sqlite3.connect(place.database)
    other.execute("SELECT count(*) FROM merchants").fetchall()
    if "another" not in request.param:
        other.close()
    if request.param != "its folder":
        for each in folder.iterdir():
            each.chmod(0o444)
    if request.param != "the file":
        folder.chmod(0o555)
    yield place
    folder.chmod(0o755)
    other.close()


def test_looks_at_a_state_that_cannot_be_written_work_and_say_that_nothing_is_noted(withheld: Place) -> None:
    withheld.edit_in_portal("ann", {"enabled": False})
    before = withheld.database.read_bytes()
    for command, code in (("plan", 0), ("drift", 2), ("status", 0)):
        ended = run(withheld, command)
        assert ended.returncode == code, ended.stderr
        assert "cannot be written" in ended.stderr
        assert "Nothing of this look is noted there." in ended.stderr
        assert "ann" in ended.stdout
    assert run(withheld, "history", "ann").returncode == 0
    assert run(withheld, "doctor").stdout.count("may not write there") == 1
    assert withheld.database.read_bytes() == before


def test_looks_at_a_state_in_a_database_that_takes_no_writes_work_and_what_is_not_noted_is_said(
    place: Place, postgresql: str
) -> None:
    """A standby, or a user without the right to write."""
    with empty_schema(postgresql) as url:
        place.settings = replace(place.settings, state=url)
        place.provision("ann")
        place.edit_in_portal("ann", {"enabled": False})
        read_only = url.replace("options=-c", "options=-c default_transaction_read_only%3Don -c")
        place.settings = replace(place.settings, state=read_only)
        for command, code in (("plan", 0), ("drift", 2), ("status", 0)):
            assert place.run_in_process(command).returncode == code
            if command != "status":
                ended = place.run_in_process(command, "--record")
                assert ended.returncode == code
                assert "nothing of this look is noted in the ledger: " in ended.stderr
                assert "read-only transaction" in ended.stderr
        with place.count_requests() as during:
            assert place.run_in_process("apply", "--yes").returncode == 1
        assert not during


def test_an_apply_to_a_state_that_cannot_be_written_writes_nothing_anywhere(withheld: Place) -> None:
    withheld.edit_in_portal("ann", {"enabled": False})
    with withheld.count_requests() as during:
        ended = run(withheld, "apply", "--yes")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "cannot be written" in ended.stderr
    assert "Give this user the right to" in ended.stderr
    assert not during


def test_a_state_that_cannot_be_read_is_not_taken_for_a_new_one(place: Place) -> None:
    place.provision("ann")
    place.database.chmod(0)
    ended = run(place, "plan")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "cannot be read: Permission denied" in ended.stderr


def test_a_full_disk_in_the_middle_of_an_apply_says_what_was_done_and_the_next_one_finds_it(place: Place) -> None:
    """The file may not grow any more: what a full disk is to those who write it."""
    names = [f"m{number:02}" for number in range(20)]
    place.profile()
    for name in names:
        place.merchant(name)
    place.plan()
    limit = place.database.stat().st_size + 200_000
    no_more_room = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))"
    with place.count_requests() as during:
        ended = run(place, "apply", "--yes", "--parallelism", "1", before=no_more_room)
    made = len(place.companies())
    assert ended.returncode == 1
    assert 0 < made < len(names)
    assert "nothing was half written" not in ended.stderr
    assert "then run this again: it finds what was done until then." in ended.stderr
    assert f"By then {sum(count_writes_by_call(during).values())} writing requests had been sent." in ended.stderr
    assert place.run_in_process("apply", "--yes").returncode == 0
    assert [each["name"] for each in place.companies()] == names


@pytest.mark.parametrize("what", ["was deleted", "was replaced by another file"])
def test_a_state_that_goes_while_an_apply_runs_stops_it_before_its_next_write(place: Place, what: str) -> None:
    place.profile()
    for number in range(4):
        place.merchant(f"m{number}")

    def gone(plan: object) -> bool:
        os.rename(place.database, place.folder / "away.db")
        if what != "was deleted":
            Path(place.database).touch()
        return True

    with (
        place.count_requests() as during,
        pytest.raises(Exception, match=f"{what} while this ran: nothing more is written"),
    ):
        place.apply(agree=gone)
    assert not count_writes_by_call(during)
