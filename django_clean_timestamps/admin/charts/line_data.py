"""What a script needs to follow the pointer over a chart of lines."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from django_clean_timestamps.admin.charts.axes import ValueAxis
from django_clean_timestamps.admin.charts.drawing import Panel
from django_clean_timestamps.admin.charts.line_drawing import LOWER, LineDrawing
from django_clean_timestamps.admin.charts.lines import LineChart

__all__ = ["line_data"]


def line_data(chart: LineChart, drawing: LineDrawing) -> str:
    """
    Return the figures of a chart and where they stand, as JSON.

    ``times`` are the periods' beginnings in seconds since 1970 and ``step`` is their length; ``since`` and ``until``
    are the edges of the drawing. Each of ``series`` has its ``values``, to six digits, and in ``panel`` an index into
    ``panels``, of which each has its ``top`` and ``height`` as shares of the drawing, and its axis' ``low``, ``high``
    and ``scale``. The rows of the chart's table are in the order of ``times``: what the viewer reads is there.
    """
    panels = [_panel(drawing.panel, drawing.value_axis, chart.unit.value)]
    series = [_series(line.key, line.label, line.values, 0) for line in chart.lines]
    if chart.bars is not None and drawing.bars is not None:
        panels.append(_panel(LOWER, drawing.bars.axis, chart.bars.unit.value))
        series.append(_series(chart.bars.key, chart.bars.label, chart.bars.values, 1))
    data = {
        "times": [int(time.timestamp()) for time in chart.times],
        "step": chart.step.total_seconds(),
        "since": drawing.time_axis.since.timestamp(),
        "until": drawing.time_axis.until.timestamp(),
        "panels": panels,
        "series": series,
    }
    return json.dumps(data, separators=(",", ":"), ensure_ascii=False)


def _panel(panel: Panel, axis: ValueAxis, unit: str) -> dict[str, Any]:
    return {
        "top": panel.top,
        "height": panel.height,
        "low": axis.low,
        "high": axis.high,
        "scale": axis.scale,
        "unit": unit,
    }


def _series(key: str, label: str, values: Iterable[float | None], panel: int) -> dict[str, Any]:
    short = [None if value is None else float(f"{value:.6g}") for value in values]
    return {"key": key, "label": label, "panel": panel, "values": short}
