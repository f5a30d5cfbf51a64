"""The figures of a chart as a table, from which the page's table and a file are both made."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from django.utils import formats, timezone
from django.utils.html import escape, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from django_clean_timestamps.admin.charts.time_axis import moment_writer
from django_clean_timestamps.admin.charts.units import Unit, measure_of_all, show_count
from django_clean_timestamps.admin.charts.values import Level

__all__ = ["Cell", "Column", "Table", "caption_of"]

_UNGROUPED: Final = 999

Cell = datetime | Level | float | int | str | None
"""What a table holds: an aware time, a level, a figure, a text, or None for no data."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """
    What the cells below one another are.

    Attributes:
        key: Its name for a script and a file: ``p95``.
        label: Its name for people.
        unit: Of its figures, None for times and texts. Seconds are seconds here, and a share is 0 to 1.
    """

    key: str
    label: str
    unit: Unit | None = None

    @property
    def name(self) -> str:
        """Its key and unit, for the first line of a file: ``p95_seconds``, ``failed_count``."""
        return self.key if self.unit is None or self.key.endswith(self.unit.value) else f"{self.key}_{self.unit.value}"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """
    The figures of a chart.

    Attributes:
        caption: What they are.
        columns: The first one names the row.
        rows: A cell for each column.
    """

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def head(self) -> SafeString:
        """Return the names of the columns, with the units in which :meth:`body` writes them, for a page."""
        return format_html_join("", '<th scope="col">{}</th>', ((heading,) for heading, _write in self._writers()))

    def body(self) -> SafeString:
        """
        Return the rows for a page.

        A column has one unit for all its figures, that suits most of them, so that they can be compared downwards.
        """
        # Joined here, not looped over by a template: a chart has thousands of cells.
        writers = [write for _heading, write in self._writers()]
        return SafeString(
            "".join(
                "<tr>"
                + "".join(
                    f"<td>{write(cell)}</td>" if place else f'<th scope="row">{write(cell)}</th>'
                    for place, (cell, write) in enumerate(zip(row, writers, strict=True))
                )
                + "</tr>"
                for row in self.rows
            )
        )

    def _writers(self) -> list[tuple[str, Callable[[Cell], str]]]:
        """Return for each column what stands above it, and what writes one of its cells, escaped."""
        return [self._writer(place, column) for place, column in enumerate(self.columns)]

    def _writer(self, place: int, column: Column) -> tuple[str, Callable[[Cell], str]]:
        cells = [row[place] for row in self.rows]
        if column.unit is None:
            times = [cell for cell in cells if isinstance(cell, datetime)]
            span = max(times) - min(times) if times else timedelta(0)
            write_moment = moment_writer(span)
            return column.label, lambda cell: escape(_plain(cell, write_moment))
        figures = [cell for cell in cells if isinstance(cell, int | float)]
        measure = measure_of_all(figures, column.unit)
        heading = column.label
        if measure.symbol:
            heading = _("{label} ({unit})").format(label=column.label, unit=measure.symbol)
        if column.unit is Unit.COUNT:
            return heading, _write_count
        places = _places([figure / measure.factor for figure in figures])
        return heading, _figure_writer(measure.factor, places)


def _plain(cell: Cell, write_moment: Callable[[datetime], str]) -> str:
    if isinstance(cell, datetime):
        return write_moment(cell)
    if cell is None:
        return "–"
    return cell.label if isinstance(cell, Level) else str(cell)


def _write_count(cell: Cell) -> str:
    if not isinstance(cell, int | float):
        return "–"
    # Django takes its time where there is nothing to group.
    return str(round(cell)) if 0 <= cell < _UNGROUPED else show_count(cell)


def _figure_writer(factor: float, places: int) -> Callable[[Cell], str]:
    decimal_separator = formats.get_format("DECIMAL_SEPARATOR")

    def write(cell: Cell) -> str:
        if not isinstance(cell, int | float):
            return "–"
        # Django cuts a float's places off, and takes its time where there is nothing to group.
        text = f"{cell / factor:.{places}f}"
        if cell / factor < _UNGROUPED:
            return text.replace(".", decimal_separator)
        return str(formats.number_format(Decimal(text), places, force_grouping=True))

    return write


def _places(numbers: list[float]) -> int:
    """Return how many decimal places let the smallest of the numbers keep three digits; three at most."""
    least = min((number for number in numbers if number), default=1.0)
    return min(3, max(0, 2 - math.floor(math.log10(least))))


def caption_of(title: str, since: datetime, until: datetime) -> str:
    """Return the caption of a table of figures over time: with the range, and the zone that its times are told in."""
    local = [formats.date_format(timezone.localtime(moment), "DATETIME_FORMAT") for moment in (since, until)]
    return _("{title}, from {since} to {until} ({zone})").format(
        title=title, since=local[0], until=local[1], zone=timezone.get_current_timezone_name()
    )
