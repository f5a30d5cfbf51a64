"""What a page of the dashboard shows, before it is written as HTML or as a file."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from django.utils.functional import Promise
from django.utils.safestring import SafeString

from django_clean_timestamps.admin.charts import Chart, Table, render, table_of
from django_clean_timestamps.admin.dashboard.asked import Asked

__all__ = ["Content", "Empty", "Page", "Section"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """
    Charts under one heading.

    Attributes:
        key: Its name on the page.
        title: Its heading.
        charts: The charts.
        help_text: Below the heading.
    """

    key: str
    title: str
    charts: tuple[Chart, ...]
    help_text: str = ""

    @property
    def drawn(self) -> list[tuple[Chart, SafeString]]:
        """The charts, each with its HTML."""
        return [(chart, render(chart)) for chart in self.charts]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Empty:
    """
    Why there is nothing to see.

    Attributes:
        key: Which of the reasons.
        title: It in a line.
        steps: What to do next, first things first.
        links: Where to, as texts and addresses.
    """

    key: str
    title: str
    steps: tuple[str | SafeString, ...]
    links: tuple[tuple[str, str], ...] = ()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """
    What a page shows.

    Attributes:
        sections: Its charts.
        tables: Further tables, by the name under which each is a file.
        empty: Why there is nothing to see, None where there is.
        context: What else its template needs.
    """

    sections: tuple[Section, ...] = ()
    tables: dict[str, Table] = dataclasses.field(default_factory=dict)
    empty: Empty | None = None
    context: dict[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def charts(self) -> dict[str, Chart]:
        """All charts by their keys."""
        return {chart.key: chart for section in self.sections for chart in section.charts}

    def table(self, key: str) -> Table | None:
        """Return the figures of a chart, or a further table; None where there is none of that name."""
        if key in self.charts:
            return table_of(self.charts[key])
        return self.tables.get(key)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """
    One page of the dashboard.

    Attributes:
        key: Its name in addresses and templates.
        title: Its name for people.
        build: Makes what it shows.
        has_filters: Whether it asks for model, operation, outcome and database.
        has_range: Whether it asks for a range of time.
    """

    key: str
    title: str | Promise
    build: Callable[[Asked], Content]
    has_filters: bool = True
    has_range: bool = True

    @property
    def url_name(self) -> str:
        """The name of its address, without that of the site."""
        return "clean_timestamps_dashboard" + ("" if self.key == "overview" else f"_{self.key}")

    @property
    def template(self) -> str:
        """The template of what changes while it is looked at."""
        return f"admin/clean_timestamps/dashboard/{self.key}.html"
