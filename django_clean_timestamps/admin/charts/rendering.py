"""A chart as it stands on a page: drawing, legend, one sentence, and the same figures as a table."""

from __future__ import annotations

from typing import Any

from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from django_clean_timestamps.admin.charts.bar_list import BarList, bar_list_summary, bar_list_table, draw_bar_list
from django_clean_timestamps.admin.charts.episodes import EpisodeChart, draw_episodes, episode_summary, episode_table
from django_clean_timestamps.admin.charts.heat_map import (
    SHADE_COUNT,
    HeatMap,
    draw_heat_map,
    heat_map_summary,
    heat_map_table,
)
from django_clean_timestamps.admin.charts.histogram import (
    Histogram,
    draw_histogram,
    histogram_summary,
    histogram_table,
)
from django_clean_timestamps.admin.charts.line_data import line_data
from django_clean_timestamps.admin.charts.line_drawing import draw_lines
from django_clean_timestamps.admin.charts.lines import LineChart, line_table
from django_clean_timestamps.admin.charts.sparkline import (
    Sparkline,
    draw_sparkline,
    sparkline_summary,
    sparkline_table,
)
from django_clean_timestamps.admin.charts.summary import line_summary
from django_clean_timestamps.admin.charts.table import Table
from django_clean_timestamps.admin.charts.units import show_count

__all__ = ["Chart", "render", "summary_of", "table_of"]

Chart = LineChart | HeatMap | Histogram | BarList | EpisodeChart | Sparkline


def render(chart: Chart) -> SafeString:
    """
    Return a chart for a page, in the viewer's language and time zone.

    The page brings ``clean_timestamps/charts.css``. There is no script and no style in it, so a strict
    Content-Security-Policy holds.
    """
    template, context = _context_of(chart)
    return render_to_string(
        f"admin/clean_timestamps/charts/{template}.html",
        {"chart": chart, "summary": summary_of(chart), "table": table_of(chart), **context},
    )


def table_of(chart: Chart) -> Table:
    """Return the figures of a chart: what the page shows as a table, and what a file is written from."""
    match chart:
        case LineChart():
            return line_table(chart)
        case HeatMap():
            return heat_map_table(chart)
        case Histogram():
            return histogram_table(chart)
        case BarList():
            return bar_list_table(chart)
        case EpisodeChart():
            return episode_table(chart)
        case _:
            return sparkline_table(chart)


def summary_of(chart: Chart) -> SafeString:
    """Return what a chart shows in one sentence."""
    match chart:
        case LineChart():
            return line_summary(chart)
        case HeatMap():
            return heat_map_summary(chart)
        case Histogram():
            return histogram_summary(chart)
        case BarList():
            return bar_list_summary(chart)
        case EpisodeChart():
            return episode_summary(chart)
        case _:
            return sparkline_summary(chart)


def _context_of(chart: Chart) -> tuple[str, dict[str, Any]]:
    """Return which template draws a chart, and from what."""
    match chart:
        case LineChart():
            drawing = draw_lines(chart) if chart.times else None
            return "line_chart", {"drawing": drawing, "data": line_data(chart, drawing) if drawing else ""}
        case HeatMap():
            heat = draw_heat_map(chart)
            highest = show_count(heat.highest) if heat else ""
            return "heat_map", {"drawing": heat, "shades": range(1, SHADE_COUNT + 1), "highest": highest}
        case Histogram():
            return "histogram", {"drawing": draw_histogram(chart)}
        case BarList():
            return "bar_list", {"rows": draw_bar_list(chart)}
        case EpisodeChart():
            return "episodes", {"drawing": draw_episodes(chart)}
        case _:
            return "sparkline", {"drawing": draw_sparkline(chart)}
