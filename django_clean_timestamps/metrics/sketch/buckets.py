"""Which bucket a latency falls into, and what the buckets' bounds are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

__all__ = [
    "LE_BOUNDS",
    "LONGEST",
    "MARGIN",
    "SCALE",
    "SHORTEST",
    "bucket_index",
    "coarsened",
    "middle",
    "upper_bound",
    "upper_bounds",
]

SCALE: Final = 6
"""Buckets an octave, as a power of two: 64, each 1.09 % wide."""

SHORTEST: Final = 1e-6
LONGEST: Final = 1_000.0
"""What every latency is clamped to before its bucket is looked up; a coarse clock gives 0."""

MARGIN: Final = 1e-9
"""
What is taken off a logarithm before it is rounded up.

It is far more than the logarithm can be wrong by, so that the bucket that comes out is the right one or the one below
it, and one comparison with the bound tells which.
"""


def bucket_index(seconds: float, scale: int = SCALE) -> int:
    """
    Return the index of the bucket that holds so many seconds, after clamping.

    Bucket ``i`` holds what lies in ``(2**((i - 1) / 2**scale), 2**(i / 2**scale)]``, exactly: a bound falls into the
    bucket that it closes, the next larger float into the next one.

    Source:
        "Exponential Histogram", OpenTelemetry's metrics data model; Prometheus' native histograms number alike.
    """
    seconds = min(max(seconds, SHORTEST), LONGEST)
    index = math.ceil(math.log2(seconds) * (1 << scale) - MARGIN)
    return index + 1 if seconds > upper_bound(index, scale) else index


def upper_bound(index: int, scale: int = SCALE) -> float:
    """Return the largest number of seconds that a bucket holds, which is the bound that the one above begins after."""
    return float(2.0 ** (index / (1 << scale)))


def upper_bounds(scale: int) -> Sequence[float]:
    """Return the upper bounds by index; a negative index counts from the end, as it does for any list."""
    return _UPPER_BOUNDS[scale]


def middle(index: int, scale: int) -> float:
    """
    Return the number of seconds that is least off, relatively, from any that a bucket holds.

    The harmonic mean of the bounds: at most 0.5416 % off where there are 64 buckets an octave.
    """
    return 2 * upper_bound(index, scale) / (1 + upper_bound(1, scale))


def coarsened(offset: int, counts: Sequence[int], steps: int) -> tuple[int, Sequence[int]]:
    """
    Return the first bucket's index and the counts after that many halvings of the resolution.

    Exact: bucket ``k`` of one scale lies wholly inside bucket ``ceil(k / 2)`` of the scale below.
    """
    if not counts or not steps:
        return offset, counts
    width = 1 << steps
    first = -(-offset >> steps)
    coarse = [0] * (-(-(offset + len(counts) - 1) >> steps) - first + 1)
    # How many buckets of the finer scale the first coarse one begins before the offset.
    missing = offset - ((first - 1) * width + 1)
    for place, count in enumerate(counts, missing):
        coarse[place >> steps] += count
    return first, coarse


def _list_upper_bounds(scale: int) -> list[float]:
    first, last = bucket_index(SHORTEST, scale), bucket_index(LONGEST, scale)
    return [upper_bound(index, scale) for index in (*range(last + 1), *range(first, 0))]


_UPPER_BOUNDS: Final = tuple(_list_upper_bounds(scale) for scale in range(SCALE + 1))

LE_BOUNDS: Final = tuple(
    upper_bound(round(math.log2(seconds) * (1 << SCALE)))
    for seconds in (
        *(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.0075, 0.01, 0.025, 0.05),
        *(0.075, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0),
    )
)
"""Bounds of buckets, in seconds, from 100 us to 60 s, each within 0.55 % of a round number."""
