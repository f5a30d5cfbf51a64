"""The chart of lines over time: with bands, thresholds, and bars below that share its axis of time."""

from __future__ import annotations

import dataclasses
from datetime import datetime, timedelta

from django.utils.translation import gettext as _

from django_clean_timestamps.admin.charts.axes import Scale
from django_clean_timestamps.admin.charts.checking import check_key, check_same_length, check_times
from django_clean_timestamps.admin.charts.table import Column, Table, caption_of
from django_clean_timestamps.admin.charts.units import Unit
from django_clean_timestamps.admin.charts.values import Band, Bars, Line, Threshold

__all__ = ["LineChart", "line_table"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class LineChart:
    """
    Figures as they went.

    Attributes:
        key: Its name on the page, once on each.
        title: What people call it.
        unit: Of the lines, bands and thresholds.
        times: When each period begins; aware, rising.
        step: How long each period is. A figure is drawn in its middle.
        lines: Up to six. What all of them lack is shaded as a gap.
        thresholds: From where on it is bad.
        bands: Drawn behind the lines.
        bars: Drawn below, with an axis of their own.
        scale: ``log`` for latencies: what is lower than the axis, a zero too, is then drawn at its floor.
        subject: The key of the line that the summary is about; the first where empty.
    """

    key: str
    title: str
    unit: Unit
    times: tuple[datetime, ...]
    step: timedelta
    lines: tuple[Line, ...]
    thresholds: tuple[Threshold, ...] = ()
    bands: tuple[Band, ...] = ()
    bars: Bars | None = None
    scale: Scale = "linear"
    subject: str = ""

    def __post_init__(self) -> None:
        check_key(self.key)
        check_times(self.times, self.step, self.key)
        if not self.lines:
            raise ValueError(f"{self.key}: there is no line; give at least one")
        for line in self.lines:
            check_same_length(line.values, self.times, line.key)
        for band in self.bands:
            check_same_length(band.lower, self.times, band.key)
            check_same_length(band.upper, self.times, band.key)
        if self.bars is not None:
            check_same_length(self.bars.values, self.times, self.bars.key)
        if self.subject and self.subject not in {line.key for line in self.lines}:
            raise ValueError(f"{self.key}: there is no line {self.subject!r} that the summary could be about")

    @property
    def told(self) -> Line:
        """The line that the summary is about."""
        return next((line for line in self.lines if line.key == self.subject), self.lines[0])

    @property
    def is_known(self) -> tuple[bool, ...]:
        """For each period, whether any line has a figure."""
        return tuple(
            any(value is not None for value in values)
            for values in zip(*(line.values for line in self.lines), strict=True)
        )


def line_table(chart: LineChart) -> Table:
    """Return the figures, a row for each period, oldest first."""
    columns = [Column(key="time", label=_("Time"))]
    cells: list[tuple[float | None, ...]] = []
    for line in chart.lines:
        columns.append(Column(key=line.key, label=line.label, unit=chart.unit))
        cells.append(line.values)
    for band in chart.bands:
        bounds = {"lower": _("{label}, at least"), "upper": _("{label}, at most")}
        for name, label in bounds.items():
            columns.append(Column(key=f"{band.key}_{name}", label=label.format(label=band.label), unit=chart.unit))
        cells += [band.lower, band.upper]
    if chart.bars is not None:
        columns.append(Column(key=chart.bars.key, label=chart.bars.label, unit=chart.bars.unit))
        cells.append(chart.bars.values)
    caption = caption_of(chart.title, chart.times[0], chart.times[-1] + chart.step) if chart.times else chart.title
    return Table(caption=caption, columns=tuple(columns), rows=tuple(zip(chart.times, *cells, strict=True)))
