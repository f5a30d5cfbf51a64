"""What a benchmark is, sides timed in turn, and what comes of it."""

import gc
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

PLAIN, AUTO_NOW, OURS = "plain", "auto_now", "ours"

Trial = Callable[[], float]
"""One side's part of a round: prepares fresh rows, runs once, and returns how many seconds that took."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """
    How thoroughly to measure.

    Attributes:
        rounds: How often each side is timed.
        repeat: The same where it was asked for; None where what takes long may do with less.
        divisor: What the numbers of rows are divided by, for a run that only shows that everything works.
        largest: How many rows the largest log has that ``growth`` looks at.
        clock: Returns seconds: of the wall, or of this process's CPU, which leaves the server's part and the disk out.
    """

    rounds: int
    repeat: int | None = None
    divisor: int = 1
    largest: int = 1_000_000
    clock: Callable[[], float] = time.perf_counter

    def rows(self, count: int) -> int:
        """Return how many rows stand for so many."""
        return max(count // self.divisor, 10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    """One line of one table."""

    group: str
    name: str
    measure: Callable[[Plan], "Result"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """
    What one benchmark measured.

    Attributes:
        rows: How many rows a round wrote, loaded or held.
        unit: What a sample counts: ``"us"`` or ``"bytes"`` for each row, ``"ms"`` for a call, or rows ``"per_second"``.
        samples: Each side's value of every round, for one row.
        subject: The side that is judged.
        baseline: The side that it is judged by.
        without: The side whose samples are taken off the subject's first, where what was added is judged.
        target: The most that ``figure`` should be, of rows a second the least; None where the benchmark only informs.
    """

    rows: int
    unit: str
    samples: Mapping[str, Sequence[float]]
    subject: str = OURS
    baseline: str | None = AUTO_NOW
    without: str | None = None
    target: float | None = None
    medians: Mapping[str, float] = field(init=False)

    def __post_init__(self) -> None:
        medians = {side: statistics.median(values) for side, values in self.samples.items()}
        object.__setattr__(self, "medians", medians)

    @property
    def ratio(self) -> float | None:
        """The ratio of the medians."""
        return self.medians[self.subject] / self.medians[self.baseline] if self.baseline else None

    @property
    def spread(self) -> tuple[float, float] | None:
        """The lowest and the highest ratio of one round."""
        if not self.baseline:
            return None
        pairs = zip(self.samples[self.subject], self.samples[self.baseline], strict=True)
        ratios = [subject / baseline for subject, baseline in pairs]
        return min(ratios), max(ratios)

    @property
    def figure(self) -> float | None:
        """
        What the target bounds.

        Of times beside a baseline a ratio: to the baseline, or of what was added to the baseline. Of bytes the
        difference. Where no side is compared, the median.
        """
        subject = self.medians[self.subject]
        if not self.baseline:
            return subject
        if self.unit == "bytes":
            return subject - self.medians[self.baseline]
        return (subject - (self.medians[self.without] if self.without else 0)) / self.medians[self.baseline]

    @property
    def met(self) -> bool | None:
        """Whether the target was met; None where there is none."""
        if self.target is None or self.figure is None:
            return None
        return self.figure >= self.target if self.unit == "per_second" else self.figure <= self.target


def in_turn(trials: Mapping[str, Trial], *, rounds: int, warm_up: int = 1) -> dict[str, list[float]]:
    """
    Run the sides in turn, A B A B …, and return each one's seconds of every round.

    The order turns by one each round, so that no side always follows the same other; the first rounds warm caches up
    and are not counted.
    """
    sides = list(trials)
    seconds: dict[str, list[float]] = {side: [] for side in sides}
    for turn in range(-warm_up, rounds):
        first = turn % len(sides)
        for side in sides[first:] + sides[:first]:
            taken = trials[side]()
            if turn >= 0:
                seconds[side].append(taken)
    return seconds


def timed(run: Callable[[], object], clock: Callable[[], float]) -> float:
    """Return how many seconds a call takes."""
    gc.collect()
    start = clock()
    run()
    return clock() - start


def per_row(seconds: Mapping[str, Sequence[float]], rows: int) -> dict[str, list[float]]:
    """Return the same times in microseconds a row."""
    return {side: [value * 1e6 / rows for value in values] for side, values in seconds.items()}
