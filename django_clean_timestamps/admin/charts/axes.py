"""The axis of values: where a figure stands on it, and which round figures are written beside it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence
from typing import Final, Literal

from django_clean_timestamps.admin.charts.units import Unit

__all__ = ["LOG_FLOOR", "Scale", "ValueAxis", "axis_of_bounds", "linear_axis", "log_axis"]

Scale = Literal["linear", "log"]

LOG_FLOOR: Final = 1e-9
"""The lowest figure on a logarithmic axis: a nanosecond."""

_MOST_TICKS: Final = 10
_MANTISSAS: Final = (1, 2, 5)
_DEFAULT_RANGE: Final = (1e-3, 1e-2)
# Less could not be divided into steps.
_NOTHING: Final = 1e-30
_DEFAULT_TOP: Final = {Unit.SECONDS: 1.0, Unit.SHARE: 0.01, Unit.COUNT: 4.0, Unit.PER_SECOND: 1.0}
_LONG_SECONDS: Final = 120.0
_LONG_STEPS: Final = (30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ValueAxis:
    """
    Where figures stand between the bottom of a drawing, 0, and its top, 1.

    Attributes:
        low: The figure at 0; above 0 on a logarithmic axis.
        high: The figure at 1, above ``low``.
        scale: Of what a step is the same everywhere: the difference, or the factor.
        ticks: The figures that are written beside it, rising.
    """

    low: float
    high: float
    scale: Scale
    ticks: tuple[float, ...]

    def share_of(self, value: float) -> float:
        """
        Return where a figure stands, 0 to 1.

        What is lower than the axis stands at its floor: on a logarithmic one a zero does, since it has no place there.
        """
        clamped = min(max(value, self.low), self.high)
        if self.scale == "log":
            return math.log(clamped / self.low) / math.log(self.high / self.low)
        return (clamped - self.low) / (self.high - self.low)

    def value_at(self, share: float) -> float:
        """Return which figure stands at a place, 0 to 1."""
        if self.scale == "log":
            return float(self.low * (self.high / self.low) ** share)
        return self.low + (self.high - self.low) * share


def linear_axis(values: Iterable[float], *, unit: Unit, most_ticks: int = 5) -> ValueAxis:
    """
    Return an axis from 0 to a round figure that no given one exceeds.

    Args:
        values: What must find a place.
        unit: Counts have no ticks between whole numbers; long times have theirs at whole minutes, hours and days.
        most_ticks: How many are written beside it at most, besides 0.
    """
    top = max(values, default=0.0)
    if top < _NOTHING:
        top = _DEFAULT_TOP[unit]
    step = _linear_step(top / most_ticks, unit, is_long=unit is Unit.SECONDS and top >= _LONG_SECONDS)
    # A remainder of what floats cannot hold is no step of its own.
    count = max(1, math.ceil(top / step - 1e-9))
    return ValueAxis(
        low=0.0, high=max(count * step, top), scale="linear", ticks=tuple(n * step for n in range(count + 1))
    )


def log_axis(values: Iterable[float]) -> ValueAxis:
    """
    Return a logarithmic axis between two of the figures 1, 2, 5, 10, 20, 50 … that hold all given ones.

    Zeros, and what is below :data:`LOG_FLOOR`, do not stretch it: they stand at its floor.
    """
    found = [value for value in values if value >= LOG_FLOOR]
    first = _at_most(min(found, default=_DEFAULT_RANGE[0]))
    last = _at_least(max(found, default=_DEFAULT_RANGE[1]))
    if last - first < 2:
        first, last = first - 1, last + 1
    return ValueAxis(low=_round(first), high=_round(last), scale="log", ticks=_log_ticks(first, last))


def axis_of_bounds(bounds: Sequence[float]) -> ValueAxis:
    """Return a logarithmic axis that begins and ends with the bounds of buckets, as they are."""
    low, high = bounds[0], bounds[-1]
    return ValueAxis(low=low, high=high, scale="log", ticks=_log_ticks(_at_least(low), _at_most(high)))


def _linear_step(least: float, unit: Unit, *, is_long: bool) -> float:
    if is_long:
        for long_step in _LONG_STEPS:
            if long_step >= least:
                return float(long_step)
        return math.ceil(least / _LONG_STEPS[-1]) * float(_LONG_STEPS[-1])
    step = next(found for number in range(_at_most(least), _at_most(least) + 3) if (found := _round(number)) >= least)
    return max(step, 1.0) if unit is Unit.COUNT else step


def _log_ticks(first: int, last: int) -> tuple[float, ...]:
    """Return all of 1, 2, 5 …; where these are too many the powers of ten; or every second, third … of these."""
    numbers = range(first, last + 1)
    if len(numbers) > _MOST_TICKS:
        numbers = range(math.ceil(first / 3) * 3, last + 1, 3)
        numbers = numbers[:: math.ceil(len(numbers) / _MOST_TICKS)]
    return tuple(_round(number) for number in numbers)


def _round(number: int) -> float:
    """Return one of the figures … 1, 2, 5, 10 …, of which 1 has the number 0."""
    # Read from text: 10 ** -3 * 5 is not 0.005.
    return float(f"{_MANTISSAS[number % 3]}e{number // 3}")


def _at_most(value: float) -> int:
    """Return the number of the highest of these figures that is not above a value."""
    number = math.floor(math.log10(value)) * 3 + 3
    while _round(number) > value:
        number -= 1
    return number


def _at_least(value: float) -> int:
    """Return the number of the lowest of these figures that is not below a value."""
    number = _at_most(value)
    return number if _round(number) >= value else number + 1
