"""What every chart refuses: such figures are a mistake of whoever asked for the chart, not something to draw."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

__all__ = ["HIGHEST", "check_bounds", "check_key", "check_number", "check_numbers", "check_same_length", "check_times"]

HIGHEST: Final = 1e100
"""The highest number that is drawn; far above anything counted, and far enough below what a float can hold."""

_KEY: Final = re.compile(r"[a-z][a-z0-9_-]*", re.IGNORECASE)


def check_key(key: str) -> None:
    """
    Let a name pass that can be part of an element's id.

    Raises:
        ValueError: It is something else.
    """
    if not _KEY.fullmatch(key):
        raise ValueError(f"{key!r} cannot name part of a page; use letters, digits, hyphens and underscores")


def check_number(value: float, name: str) -> None:
    """
    Let a number pass that can be drawn.

    Raises:
        ValueError: It is NaN, infinite, negative or over :data:`HIGHEST`.
    """
    if not math.isfinite(value) or not 0 <= value <= HIGHEST:
        raise ValueError(f"{name}: {value!r} cannot be drawn; give a number from 0 to {HIGHEST:g}, or None for no data")


def check_numbers(values: Iterable[float | None], name: str) -> None:
    """
    Let numbers pass that can be drawn, and None for no data.

    Raises:
        ValueError: As in :func:`check_number`.
    """
    for value in values:
        if value is not None:
            check_number(value, name)


def check_same_length(values: Sequence[object], others: Sequence[object], name: str) -> None:
    """
    Let values pass that are as many as what they belong to.

    Raises:
        ValueError: They are more or fewer.
    """
    if len(values) != len(others):
        raise ValueError(f"{name}: {len(values)} values for {len(others)} places; give one for each, None for no data")


def check_times(times: Sequence[datetime], step: timedelta, name: str) -> None:
    """
    Let the beginnings of periods pass that are all as long.

    Raises:
        ValueError: A time is naive, a period begins before the one before it has ended, or the length is not positive.
    """
    if step <= timedelta(0):
        raise ValueError(f"{name}: a period of {step} cannot be drawn; give the length of each")
    if any(time.tzinfo is None for time in times):
        raise ValueError(f"{name}: the times are naive; give aware ones")
    if any(later - earlier < step for earlier, later in pairwise(times)):
        raise ValueError(f"{name}: the times must rise, by {step} or more")


def check_bounds(bounds: Sequence[float], name: str) -> None:
    """
    Let the bounds of buckets pass that can stand on a logarithmic axis.

    Raises:
        ValueError: They are fewer than two, do not rise, or the first is not above 0.
    """
    check_numbers(bounds, name)
    if len(bounds) < 2 or bounds[0] <= 0:
        raise ValueError(f"{name}: give at least two bounds, all above 0")
    if any(upper <= lower for lower, upper in pairwise(bounds)):
        raise ValueError(f"{name}: the bounds must rise")
