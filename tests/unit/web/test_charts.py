"""What the dashboard draws."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from controller.model.rollout import MemberState
from controller.web.charts import CHART_HEIGHT, CHART_WIDTH, fleet_charts, wave_progress
from state import Sample

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


def sample(minutes_ago: int, merchants: int, in_sync: int) -> Sample:
    return Sample(NOW - timedelta(minutes=minutes_ago), {"merchants": merchants, "status.in-sync": in_sync})


def test_there_is_no_picture_of_one_moment() -> None:
    assert fleet_charts([], NOW) == ()
    assert fleet_charts([sample(5, 3, 3)], NOW) == ()


def test_the_numbers_stand_beside_the_picture() -> None:
    out_of_sync, drifted, ready = fleet_charts([sample(10, 12, 12), sample(5, 12, 9), sample(0, 12, 11)], NOW)
    assert (out_of_sync.now, out_of_sync.least, out_of_sync.most) == (1, 0, 3)
    assert (drifted.now, ready.now) == (0, 0)


def test_a_chart_of_a_young_controller_begins_with_its_first_look() -> None:
    young = fleet_charts([sample(10, 12, 12), sample(5, 12, 9)], NOW)[0]
    assert (young.begins_at, young.points.split()[0], young.points.split()[-1]) == (
        NOW - timedelta(minutes=10), "0.0,24.0", "100.0,24.0"
    )  # fmt: skip
    old = fleet_charts([sample(24 * 60 - 3, 12, 12), sample(5, 12, 9)], NOW)[0]
    assert old.begins_at == NOW - timedelta(days=1)


@given(st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 10_000)), min_size=2, max_size=40))
def test_whatever_the_numbers_the_area_lies_within_the_chart(points: list[tuple[int, int]]) -> None:
    samples = sorted((sample(ago, 10_000, in_sync) for ago, in_sync in points), key=lambda each: each.at)
    for chart in fleet_charts(samples, NOW):
        for corner in chart.points.split():
            x, y = map(float, corner.split(","))
            assert 0 <= x <= CHART_WIDTH
            assert 0 <= y <= CHART_HEIGHT


def test_every_state_of_a_member_counts_in_its_wave() -> None:
    counts = {(wave, state.value): 1 for wave in (1, 2) for state in MemberState}
    assert [wave.size for wave in wave_progress(counts)] == [len(MemberState)] * 2
