"""The chart of how many took how long: a bar for each bucket of latencies."""

from __future__ import annotations

import dataclasses
from typing import Final

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from django_clean_timestamps.admin.charts.axes import ValueAxis, axis_of_bounds, linear_axis
from django_clean_timestamps.admin.charts.checking import (
    check_bounds,
    check_key,
    check_number,
    check_numbers,
    check_same_length,
)
from django_clean_timestamps.admin.charts.drawing import GridLine, Panel, TimeMark, grid_of, percent
from django_clean_timestamps.admin.charts.paths import Box, box_path
from django_clean_timestamps.admin.charts.table import Column, Table
from django_clean_timestamps.admin.charts.units import Unit, isolate, show_count, show_value
from django_clean_timestamps.admin.charts.values import Level, Threshold

__all__ = [
    "Histogram",
    "HistogramDrawing",
    "Quantile",
    "UprightMark",
    "draw_histogram",
    "histogram_summary",
    "histogram_table",
]

# The room above the bars for labels, each 14 of about 230 pixels high.
_LABEL_HEIGHT: Final = 14
_HEIGHT: Final = 230
# Of its width, that a bar leaves free on either side.
_BETWEEN: Final = 0.04
_ROOM_RIGHT: Final = 0.72
_TICKS_ON_NARROW: Final = 4


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Quantile:
    """
    A latency that a share of all did not exceed.

    Attributes:
        label: Its name: ``p95``.
        value: In seconds.
    """

    label: str
    value: float

    def __post_init__(self) -> None:
        check_number(self.value, self.label)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """
    How many took how long.

    Attributes:
        key: Its name on the page, once on each.
        title: What people call it.
        bounds: Of the buckets, in seconds, rising; one more than there are buckets.
        counts: How many fell into each bucket.
        quantiles: Upright lines with their names.
        thresholds: From where on it is bad.
    """

    key: str
    title: str
    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    quantiles: tuple[Quantile, ...] = ()
    thresholds: tuple[Threshold, ...] = ()

    def __post_init__(self) -> None:
        check_key(self.key)
        check_bounds(self.bounds, self.key)
        check_numbers(self.counts, self.key)
        check_same_length(self.counts, self.bounds[1:], self.key)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class UprightMark:
    """
    An upright line at a latency, with its label above the bars.

    Attributes:
        x: From the left, in per cent.
        label: Its name and figure.
        top: Where the line begins below the drawing's top, in pixels: at the height of its label.
        shift: How far the label's base line is below the drawing's top, in pixels.
        anchor: ``start`` to the right of the line, ``end`` to its left.
        level: Of a threshold; None for a quantile.
    """

    x: str
    label: str
    top: int
    shift: int
    anchor: str
    level: Level | None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class HistogramDrawing:
    """
    The places of everything in a histogram.

    Attributes:
        latency_axis: Where latencies stand, from the left.
        count_axis: Where counts stand.
        panel: The part below the labels.
        grid: The lines across.
        ticks: The latencies below.
        bars: The path of all bars.
        marks: Thresholds and quantiles, from the left.
    """

    latency_axis: ValueAxis
    count_axis: ValueAxis
    panel: Panel
    grid: list[GridLine]
    ticks: list[TimeMark]
    bars: str
    marks: list[UprightMark]


def draw_histogram(chart: Histogram) -> HistogramDrawing | None:
    """Return the places of everything in a histogram, None where nothing was counted."""
    if not any(chart.counts):
        return None
    latency_axis = axis_of_bounds(chart.bounds)
    count_axis = linear_axis(chart.counts, unit=Unit.COUNT)
    marks = _marks(chart, latency_axis)
    room = (len(marks) + 0.5) * _LABEL_HEIGHT / _HEIGHT if marks else 0.0
    panel = Panel(top=room, height=1 - room)
    edges = [latency_axis.share_of(bound) for bound in chart.bounds]
    boxes = [
        Box(left + room_between, right - room_between, panel.place(0), panel.place(count_axis.share_of(count)))
        for left, right, count in zip(edges, edges[1:], chart.counts, strict=False)
        if count
        for room_between in [(right - left) * _BETWEEN]
    ]
    return HistogramDrawing(
        latency_axis=latency_axis,
        count_axis=count_axis,
        panel=panel,
        grid=grid_of(count_axis, Unit.COUNT, panel),
        ticks=_ticks(latency_axis),
        bars=box_path(boxes),
        marks=marks,
    )


def histogram_table(chart: Histogram) -> Table:
    """Return the counts, a row for each bucket."""
    columns = (
        Column(key="over", label=_("Over"), unit=Unit.SECONDS),
        Column(key="up_to", label=_("Up to"), unit=Unit.SECONDS),
        Column(key="count", label=_("Count"), unit=Unit.COUNT),
    )
    rows = tuple(zip(chart.bounds, chart.bounds[1:], chart.counts, strict=False))
    return Table(caption=chart.title, columns=columns, rows=rows)


def histogram_summary(chart: Histogram) -> SafeString:
    """Return how many there were and where most were, with the quantiles."""
    total = sum(chart.counts)
    if not total:
        return format_html(_("{label}: no data."), label=isolate(chart.title))
    fullest = chart.counts.index(max(chart.counts))
    text = format_html(
        ngettext(
            "{count} operation; most between {low} and {high}",
            "{count} operations; most between {low} and {high}",
            total,
        ),
        count=show_count(total),
        low=show_value(chart.bounds[fullest], Unit.SECONDS),
        high=show_value(chart.bounds[fullest + 1], Unit.SECONDS),
    )
    for quantile in chart.quantiles:
        value = show_value(quantile.value, Unit.SECONDS)
        text = format_html(_("{text}; {label} {value}"), text=text, label=isolate(quantile.label), value=value)
    return format_html(_("{text}."), text=text)


def _marks(chart: Histogram, axis: ValueAxis) -> list[UprightMark]:
    """Return a label for each in a row of its own, so that they cannot meet, nor cross the line of a neighbour."""
    found: list[tuple[float, str, Level | None]] = [(each.value, each.label, None) for each in chart.quantiles]
    found += [(each.value, each.name, each.level) for each in chart.thresholds]
    inside = sorted((each for each in found if axis.low <= each[0] <= axis.high), key=lambda each: each[0])
    shares = [axis.share_of(value) for value, _label, _level in inside]
    to_the_right = [place for place, share in enumerate(shares) if share < _ROOM_RIGHT]
    to_the_left = [place for place, share in enumerate(shares) if share >= _ROOM_RIGHT]
    # A line begins at its label, so whoever stands behind a label, as it is read off its line, begins below it.
    rows = {place: row for row, place in enumerate([*to_the_right, *reversed(to_the_left)])}
    return [
        UprightMark(
            x=percent(share),
            label=f"{label} {show_value(value, Unit.SECONDS).isolated}",
            top=rows[place] * _LABEL_HEIGHT,
            shift=(rows[place] + 1) * _LABEL_HEIGHT - 3,
            anchor="start" if place in to_the_right else "end",
            level=level,
        )
        for place, (share, (value, label, level)) in enumerate(zip(shares, inside, strict=True))
    ]


def _ticks(axis: ValueAxis) -> list[TimeMark]:
    stride = 2 if len(axis.ticks) > _TICKS_ON_NARROW else 1
    return [
        TimeMark(
            x=percent(axis.share_of(tick)),
            label=show_value(tick, Unit.SECONDS).isolated,
            anchor="middle",
            is_day=False,
            is_for_wide=place % stride != 0,
        )
        for place, tick in enumerate(axis.ticks)
    ]
