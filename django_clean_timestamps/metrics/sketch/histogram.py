"""Counts by bucket: where a latency is counted, and what can be read from the counts."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate
from operator import add

from django_clean_timestamps.metrics.sketch.buckets import (
    LONGEST,
    MARGIN,
    SCALE,
    SHORTEST,
    bucket_index,
    coarsened,
    middle,
    upper_bound,
    upper_bounds,
)

__all__ = ["Histogram"]


class Histogram:
    """
    How many latencies each bucket holds.

    Attributes:
        scale: 6 for 64 buckets an octave, one less for half as many; see :func:`bucket_index`.
        offset: The index of the first bucket that holds anything.
        counts: One for each bucket from there to the last that holds anything.
    """

    __slots__ = ("counts", "offset", "scale")

    # A list takes less memory than a dict as long as most buckets between the ends are used, and merging two is one
    # pass that Python does not see; a lone latency far away costs 8 bytes for each bucket up to it.

    def __init__(self, scale: int = SCALE, offset: int = 0, counts: Sequence[int] = ()) -> None:
        self.scale = scale
        self.offset = offset
        self.counts = list(counts)

    def add(self, seconds: float, times: int) -> None:
        """Count a latency so many times."""
        index = bucket_index(seconds, self.scale)
        self._reach(index, index)
        self.counts[index - self.offset] += times

    def extend(self, ordered: Sequence[float]) -> None:
        """Count latencies that are given in ascending order, at least one."""
        if ordered[0] < SHORTEST or ordered[-1] > LONGEST:
            ordered = [min(max(each, SHORTEST), LONGEST) for each in ordered]
        self._reach(bucket_index(ordered[0], self.scale), bucket_index(ordered[-1], self.scale))
        counts, offset, per_octave, bounds = self.counts, self.offset, 1 << self.scale, upper_bounds(self.scale)
        log2, ceil = math.log2, math.ceil
        upper, place, count = 0.0, 0, 0
        # bucket_index() written out, and called only where a latency lies above the bucket of the one before it.
        for seconds in ordered:
            if seconds > upper:
                counts[place] += count
                count = 0
                index = ceil(log2(seconds) * per_octave - MARGIN)
                upper = bounds[index]
                if seconds > upper:
                    index += 1
                    upper = bounds[index]
                place = index - offset
            count += 1
        counts[place] += count

    def merge(self, other: Histogram) -> None:
        """Add another's counts; the coarser scale of the two remains."""
        self.coarsen(min(self.scale, other.scale))
        offset, counts = coarsened(other.offset, other.counts, other.scale - self.scale)
        if counts:
            self._reach(offset, offset + len(counts) - 1)
            here = slice(offset - self.offset, offset - self.offset + len(counts))
            self.counts[here] = map(add, self.counts[here], counts)

    def minus(self, earlier: Histogram) -> Histogram:
        """
        Return the counts that came since an earlier copy of this histogram.

        Raises:
            ValueError: The other one holds what this one does not.
        """
        rest = list(self.counts)
        start = earlier.offset - self.offset
        if earlier.counts and (start < 0 or start + len(earlier.counts) > len(rest) or earlier.scale != self.scale):
            raise ValueError("This is no earlier copy of the histogram: its buckets are others")
        for place, count in enumerate(earlier.counts, start):
            rest[place] -= count
        if min(rest, default=0) < 0:
            raise ValueError("This is no earlier copy of the histogram: it holds more")
        used = [place for place, count in enumerate(rest) if count]
        if not used:
            return Histogram(self.scale)
        return Histogram(self.scale, self.offset + used[0], rest[used[0] : used[-1] + 1])

    def coarsen(self, scale: int) -> None:
        """Count by fewer buckets from now on."""
        if scale != self.scale:
            self.offset, counts = coarsened(self.offset, self.counts, self.scale - scale)
            self.counts = list(counts)
            self.scale = scale

    def at_ranks(self, ranks: Sequence[int]) -> list[float]:
        """Return an estimate of the latencies that have these ranks, counted from 1."""
        up_to = list(accumulate(self.counts))
        return [middle(self.offset + bisect_left(up_to, rank), self.scale) for rank in ranks]

    def at_most(self, bounds: Sequence[float]) -> list[int]:
        """
        Return how many latencies were at most each of these bounds of buckets.

        Raises:
            ValueError: One of them is no bucket's upper bound.
        """
        up_to = [0, *accumulate(self.counts)]
        last = len(self.counts)
        return [up_to[min(max(self._index_of(bound) - self.offset + 1, 0), last)] for bound in bounds]

    def over(self, seconds: float) -> float:
        """Return how many latencies were longer, as if each bucket's were spread evenly over the logarithm."""
        index = bucket_index(seconds, self.scale)
        place = index - self.offset
        share = index - math.log2(min(max(seconds, SHORTEST), LONGEST)) * (1 << self.scale)
        split = self.counts[place] * share if 0 <= place < len(self.counts) else 0
        return sum(self.counts[max(place + 1, 0) :]) + split

    def rows(self) -> list[tuple[float, float, int]]:
        """Return each bucket's lower and upper bound and its count."""
        return [
            (upper_bound(index - 1, self.scale), upper_bound(index, self.scale), count)
            for index, count in enumerate(self.counts, self.offset)
        ]

    def _reach(self, first: int, last: int) -> None:
        """Make sure that the list holds these buckets and all between them."""
        counts = self.counts
        if not counts:
            self.offset = first
        elif first < self.offset:
            counts[:0] = [0] * (self.offset - first)
            self.offset = first
        if (missing := last - self.offset + 1 - len(counts)) > 0:
            counts.extend([0] * missing)

    def _index_of(self, bound: float) -> int:
        index = bucket_index(bound, self.scale)
        if (nearest := upper_bound(index, self.scale)) != bound:
            raise ValueError(
                f"{bound!r} s is no upper bound of a bucket at scale {self.scale}; the next one is {nearest!r} s. "
                "Take bounds from LE_BOUNDS, or 2**(i / 2**scale)"
            )
        return index
