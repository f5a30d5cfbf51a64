"""
The dashboard's charts: frozen figures in, SVG from the server out.

Make a chart, such as :class:`LineChart`, and :func:`render` it; :func:`table_of` has the same figures for a file.
"""

from django_clean_timestamps.admin.charts.bar_list import Bar, BarList
from django_clean_timestamps.admin.charts.episodes import Episode, EpisodeChart, EpisodeRow
from django_clean_timestamps.admin.charts.heat_map import HeatMap
from django_clean_timestamps.admin.charts.histogram import Histogram, Quantile
from django_clean_timestamps.admin.charts.lines import LineChart
from django_clean_timestamps.admin.charts.paths import path_boxes, path_points
from django_clean_timestamps.admin.charts.rendering import Chart, render, summary_of, table_of
from django_clean_timestamps.admin.charts.sparkline import Sparkline
from django_clean_timestamps.admin.charts.table import Cell, Column, Table
from django_clean_timestamps.admin.charts.units import Shown, Unit, show_value
from django_clean_timestamps.admin.charts.values import Band, Bars, Level, Line, Threshold

__all__ = [
    "Band",
    "Bar",
    "BarList",
    "Bars",
    "Cell",
    "Chart",
    "Column",
    "Episode",
    "EpisodeChart",
    "EpisodeRow",
    "HeatMap",
    "Histogram",
    "Level",
    "Line",
    "LineChart",
    "Quantile",
    "Shown",
    "Sparkline",
    "Table",
    "Threshold",
    "Unit",
    "path_boxes",
    "path_points",
    "render",
    "show_value",
    "summary_of",
    "table_of",
]
