"""Thresholds in a drawing: lines across, and labels that keep clear of one another and of most of what is drawn."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence
from typing import Final

from django_clean_timestamps.admin.charts.axes import ValueAxis
from django_clean_timestamps.admin.charts.drawing import WHOLE, Panel, percent
from django_clean_timestamps.admin.charts.paths import Point
from django_clean_timestamps.admin.charts.units import Unit
from django_clean_timestamps.admin.charts.values import Level, Threshold

__all__ = ["ThresholdMark", "threshold_marks"]

# A label is 16 pixels high, in a drawing of about 230.
_LABEL_HEIGHT: Final = 0.075
_LABEL_WIDTH: Final = 0.22
_ABOVE: Final = -5
_BELOW: Final = 13
_LINE_HEIGHT: Final = 14


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ThresholdMark:
    """
    A line across at a threshold, with its label.

    Attributes:
        level: How bad it is above.
        label: Its name and figure.
        y: From the top, in per cent.
        x: Where the label stands, in per cent.
        anchor: ``end`` on the right, ``start`` on the left, where the lines leave more room.
        shift: How far the label's base line is below ``y``, in pixels.
        is_outside: Whether it lies above the drawing, which then has only the label.
    """

    level: Level
    label: str
    y: str
    x: str
    anchor: str
    shift: int
    is_outside: bool


def threshold_marks(
    thresholds: Iterable[Threshold],
    axis: ValueAxis,
    unit: Unit,
    panel: Panel = WHOLE,
    points: Sequence[Point] = (),
) -> list[ThresholdMark]:
    """
    Return the lines of thresholds, with labels that keep clear of one another and of most points.

    Args:
        thresholds: In any order.
        axis: Where their figures stand.
        unit: Of the figures.
        panel: Which part of the drawing has this axis.
        points: What is drawn there, as places in the whole drawing.
    """
    highest_first = sorted(thresholds, key=lambda each: each.value, reverse=True)
    outside = [threshold for threshold in highest_first if threshold.value > axis.high]
    inside = [(threshold, panel.place(axis.share_of(threshold.value))) for threshold in highest_first[len(outside) :]]
    is_left = _is_left_clearer(points, [place for _threshold, place in inside])
    x, anchor = ("0%", "start") if is_left else ("100%", "end")
    marks = [
        ThresholdMark(
            level=threshold.level,
            label=f"↑ {threshold.name} {threshold.show(unit).isolated}",
            y=percent(1 - panel.place(1)),
            x=x,
            anchor=anchor,
            shift=_BELOW + row * _LINE_HEIGHT,
            is_outside=True,
        )
        for row, threshold in enumerate(outside)
    ]
    last_place = math.inf
    for threshold, place in inside:
        marks.append(
            ThresholdMark(
                level=threshold.level,
                label=f"{threshold.name} {threshold.show(unit).isolated}",
                y=percent(1 - place),
                x=x,
                anchor=anchor,
                shift=_BELOW if last_place - place < _LABEL_HEIGHT else _ABOVE,
                is_outside=False,
            )
        )
        last_place = place
    return marks


def _is_left_clearer(points: Sequence[Point], places: Sequence[float]) -> bool:
    """Return whether fewer points lie behind labels above these places on the left than on the right."""
    behind = [point.x for point in points for place in places if place <= point.y <= place + _LABEL_HEIGHT]
    return sum(x < _LABEL_WIDTH for x in behind) < sum(x > 1 - _LABEL_WIDTH for x in behind)
