"""Every request and every commit of a provisioning run, disturbed in every way: no twin, no loss, the same end.

Without sockets, but for each kind of fault of the network once at a read and once at a write.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.crash.crash_proof import CrashProof
from tests.crash.disturbance import ALL_FAULTS, REQUEST_FAULTS

MIN_POINTS_IN_ALL = 300
"""A proof that explores little proves little. How many points there were the last line of a test run says."""
SHARES = 3
"""Tests that the points of a fault are divided into, so that workers finish at about the same time."""
FAULTS_OF_THE_NETWORK = (*REQUEST_FAULTS, "completed late", "gateway's 404", "gateway's 504, done")


@pytest.mark.parametrize("share", range(SHARES))
@pytest.mark.parametrize("fault", ALL_FAULTS)
def test_a_run_disturbed_at_any_point_ends_as_the_undisturbed_one(
    proof: CrashProof, fault: str, share: int, record_property: Callable[[str, object], None]
) -> None:
    points = proof.points(fault)[share::SHARES]
    assert list(proof.problems_at(fault, points)) == []
    record_property("crash points", len(points))


@pytest.mark.parametrize("fault", FAULTS_OF_THE_NETWORK)
def test_a_fault_ends_in_the_same_over_real_connections(
    proof_over_tcp: CrashProof, fault: str, record_property: Callable[[str, object], None]
) -> None:
    """The first read and the first write at which it can happen: what differs is how a connection breaks."""
    points = proof_over_tcp.points(fault)
    read = [each for each in points if each[1].startswith("GET ")][:1]
    write = [each for each in points if not each[1].startswith("GET ")][:1]
    assert list(proof_over_tcp.problems_at(fault, read + write)) == []
    record_property("points over real connections", len(read + write))


def test_the_points_are_hundreds(proof: CrashProof) -> None:
    assert sum(len(proof.points(fault)) for fault in ALL_FAULTS) >= MIN_POINTS_IN_ALL
