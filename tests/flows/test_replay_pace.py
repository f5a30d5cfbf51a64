"""The pace of a replay, and what it shows of its progress."""

import io

from codebase.history.pace import Pace, ProgressBar


class Ticks:
    """A clock that sleeping moves on."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_the_pace_holds_a_replay_to_its_rate() -> None:
    clock = Ticks()
    pace = Pace(10, clock=clock, sleep=clock.sleep)
    pace.wait(5)
    assert clock.now == 0.5
    clock.now = 3.0
    pace.wait(20)
    assert clock.now == 3.0


def test_without_a_rate_nobody_waits() -> None:
    clock = Ticks()
    Pace(None, clock=clock, sleep=clock.sleep).wait(1_000_000)
    assert clock.now == 0.0


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_a_terminal_shows_a_bar_that_is_taken_off_at_the_end() -> None:
    clock, stream = Ticks(), Terminal()
    bar = ProgressBar(stream, last_commit_number=10, clock=clock)
    bar.show(1, 4)
    assert stream.getvalue() == ""
    clock.now = 2.0
    bar.show(5, 20)
    assert "50% commit 5 of 10, 20 edits, 10 a second" in stream.getvalue()
    bar.close()
    assert stream.getvalue().endswith(" \r")


def test_elsewhere_a_line_comes_every_few_seconds() -> None:
    clock, stream = Ticks(), io.StringIO()
    bar = ProgressBar(stream, last_commit_number=10, clock=clock)
    for second in range(1, 12):
        clock.now = float(second)
        bar.show(second, second)
    bar.close()
    assert stream.getvalue().splitlines() == [
        "commit 5 of 10, 5 edits, 1 a second",
        "commit 10 of 10, 10 edits, 1 a second",
    ]
