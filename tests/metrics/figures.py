"""Rows of metrics as processes would have written them."""

from django_clean_timestamps.metrics.minutes import Counted
from django_clean_timestamps.metrics.models import MetricMinute
from django_clean_timestamps.metrics.sketch import Sketch
from django_clean_timestamps.metrics.store import SeriesIds

MIDNIGHT = 1_799_971_200
"""Where rows of every tier begin, in seconds since 1970."""

SAVE = ("shop.order", "update", "ok", "default")
INVALID = ("shop.order", "create", "invalid", "default")
HANDLER = ("", "handler:shop.mail", "ok", "default")


def sketch_of(seconds):
    sketch = Sketch(warning=0.005, critical=0.010)
    sketch.extend(seconds)
    return sketch


def counted(seconds, rows=None):
    return Counted(sketch_of(seconds), len(seconds) if rows is None else rows)


def write_minute(start, series, seconds, *, writer=1, rows=None):
    """Write what a process saw in a minute."""
    MetricMinute.objects.update_or_create(
        start=start,
        writer_id=writer,
        series_id=number_of(series),
        defaults={"row_count": len(seconds) if rows is None else rows, "sketch": sketch_of(seconds).to_bytes()},
    )


def number_of(series):
    return SeriesIds("default").of([series])[series]
