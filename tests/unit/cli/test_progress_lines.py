"""How far a run is, where nobody has a terminal: a line every ten seconds."""

from __future__ import annotations

from controller.cli.terminal import ProgressLines


class Watched:
    """Progress by a clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 0.0
        self.lines: list[str] = []
        self.progress = ProgressLines("Looking", self.lines.append, lambda: self.now)

    def at(self, now: float, done: int, total: int, failed: int = 0) -> None:
        self.now = now
        self.progress.update(done, total, failed)


def test_a_line_every_ten_seconds_says_done_failed_left_and_minutes() -> None:
    watched = Watched()
    for second in range(1, 26):
        watched.at(second, 100 * second, 10_000, failed=3 if second > 15 else 0)
    assert watched.lines == [
        "Looking: 1,100 of 10,000 done, 8,900 left, about 1 minute",
        "Looking: 2,100 of 10,000 done, 3 failed, 7,900 left, about 1 minute",
    ]


def test_what_takes_less_than_ten_seconds_says_nothing() -> None:
    watched = Watched()
    for second in range(9):
        watched.at(second, second + 1, 9)
    assert watched.lines == []


def test_writing_after_looking_counts_anew() -> None:
    watched = Watched()
    watched.at(1, 1, 100)
    watched.at(300, 100, 100)
    watched.at(301, 1, 2_000)
    watched.at(312, 12, 2_000)
    assert watched.lines == ["Looking: 12 of 2,000 done, 1,988 left, about 30 minutes"]
