"""
Some minutes of figures that nobody measured, so that a new demo's dashboard has something to show.

They are written as a process's own minutes are, under a process that says what it is, and only where there are none.
"""

import math
import random
from collections.abc import Iterator

from django.db import transaction

from django_clean_timestamps.conf import get_settings
from django_clean_timestamps.eventlog.fields import database_now
from django_clean_timestamps.metrics.models import MetricMinute, MetricRollup, MetricWriter
from django_clean_timestamps.metrics.recorder import new_writer
from django_clean_timestamps.metrics.sketch import Sketch
from django_clean_timestamps.metrics.store import SeriesIds

__all__ = ["HOST", "make_history"]

# What the page about processes calls it.
HOST = "made up by the demo"
MINUTES = 12
# A worse while among them: how many minutes ago, and how much longer everything took.
SLOW_MINUTES, SLOWER = range(4, 7), 4.0

# Operations a minute, and milliseconds that most of them took.
OPERATIONS = {
    ("tracker.task", "update", "ok"): (140, 1.1),
    ("tracker.task", "create", "ok"): (25, 1.4),
    ("tracker.task", "touch", "ok"): (60, 0.6),
    ("tracker.task", "update", "invalid"): (1, 0.2),
    ("tracker.comment", "create", "ok"): (45, 1.6),
    ("tracker.comment", "delete", "ok"): (4, 1.9),
    ("", "write_events", "ok"): (270, 0.3),
    ("", "handler:tracker.count", "ok"): (270, 0.9),
}


def make_history(seed: int = 1) -> int:
    """Write the minutes before this one, and return how many; none where there are figures already."""
    using = get_settings().metrics_database
    if MetricRollup.objects.using(using).exists():
        return 0
    chance = random.Random(seed)
    now = int(database_now(using).timestamp())
    first = now - now % 60 - MINUTES * 60
    writer = MetricWriter(id=new_writer(), kind=MetricWriter.Kind.COMMAND, host=HOST, version="")
    ids = SeriesIds(using).of((*names, "default") for names in OPERATIONS)
    with transaction.atomic(using=using):
        writer.save(using=using)
        MetricMinute.objects.using(using).bulk_create(
            MetricMinute(
                start=start,
                writer_id=writer.pk,
                series_id=ids[model, operation, outcome, "default"],
                row_count=sketch.count,
                sketch=sketch.to_bytes(),
            )
            for start in range(first, first + MINUTES * 60, 60)
            for (model, operation, outcome), sketch in _minute(chance, MINUTES - (start - first) // 60)
        )
    return MINUTES


def _minute(chance: random.Random, minutes_ago: int) -> Iterator[tuple[tuple[str, str, str], Sketch]]:
    slower = SLOWER if minutes_ago in SLOW_MINUTES else 1.0
    wave = 1 + 0.3 * math.sin(minutes_ago / 2)
    for names, (count, milliseconds) in OPERATIONS.items():
        sketch = Sketch(warning=0.005, critical=0.010)
        times = max(1, round(count * wave * chance.uniform(0.8, 1.2)))
        most = math.log(milliseconds / 1_000 * slower)
        sketch.extend(chance.lognormvariate(most, 0.5) for _ in range(times))
        yield names, sketch
