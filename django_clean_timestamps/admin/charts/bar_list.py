"""The chart of how often each of a few things was: a table with a bar in each row."""

from __future__ import annotations

import dataclasses

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from django_clean_timestamps.admin.charts.checking import check_key, check_number
from django_clean_timestamps.admin.charts.drawing import percent
from django_clean_timestamps.admin.charts.table import Column, Table
from django_clean_timestamps.admin.charts.units import Shown, Unit, isolate, show_value

__all__ = ["Bar", "BarList", "DrawnBar", "bar_list_summary", "bar_list_table", "draw_bar_list"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """
    One of the things.

    Attributes:
        label: What it is; may be what a user wrote.
        value: How many, or how much.
        url: Where more is told of it.
    """

    label: str
    value: float
    url: str = ""

    def __post_init__(self) -> None:
        check_number(self.value, self.label)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class BarList:
    """
    How often each of a few things was.

    Attributes:
        key: Its name on the page, once on each.
        title: What people call it.
        heading: What the things are: "Reason".
        value_heading: What is told of them: "Touches".
        bars: In the order in which they are shown.
        unit: Of their values.
    """

    key: str
    title: str
    heading: str
    value_heading: str
    bars: tuple[Bar, ...]
    unit: Unit = Unit.COUNT

    def __post_init__(self) -> None:
        check_key(self.key)

    @property
    def total(self) -> float:
        return sum(bar.value for bar in self.bars)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class DrawnBar:
    """
    A row.

    Attributes:
        bar: What it shows.
        width: Of its bar, in per cent of the longest.
        value: As people read it.
        share: Of all, as people read it.
    """

    bar: Bar
    width: str
    value: Shown
    share: Shown


def draw_bar_list(chart: BarList) -> list[DrawnBar]:
    """Return the rows."""
    longest = max((bar.value for bar in chart.bars), default=0) or 1
    total = chart.total or 1
    return [
        DrawnBar(
            bar=bar,
            width=percent(bar.value / longest),
            value=show_value(bar.value, chart.unit),
            share=show_value(bar.value / total, Unit.SHARE),
        )
        for bar in chart.bars
    ]


def bar_list_table(chart: BarList) -> Table:
    """Return the figures, a row for each thing."""
    columns = (
        Column(key="label", label=chart.heading),
        Column(key="value", label=chart.value_heading, unit=chart.unit),
        Column(key="part", label=_("Share"), unit=Unit.SHARE),
    )
    total = chart.total or 1
    return Table(
        caption=chart.title,
        columns=columns,
        rows=tuple((bar.label, bar.value, bar.value / total) for bar in chart.bars),
    )


def bar_list_summary(chart: BarList) -> SafeString:
    """Return which of the things was the most."""
    if not chart.bars:
        return format_html(_("{label}: no data."), label=isolate(chart.title))
    if not chart.total:
        return format_html(_("{label}: all are 0."), label=isolate(chart.title))
    most = max(chart.bars, key=lambda bar: bar.value)
    return format_html(
        _("Most: {label}, {value} ({share})."),
        label=isolate(most.label),
        value=show_value(most.value, chart.unit),
        share=show_value(most.value / chart.total, Unit.SHARE),
    )
