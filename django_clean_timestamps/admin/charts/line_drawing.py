"""The places of everything in a chart of lines."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

from django_clean_timestamps.admin.charts.axes import ValueAxis, linear_axis, log_axis
from django_clean_timestamps.admin.charts.drawing import (
    WHOLE,
    Gap,
    GridLine,
    Panel,
    TimeMark,
    gaps_of,
    grid_of,
    percent,
    show_or_none,
    time_marks,
)
from django_clean_timestamps.admin.charts.lines import LineChart
from django_clean_timestamps.admin.charts.paths import Box, Point, area_path, box_path, dot_path, line_path
from django_clean_timestamps.admin.charts.thresholds import ThresholdMark, threshold_marks
from django_clean_timestamps.admin.charts.time_axis import TimeAxis, time_axis_of
from django_clean_timestamps.admin.charts.units import Shown
from django_clean_timestamps.admin.charts.values import STYLE_COUNT, Bars

__all__ = ["LOWER", "DrawnBand", "DrawnBars", "DrawnLine", "LineDrawing", "draw_lines", "value_axis_of"]

_UPPER: Final = Panel(top=0, height=0.7)
LOWER: Final = Panel(top=0.82, height=0.18)

# A threshold that is further than this above all figures would press them to the ground.
_FAR: Final = 3
_SPACED_BARS: Final = 150


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class DrawnLine:
    """
    A line's paths.

    Attributes:
        key: The line's.
        label: The line's.
        style: How it is drawn.
        path: Through its figures.
        dots: For figures without neighbours.
        latest: Its figure of the last period, None where that has none.
    """

    key: str
    label: str
    style: int
    path: str
    dots: str
    latest: Shown | None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class DrawnBand:
    """
    A band's path.

    Attributes:
        label: The band's.
        style: Of the line that it belongs to.
        path: Around it.
    """

    label: str
    style: int
    path: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class DrawnBars:
    """
    The bars below.

    Attributes:
        label: What they are.
        label_y: Where that is written, in per cent.
        path: All of them.
        grid: The lines across, behind them.
        axis: Where their figures stand.
    """

    label: str
    label_y: str
    path: str
    grid: list[GridLine]
    axis: ValueAxis


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class LineDrawing:
    """
    The places of everything in a chart of lines.

    Attributes:
        value_axis: Where the lines' figures stand.
        time_axis: Where moments stand.
        panel: Which part of the drawing the lines have.
        grid: The lines across.
        marks: The moments below.
        gaps: The times of which nothing is known.
        bands: Behind the lines.
        lines: In the order of the chart.
        thresholds: From the highest down.
        bars: Below the lines.
    """

    value_axis: ValueAxis
    time_axis: TimeAxis
    panel: Panel
    grid: list[GridLine]
    marks: list[TimeMark]
    gaps: list[Gap]
    bands: list[DrawnBand]
    lines: list[DrawnLine]
    thresholds: list[ThresholdMark]
    bars: DrawnBars | None


def draw_lines(chart: LineChart) -> LineDrawing:
    """Return the places of everything in a chart that has at least one period."""
    panel = _UPPER if chart.bars else WHOLE
    time_axis = time_axis_of(chart.times, chart.step)
    value_axis = value_axis_of(chart)
    places = _Places(chart.times, chart.step, time_axis)
    points = [places.points(line.values, value_axis, panel) for line in chart.lines]
    return LineDrawing(
        value_axis=value_axis,
        time_axis=time_axis,
        panel=panel,
        grid=grid_of(value_axis, chart.unit, panel),
        marks=time_marks(time_axis),
        gaps=gaps_of(chart.times, chart.step, chart.is_known, time_axis),
        bands=[
            DrawnBand(
                label=band.label,
                style=band.style,
                path=places.area(band.lower, band.upper, value_axis, panel),
            )
            for band in chart.bands
        ],
        lines=[
            DrawnLine(
                key=line.key,
                label=line.label,
                style=line.style or place % STYLE_COUNT + 1,
                path=line_path(found),
                dots=dot_path(found),
                latest=show_or_none(line.values[-1], chart.unit),
            )
            for place, (line, found) in enumerate(zip(chart.lines, points, strict=True))
        ],
        thresholds=threshold_marks(
            chart.thresholds, value_axis, chart.unit, panel, [point for found in points for point in found if point]
        ),
        bars=_draw_bars(chart.bars, places) if chart.bars else None,
    )


def value_axis_of(chart: LineChart) -> ValueAxis:
    """
    Return the axis of a chart's lines, bands and thresholds.

    A logarithmic one has a place for all of them. On a linear one a threshold of more than three times the highest
    figure has none, unless it is the only measure there is.
    """
    values = [value for line in chart.lines for value in line.values if value is not None]
    values += [value for band in chart.bands for value in band.lower + band.upper if value is not None]
    thresholds = sorted(threshold.value for threshold in chart.thresholds)
    if chart.scale == "log":
        return log_axis(values + thresholds)
    top = max(values, default=0.0)
    near = [value for value in thresholds if value <= top * _FAR]
    return linear_axis(values + (near if top else thresholds[:1]), unit=chart.unit)


class _Places:
    """Where the figures of periods stand, with a break where periods do not follow one another."""

    def __init__(self, times: Sequence[datetime], step: timedelta, axis: TimeAxis) -> None:
        self.middles = [axis.share_of(time + step / 2) for time in times]
        self.half_width = step / axis.span / 2
        self.is_after_break = [False, *(later - earlier > step for earlier, later in pairwise(times))]

    def points(self, values: Sequence[float | None], axis: ValueAxis, panel: Panel) -> list[Point | None]:
        """Return a point for each figure, and None for each break."""
        found: list[Point | None] = []
        for x, value, is_after_break in zip(self.middles, values, self.is_after_break, strict=True):
            if is_after_break:
                found.append(None)
            found.append(None if value is None else Point(x, panel.place(axis.share_of(value))))
        return found

    def area(self, lower: Sequence[float | None], upper: Sequence[float | None], axis: ValueAxis, panel: Panel) -> str:
        """Return the path around what lies between two figures of each period."""
        both = zip(self.points(lower, axis, panel), self.points(upper, axis, panel), strict=True)
        edges = [(low, high) if low and high else None for low, high in both]
        return area_path(edges, half_width=self.half_width)

    def boxes(self, values: Sequence[float | None], axis: ValueAxis, panel: Panel) -> list[Box]:
        """Return a bar for each figure above 0; where they are few, with room between them."""
        half_width = self.half_width * (0.8 if len(values) <= _SPACED_BARS else 1)
        return [
            Box(x - half_width, x + half_width, panel.place(0), panel.place(axis.share_of(value)))
            for x, value in zip(self.middles, values, strict=True)
            if value
        ]


def _draw_bars(bars: Bars, places: _Places) -> DrawnBars:
    axis = linear_axis((value for value in bars.values if value is not None), unit=bars.unit, most_ticks=2)
    return DrawnBars(
        label=bars.label,
        label_y=percent(LOWER.top),
        path=box_path(places.boxes(bars.values, axis, LOWER)),
        grid=grid_of(axis, bars.unit, LOWER),
        axis=axis,
    )
