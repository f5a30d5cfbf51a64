"""What a chart shows, in one sentence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from django_clean_timestamps.admin.charts.lines import LineChart
from django_clean_timestamps.admin.charts.time_axis import time_axis_of
from django_clean_timestamps.admin.charts.units import Unit, isolate, show_value
from django_clean_timestamps.admin.charts.values import Threshold
from django_clean_timestamps.admin.display import show_age

__all__ = ["end_sentence", "line_summary", "range_of", "time_over"]


def line_summary(chart: LineChart) -> SafeString:
    """Return the range of the told line, its highest and latest figure, and how long it was over each threshold."""
    line = chart.told
    known = [(value, time) for value, time in zip(line.values, chart.times, strict=True) if value is not None]
    if not known:
        return format_html(_("{label}: no data."), label=isolate(line.label))
    show = time_axis_of(chart.times, chart.step).show
    # The first of several that are as high.
    highest, highest_at = max(known, key=lambda each: each[0])
    text = range_of(line.label, [value for value, _time in known], chart.unit)
    if min(known)[0] < highest:
        text = format_html(_("{text}, the highest at {time}"), text=text, time=isolate(show(highest_at)))
    latest, latest_at = known[-1]
    if latest_at == chart.times[-1]:
        text = format_html(_("{text}; latest {value}"), text=text, value=show_value(latest, chart.unit))
    else:
        text = format_html(
            _("{text}; latest, at {time}, {value}"),
            text=text,
            value=show_value(latest, chart.unit),
            time=isolate(show(latest_at)),
        )
    for threshold in sorted(chart.thresholds, key=lambda each: each.value):
        text = _add_threshold(text, threshold, chart.unit, time_over(threshold, line.values, chart.step))
    return end_sentence(text)


def range_of(label: str, values: Sequence[float], unit: Unit) -> SafeString:
    """Return between which figures something lay."""
    low, high = show_value(min(values), unit), show_value(max(values), unit)
    told = isolate(label)
    if low == high:
        return format_html(_("{label}: always {value}"), label=told, value=low)
    return format_html(_("{label}: {low} to {high}"), label=told, low=low, high=high)


def time_over(threshold: Threshold, values: Iterable[float | None], step: timedelta) -> timedelta:
    """Return how long the figures of periods were over a threshold; periods without one do not count."""
    return sum(value is not None and value > threshold.value for value in values) * step


def end_sentence(text: SafeString) -> SafeString:
    """Return a text with a full stop."""
    return format_html(_("{text}."), text=text)


def _add_threshold(text: SafeString, threshold: Threshold, unit: Unit, over: timedelta) -> SafeString:
    told = {"text": text, "value": threshold.show(unit), "name": isolate(threshold.name)}
    if not over:
        return format_html(_("{text}; never over {value} ({name})"), **told)
    return format_html(
        _("{text}; over {value} ({name}) for {duration}"), duration=isolate(show_age(over.total_seconds())), **told
    )
