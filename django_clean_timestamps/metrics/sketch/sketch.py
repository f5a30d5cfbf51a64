"""The sketch itself: what latencies are added to, and what answers for them."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import Final, Self

from django_clean_timestamps.metrics.sketch.histogram import Histogram
from django_clean_timestamps.metrics.sketch.packing import State, pack, unpack

__all__ = ["Sketch"]

# More than the universe has lasted: where a sum of seconds is not below it, one of them was no number of seconds.
_ENDLESS: Final = 1e18


class Sketch:
    """
    A histogram of latencies in seconds, exponential to the base 2, with 64 buckets an octave.

    Any quantile is at most 0.55 % off; two sketches are merged by addition, in any order and grouping to the same
    result. A bucket is looked up by the seconds clamped to 1 us … 1,000 s; beyond these a quantile knows no more than
    ``min`` and ``max`` tell it.

    Beside the buckets it holds exactly, of the seconds as they were given (a negative number, which a clock that was
    set back gives, counts as 0): the count, the sum, the smallest and the largest, and how many were over a threshold.
    The sum is kept in whole nanoseconds, rounded once a call.

    Not safe to change from two threads at once.

    Args:
        warning: The number of seconds over which to count into ``over_warning``; None does not count.
        critical: The same for ``over_critical``.

    Attributes:
        count: How many latencies there are.
        warning: The threshold that all of them were counted by, None where they were not counted or by different ones.
        critical: Likewise.

    Raises:
        ValueError: A threshold is negative or not finite.
    """

    __slots__ = (
        "_histogram",
        "_largest",
        "_nanoseconds",
        "_over_critical",
        "_over_warning",
        "_smallest",
        "count",
        "critical",
        "warning",
    )
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, *, warning: float | None = None, critical: float | None = None) -> None:
        self.count = 0
        self.warning = _checked("warning", warning)
        self.critical = _checked("critical", critical)
        self._over_warning = self._over_critical = 0
        self._nanoseconds = 0
        self._smallest, self._largest = math.inf, 0.0
        self._histogram = Histogram()

    def add(self, seconds: float, times: int = 1) -> None:
        """
        Count a latency, or several of the same length.

        Raises:
            ValueError: It is no finite number of seconds, or ``times`` is less than 1.
        """
        if times < 1:
            raise ValueError(f"times is {times}; 1 or more is wanted")
        seconds = max(seconds, 0.0)
        if not seconds < _ENDLESS:
            raise ValueError(f"seconds is {seconds}; a finite number is wanted")
        self._histogram.add(seconds, times)
        self._take(times, round(seconds * 1e9) * times, seconds, seconds)
        if self.warning is not None and seconds > self.warning:
            self._over_warning += times
        if self.critical is not None and seconds > self.critical:
            self._over_critical += times

    def extend(self, seconds: Iterable[float]) -> None:
        """
        Count many latencies, which is much faster than one at a time.

        Raises:
            ValueError: One of them is no finite number of seconds; then none was counted.
        """
        # In order, a bucket's logarithm is taken once for all that it holds, and thresholds are found by bisection.
        ordered = sorted(seconds)
        if not ordered:
            return
        if ordered[0] < 0:
            ordered = [max(each, 0.0) for each in ordered]
        total = sum(ordered)
        if not total < _ENDLESS:
            raise ValueError("Latencies add up to no finite number of seconds; one of them is infinite or no number")
        size = len(ordered)
        self._histogram.extend(ordered)
        self._take(size, round(total * 1e9), ordered[0], ordered[-1])
        if self.warning is not None:
            self._over_warning += size - bisect_right(ordered, self.warning)
        if self.critical is not None:
            self._over_critical += size - bisect_right(ordered, self.critical)

    def merge(self, other: Sketch) -> None:
        """
        Add what another sketch holds; that one stays as it is.

        The coarser scale of the two remains. So do thresholds that both counted by; where they differ, how many were
        over is unknown from then on, and threshold and count become None. An empty sketch has counted nothing by any
        threshold: the other's remain.
        """
        if self.count == 0 < other.count:
            self._set_thresholds(other)
        elif other.count or not self.count:
            self._agree_on_thresholds(other)
        self._histogram.merge(other._histogram)
        self._take(other.count, other._nanoseconds, other._smallest, other._largest)

    def merge_bytes(self, data: bytes | memoryview) -> None:
        """
        Add what a sketch holds that :meth:`to_bytes` wrote; see :meth:`merge`.

        Raises:
            ValueError: As :meth:`from_bytes` does; then nothing was added.
        """
        self.merge(self.from_bytes(data))

    @classmethod
    def merged(cls, sketches: Iterable[Sketch]) -> Self:
        """Return a new sketch of all that the given ones hold; an empty one where none is given."""
        merged = cls()
        for place, sketch in enumerate(sketches):
            if place == 0:
                merged._set(sketch._state())
            else:
                merged.merge(sketch)
        return merged

    def minus(self, earlier: Sketch) -> Self:
        """
        Return what was counted since an earlier copy of this sketch.

        Its ``min`` and ``max`` are those of the whole, since no sketch knows which latencies came when: exact again as
        soon as the two are merged.

        Raises:
            ValueError: The other one holds what this one does not.
        """
        rest = type(self)(warning=self.warning, critical=self.critical)
        if self.count != earlier.count:
            rest._histogram = self._histogram.minus(earlier._histogram)
            rest._take(
                self.count - earlier.count,
                self._nanoseconds - earlier._nanoseconds,
                self._smallest,
                self._largest,
            )
            rest._over_warning = self._over_warning - earlier._over_warning
            rest._over_critical = self._over_critical - earlier._over_critical
        return rest

    def copy(self) -> Self:
        """Return a sketch that holds the same and is changed apart from this one."""
        copy = type(self)()
        copy._set(self._state())
        return copy

    def downscaled(self, scale: int) -> Self:
        """
        Return the same with fewer buckets, exactly as if it had been counted by them from the start.

        Args:
            scale: From 0, which is one bucket an octave, to this sketch's own.

        Raises:
            ValueError: There is no such scale, or it is finer than this sketch's.
        """
        if not 0 <= scale <= self.scale:
            raise ValueError(f"scale is {scale}; this sketch has {self.scale}, and one from 0 to that is wanted")
        copy = self.copy()
        copy._histogram.coarsen(scale)
        return copy

    @property
    def scale(self) -> int:
        """6 for 64 buckets an octave, one less for half as many; see :meth:`downscaled`."""
        return self._histogram.scale

    @property
    def sum(self) -> float:
        """All seconds together."""
        return self._nanoseconds / 1e9

    @property
    def min(self) -> float | None:
        """The smallest number of seconds, None where there is none."""
        return self._smallest if self.count else None

    @property
    def max(self) -> float | None:
        """The largest number of seconds, None where there is none."""
        return self._largest if self.count else None

    @property
    def mean(self) -> float | None:
        """The mean number of seconds, None where there is none."""
        return self.sum / self.count if self.count else None

    @property
    def over_warning(self) -> int | None:
        """How many were longer than ``warning``, exactly; None where it is None."""
        return None if self.warning is None else self._over_warning

    @property
    def over_critical(self) -> int | None:
        """How many were longer than ``critical``, exactly; None where it is None."""
        return None if self.critical is None else self._over_critical

    def quantile(self, q: float) -> float | None:
        """
        Return the number of seconds that a share of the latencies does not pass; None where there are none.

        Of ``n`` latencies in order it is the one at rank ``ceil(q * n)``, at most 0.55 % off at scale 6; the first and
        the last are exact.

        Args:
            q: The share, from 0 (the smallest) to 1 (the largest).

        Raises:
            ValueError: ``q`` is less than 0 or more than 1.
        """
        return self.quantiles(q)[0]

    def quantiles(self, *qs: float) -> tuple[float | None, ...]:
        """Return several quantiles at once, in the order asked for; see :meth:`quantile`."""
        for q in qs:
            if not 0 <= q <= 1:
                raise ValueError(f"q is {q}; a share from 0 to 1 is wanted")
        if not self.count:
            return (None,) * len(qs)
        ranks = [math.ceil(q * self.count) for q in qs]
        estimates = zip(ranks, self._histogram.at_ranks(ranks), strict=True)
        return tuple(self._exact_at_the_ends(rank, estimate) for rank, estimate in estimates)

    def fraction_over(self, seconds: float) -> float | None:
        """
        Return the share of latencies that were longer; None where there are none.

        Exact for a threshold that was counted by and for a bucket's bound. Between two bounds the bucket's own share
        is divided as if it were spread evenly over the logarithm.
        """
        if not self.count:
            return None
        for threshold, over in ((self.warning, self._over_warning), (self.critical, self._over_critical)):
            if seconds == threshold:
                return over / self.count
        if seconds < self._smallest:
            return 1.0
        if seconds >= self._largest:
            return 0.0
        return self._histogram.over(seconds) / self.count

    def buckets(self, scale: int | None = None) -> list[tuple[float, float, int]]:
        """
        Return ``(lower, upper, count)`` of each bucket, from the first that holds anything to the last.

        One holds what is more than ``lower`` and at most ``upper`` seconds; the next begins where it ends, so that some
        between them may hold nothing.

        Args:
            scale: What to count by, by default this sketch's own; see :meth:`downscaled`.
        """
        return (self if scale is None else self.downscaled(scale))._histogram.rows()

    def cumulative(self, bounds: Sequence[float]) -> list[int]:
        """
        Return how many latencies were at most each of the bounds, exactly; all there are is ``count``.

        Args:
            bounds: Upper bounds of buckets at this sketch's scale, such as ``LE_BOUNDS``, in any order.

        Raises:
            ValueError: One of them is no bucket's upper bound.
        """
        return self._histogram.at_most(bounds)

    def to_bytes(self) -> bytes:
        """Return all of this in few bytes, for :meth:`from_bytes` of this and any later version of the package."""
        return pack(self._state())

    @classmethod
    def from_bytes(cls, data: bytes | memoryview) -> Self:
        """
        Return the sketch that :meth:`to_bytes` wrote, equal to what it was.

        Raises:
            ValueError: The bytes are of another version, were cut or damaged, or never were a sketch.
        """
        sketch = cls()
        sketch._set(unpack(data))
        return sketch

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sketch):
            return NotImplemented
        return self._state() == other._state()

    def __bool__(self) -> bool:
        return self.count > 0

    def __repr__(self) -> str:
        if not self.count:
            return f"<{type(self).__name__}: empty>"
        spread = f"from {self._smallest:.3g} to {self._largest:.3g} s, p95 {self.quantile(0.95):.3g} s"
        return f"<{type(self).__name__}: {self.count} {spread}>"

    def _take(self, count: int, nanoseconds: int, smallest: float, largest: float) -> None:
        self.count += count
        self._nanoseconds += nanoseconds
        if smallest < self._smallest:
            self._smallest = smallest
        if largest > self._largest:
            self._largest = largest

    def _set_thresholds(self, other: Sketch) -> None:
        self.warning, self._over_warning = other.warning, other._over_warning
        self.critical, self._over_critical = other.critical, other._over_critical

    def _agree_on_thresholds(self, other: Sketch) -> None:
        self._over_warning += other._over_warning
        self._over_critical += other._over_critical
        if self.warning != other.warning:
            self.warning, self._over_warning = None, 0
        if self.critical != other.critical:
            self.critical, self._over_critical = None, 0

    def _exact_at_the_ends(self, rank: int, estimate: float) -> float:
        if rank <= 1:
            return self._smallest
        if rank >= self.count:
            return self._largest
        return min(max(estimate, self._smallest), self._largest)

    def _state(self) -> State:
        histogram = self._histogram
        return State(
            scale=histogram.scale,
            offset=histogram.offset,
            counts=histogram.counts,
            nanoseconds=self._nanoseconds,
            smallest=self._smallest,
            largest=self._largest,
            warning=self.warning,
            over_warning=self._over_warning,
            critical=self.critical,
            over_critical=self._over_critical,
        )

    def _set(self, state: State) -> None:
        self._histogram = Histogram(state.scale, state.offset, state.counts)
        self.count = sum(state.counts)
        self._nanoseconds = state.nanoseconds
        self._smallest, self._largest = state.smallest, state.largest
        self.warning, self._over_warning = state.warning, state.over_warning
        self.critical, self._over_critical = state.critical, state.over_critical


def _checked(name: str, threshold: float | None) -> float | None:
    if threshold is not None and not 0 <= threshold < _ENDLESS:
        raise ValueError(f"{name} is {threshold}; a number of seconds from 0, or None, is wanted")
    return threshold
