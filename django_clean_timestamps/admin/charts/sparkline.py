"""The small line on a tile: how something went, without an axis."""

from __future__ import annotations

import dataclasses

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from django_clean_timestamps.admin.charts.axes import ValueAxis
from django_clean_timestamps.admin.charts.checking import check_key, check_numbers
from django_clean_timestamps.admin.charts.drawing import percent
from django_clean_timestamps.admin.charts.paths import Point, dot_path, line_path
from django_clean_timestamps.admin.charts.summary import end_sentence, range_of
from django_clean_timestamps.admin.charts.table import Column, Table
from django_clean_timestamps.admin.charts.units import Unit, isolate, show_value

__all__ = ["Sparkline", "SparklineDrawing", "draw_sparkline", "sparkline_summary", "sparkline_table"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Sparkline:
    """
    The last figures of a tile.

    Attributes:
        key: Its name on the page, once on each.
        title: What the figures are.
        unit: Of the figures.
        values: Of periods that follow one another, oldest first; None breaks the line.
        style: How it is drawn, as a line's.
    """

    key: str
    title: str
    unit: Unit
    values: tuple[float | None, ...]
    style: int = 1

    def __post_init__(self) -> None:
        check_key(self.key)
        check_numbers(self.values, self.key)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SparklineDrawing:
    """
    A sparkline's places.

    Attributes:
        axis: From the lowest figure to the highest, and wider where they hardly differ.
        path: Through the figures.
        dots: For figures without neighbours.
        last_x: Where the last period's figure stands, in per cent; empty where that has none.
        last_y: The same from the top.
    """

    axis: ValueAxis
    path: str
    dots: str
    last_x: str
    last_y: str


def draw_sparkline(sparkline: Sparkline) -> SparklineDrawing | None:
    """Return a sparkline's places, None where it has no figure."""
    known = [value for value in sparkline.values if value is not None]
    if not known:
        return None
    low, high = min(known), max(known)
    # What differs by less than a quarter is not shown as a mountain range.
    margin = max(0.0, high / 4 - (high - low)) / 2 or (0.0 if high else 0.5)
    axis = ValueAxis(low=low - margin, high=high + margin, scale="linear", ticks=())
    points = [
        None if value is None else Point((place + 0.5) / len(sparkline.values), axis.share_of(value))
        for place, value in enumerate(sparkline.values)
    ]
    last = points[-1]
    return SparklineDrawing(
        axis=axis,
        path=line_path(points),
        dots=dot_path(points),
        last_x=percent(last.x) if last else "",
        last_y=percent(1 - last.y) if last else "",
    )


def sparkline_table(sparkline: Sparkline) -> Table:
    """Return the figures, oldest first."""
    columns = (Column(key="period", label=_("Period")), Column(key="value", label=sparkline.title, unit=sparkline.unit))
    return Table(caption=sparkline.title, columns=columns, rows=tuple(enumerate(sparkline.values, start=1)))


def sparkline_summary(sparkline: Sparkline) -> SafeString:
    """Return the range of the figures and the latest one."""
    known = [value for value in sparkline.values if value is not None]
    if not known:
        return format_html(_("{label}: no data."), label=isolate(sparkline.title))
    text = range_of(sparkline.title, known, sparkline.unit)
    latest = show_value(known[-1], sparkline.unit)
    return end_sentence(format_html(_("{text}; latest {value}"), text=text, value=latest))
