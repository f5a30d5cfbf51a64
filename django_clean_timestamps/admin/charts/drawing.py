"""What drawings have in common: places in per cent, lines across, labels, and times of which nothing is known."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from django_clean_timestamps.admin.charts.axes import ValueAxis
from django_clean_timestamps.admin.charts.time_axis import TimeAxis
from django_clean_timestamps.admin.charts.units import Shown, Unit, measure_of, show_count

__all__ = [
    "WHOLE",
    "Gap",
    "GridLine",
    "Panel",
    "TimeMark",
    "gaps_of",
    "grid_of",
    "percent",
    "show_or_none",
    "time_marks",
]

_WIDE_LABEL: Final = 0.07
_NARROW_LABEL: Final = 0.2
_RIGHT_EDGE: Final = 0.955
_LEFT_EDGE: Final = 0.03
_LEFT_EDGE_OF_NARROW: Final = 0.065
_TIMES_ON_NARROW: Final = 4


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """
    The part of a drawing that has an axis of its own.

    Attributes:
        top: Where it begins, as a share of the drawing's height from its top.
        height: How high it is, as such a share.
    """

    top: float = 0.0
    height: float = 1.0

    def place(self, share: float) -> float:
        """Return where a place of its axis is in the whole drawing, from the bottom."""
        return 1 - self.top - (1 - share) * self.height


WHOLE: Final = Panel()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class GridLine:
    """
    A round figure: a line across at ``y`` with its label beside.

    Attributes:
        y: From the top, in per cent.
        label: The figure with its unit.
        is_base: Whether the drawing stands on it.
    """

    y: str
    label: str
    is_base: bool


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TimeMark:
    """
    A round moment, or figure, below the drawing.

    Attributes:
        x: From the left, in per cent.
        label: As it is written.
        anchor: Which part of the label stands there: ``middle``, ``end`` at the right edge, ``start`` at the left.
        is_day: Whether it is a date among times of day.
        is_for_wide: Whether a narrow page leaves it out.
    """

    x: str
    label: str
    anchor: str
    is_day: bool
    is_for_wide: bool


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """
    A time of which nothing is known.

    Attributes:
        x: Where it begins, in per cent.
        width: In per cent.
        middle: Where its label stands, in per cent.
        since: When it begins.
        until: When it ends.
        is_labelled: Whether there is room for a label.
        is_for_wide: Whether a narrow page has no room for it.
    """

    x: str
    width: str
    middle: str
    since: datetime
    until: datetime
    is_labelled: bool
    is_for_wide: bool


def percent(share: float) -> str:
    """
    Return a share for an attribute, whatever the language.

    >>> percent(0.125)
    '12.5%'
    """
    text = f"{share * 100:.3f}".rstrip("0").rstrip(".")
    return f"{'0' if text == '-0' else text}%"


def grid_of(axis: ValueAxis, unit: Unit, panel: Panel = WHOLE) -> list[GridLine]:
    """Return the lines at an axis' round figures; on a linear axis these have one unit, that of the highest."""
    common = measure_of(axis.ticks[-1], unit) if axis.scale == "linear" else None
    return [
        GridLine(
            y=percent(1 - panel.place(axis.share_of(tick))),
            label=(common or measure_of(tick, unit)).show(tick).isolated if tick else show_count(0),
            is_base=tick == axis.low,
        )
        for tick in axis.ticks
    ]


def time_marks(axis: TimeAxis, *, has_room_left: bool = True) -> list[TimeMark]:
    """
    Return the round moments below a drawing; a narrow page leaves out every second one where they are many.

    Args:
        axis: Where they stand.
        has_room_left: Whether half a label fits to the left of the drawing.
    """
    ticks = axis.ticks()
    stride = 2 if len(ticks) > _TIMES_ON_NARROW else 1
    # Dates are what is longed for among times of day.
    first = next((place for place, tick in enumerate(ticks) if tick.is_day), 0)
    marks = []
    for place, tick in enumerate(ticks):
        share = axis.share_of(tick.at)
        marks.append(
            TimeMark(
                x=percent(share),
                label=tick.label,
                anchor=_anchor(share, has_room_left=has_room_left),
                is_day=tick.is_day,
                is_for_wide=(place - first) % stride != 0
                or (not has_room_left and _LEFT_EDGE <= share < _LEFT_EDGE_OF_NARROW),
            )
        )
    return marks


def gaps_of(times: Sequence[datetime], step: timedelta, is_known: Sequence[bool], axis: TimeAxis) -> list[Gap]:
    """
    Return the times of which nothing is known.

    Args:
        times: When each period begins.
        step: How long each is. Between two that do not follow one another nothing is known either.
        is_known: For each, whether there is any figure of it.
        axis: Where they stand.
    """
    gaps = []
    end = axis.since
    for begin in [*(time for time, known in zip(times, is_known, strict=True) if known), axis.until]:
        if begin > end:
            gaps.append(_gap(axis, end, begin))
        end = begin + step
    return gaps


def show_or_none(value: float | None, unit: Unit) -> Shown | None:
    """Return a figure as people read it, None where there is none."""
    return None if value is None else measure_of(value, unit).show(value)


def _anchor(share: float, *, has_room_left: bool) -> str:
    if share > _RIGHT_EDGE:
        return "end"
    return "start" if share < _LEFT_EDGE and not has_room_left else "middle"


def _gap(axis: TimeAxis, since: datetime, until: datetime) -> Gap:
    left, right = axis.share_of(since), axis.share_of(until)
    return Gap(
        x=percent(left),
        width=percent(right - left),
        middle=percent((left + right) / 2),
        since=since,
        until=until,
        is_labelled=right - left >= _WIDE_LABEL,
        is_for_wide=right - left < _NARROW_LABEL,
    )
