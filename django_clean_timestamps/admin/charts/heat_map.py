"""The chart of how many took how long, and when: a column for each period, a cell for each bucket of latencies."""

from __future__ import annotations

import dataclasses
import math
from collections import defaultdict
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from django_clean_timestamps.admin.charts.axes import ValueAxis, axis_of_bounds
from django_clean_timestamps.admin.charts.checking import (
    check_bounds,
    check_key,
    check_numbers,
    check_same_length,
    check_times,
)
from django_clean_timestamps.admin.charts.drawing import (
    WHOLE,
    Gap,
    GridLine,
    TimeMark,
    gaps_of,
    grid_of,
    time_marks,
)
from django_clean_timestamps.admin.charts.paths import Box, Point, box_path
from django_clean_timestamps.admin.charts.table import Column, Table, caption_of
from django_clean_timestamps.admin.charts.thresholds import ThresholdMark, threshold_marks
from django_clean_timestamps.admin.charts.time_axis import TimeAxis, time_axis_of
from django_clean_timestamps.admin.charts.units import Unit, isolate, show_count, show_value
from django_clean_timestamps.admin.charts.values import Threshold

__all__ = [
    "SHADE_COUNT",
    "HeatMap",
    "HeatMapDrawing",
    "draw_heat_map",
    "heat_map_summary",
    "heat_map_table",
    "shade_of",
]

SHADE_COUNT: Final = 6
"""How many shades tell a few from many."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class HeatMap:
    """
    How many took how long, and when.

    Attributes:
        key: Its name on the page, once on each.
        title: What people call it.
        times: When each period begins; aware, rising.
        step: How long each period is.
        bounds: Of the buckets, in seconds, rising; one more than there are buckets.
        counts: For each period how many fell into each bucket, None where nothing is known.
        thresholds: From where on it is bad.
    """

    key: str
    title: str
    times: tuple[datetime, ...]
    step: timedelta
    bounds: tuple[float, ...]
    counts: tuple[tuple[int, ...] | None, ...]
    thresholds: tuple[Threshold, ...] = ()

    def __post_init__(self) -> None:
        check_key(self.key)
        check_times(self.times, self.step, self.key)
        check_bounds(self.bounds, self.key)
        check_same_length(self.counts, self.times, self.key)
        for counts in self.counts:
            if counts is not None:
                check_numbers(counts, self.key)
                check_same_length(counts, self.bounds[1:], self.key)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class HeatMapDrawing:
    """
    The places of everything in a heat map.

    Attributes:
        value_axis: Where latencies stand.
        time_axis: Where moments stand.
        grid: The lines across.
        marks: The moments below.
        gaps: The times of which nothing is known.
        shades: The number of each shade that occurs, with the path of its cells.
        highest: The most that any cell counts.
        thresholds: From the highest down.
    """

    value_axis: ValueAxis
    time_axis: TimeAxis
    grid: list[GridLine]
    marks: list[TimeMark]
    gaps: list[Gap]
    shades: list[tuple[int, str]]
    highest: int
    thresholds: list[ThresholdMark]


def draw_heat_map(chart: HeatMap) -> HeatMapDrawing | None:
    """Return the places of everything in a heat map, None where there is no period."""
    if not chart.times:
        return None
    time_axis = time_axis_of(chart.times, chart.step)
    value_axis = axis_of_bounds(chart.bounds)
    highest = max((count for counts in chart.counts if counts for count in counts), default=0)
    boxes = _boxes(chart, time_axis, value_axis, highest)
    return HeatMapDrawing(
        value_axis=value_axis,
        time_axis=time_axis,
        grid=grid_of(value_axis, Unit.SECONDS),
        marks=time_marks(time_axis),
        gaps=gaps_of(chart.times, chart.step, [counts is not None for counts in chart.counts], time_axis),
        shades=[(shade, box_path(boxes[shade])) for shade in sorted(boxes)],
        highest=highest,
        thresholds=threshold_marks(
            [each for each in chart.thresholds if value_axis.low <= each.value <= value_axis.high],
            value_axis,
            Unit.SECONDS,
            WHOLE,
            [Point((box.left + box.right) / 2, box.top) for found in boxes.values() for box in found],
        ),
    )


def shade_of(count: int, highest: int) -> int:
    """
    Return which shade tells a count of at least 1: 1 for the fewest, up to 6.

    By its square root, so that few are told from fewer beside thousands.
    """
    return max(1, math.ceil(math.sqrt(count / highest) * SHADE_COUNT))


def heat_map_table(chart: HeatMap) -> Table:
    """Return the counts, a row for each period and a column for each bucket."""
    columns = [Column(key="time", label=_("Time"))]
    for number, upper in enumerate(chart.bounds[1:], start=1):
        label = _("up to {latency}").format(latency=show_value(upper, Unit.SECONDS).isolated)
        columns.append(Column(key=f"bucket_{number}", label=label, unit=Unit.COUNT))
    empty = (None,) * (len(chart.bounds) - 1)
    caption = caption_of(chart.title, chart.times[0], chart.times[-1] + chart.step) if chart.times else chart.title
    rows = tuple((time, *(counts or empty)) for time, counts in zip(chart.times, chart.counts, strict=True))
    return Table(caption=caption, columns=tuple(columns), rows=rows)


def heat_map_summary(chart: HeatMap) -> SafeString:
    """Return how many there were, where most were, and which bucket held the slowest."""
    totals = [sum(each) for each in zip(*(counts for counts in chart.counts if counts), strict=True)]
    total = sum(totals)
    if not total:
        return format_html(_("{label}: no data."), label=isolate(chart.title))
    fullest = totals.index(max(totals))
    slowest = max(place for place, count in enumerate(totals) if count)
    return format_html(
        ngettext(
            "{count} operation; most between {low} and {high}, the slowest up to {slowest}.",
            "{count} operations; most between {low} and {high}, the slowest up to {slowest}.",
            total,
        ),
        count=show_count(total),
        low=show_value(chart.bounds[fullest], Unit.SECONDS),
        high=show_value(chart.bounds[fullest + 1], Unit.SECONDS),
        slowest=show_value(chart.bounds[slowest + 1], Unit.SECONDS),
    )


def _boxes(chart: HeatMap, time_axis: TimeAxis, value_axis: ValueAxis, highest: int) -> dict[int, list[Box]]:
    """Return the cells of each shade; neighbours in a row that have the same shade are one."""
    rows = [value_axis.share_of(bound) for bound in chart.bounds]
    boxes: dict[int, list[Box]] = defaultdict(list)
    for place, (bottom, top) in enumerate(pairwise(rows)):
        last: Box | None = None
        last_shade = 0
        for time, counts in zip(chart.times, chart.counts, strict=True):
            if counts is None or not counts[place]:
                last = None
                continue
            left, right = time_axis.share_of(time), time_axis.share_of(time + chart.step)
            shade = shade_of(counts[place], highest)
            if last is not None and last_shade == shade and last.right == left:
                left = boxes[shade].pop().left
            last, last_shade = Box(left, right, bottom, top), shade
            boxes[shade].append(last)
    return boxes
