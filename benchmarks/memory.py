"""Bytes: of an instance loaded from the database, of an event, and of what a touch keeps until COMMIT."""

import gc
import sys
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

from django.db import transaction

from benchmarks.database import empty
from benchmarks.measuring import OURS, Benchmark, Plan, Result
from benchmarks.models import Entity
from benchmarks.writes import SIDES, stored
from django_clean_timestamps.events import (
    TimestampCreatedEvent,
    TimestampDeletedEvent,
    TimestampEvent,
    TimestampUpdatedEvent,
)
from django_clean_timestamps.events.identity import new_event_id

ROWS = 10_000
TOUCHED_ROWS = 4_000
"""Fewer than the unit of work keeps before it writes early."""

INSTANCE_TARGET = 64
EVENT_TARGET = 192


def instance(plan: Plan) -> Result:
    """Measure an instance that was loaded; the target bounds what ours takes more than that of ``auto_now``."""
    count = plan.rows(ROWS)
    samples = {}
    for side, model in SIDES.items():
        empty(model)
        stored(model, count)
        load(model)
        samples[side] = [held_bytes(partial(load, model)) / count]
    return Result(rows=count, unit="bytes", samples=samples, target=INSTANCE_TARGET)


def event(plan: Plan) -> Result:
    """Measure the largest kind of event, without the values that it refers to, by tracemalloc."""
    count = plan.rows(ROWS)
    make = max(makers(), key=lambda make: sys.getsizeof(make()))
    # The list's own part is its pointer.
    own = held_bytes(lambda: [make() for _ in range(count)]) / count - 8
    return Result(rows=count, unit="bytes", samples={OURS: [own]}, baseline=None, target=EVENT_TARGET)


def event_sizeof(_plan: Plan) -> Result:
    """Measure the same by ``sys.getsizeof``, which counts the header of the garbage collector."""
    size = max(sys.getsizeof(make()) for make in makers())
    return Result(rows=1, unit="bytes", samples={OURS: [size]}, baseline=None, target=EVENT_TARGET)


def touched(plan: Plan) -> Result:
    """Measure all that a touch keeps until COMMIT: the event, its id, the stamps, its place in the unit of work."""
    count = plan.rows(TOUCHED_ROWS)
    empty(Entity)
    rows: list[Any] = stored(Entity, count)

    def touch_all() -> None:
        for row in rows:
            row.touch()

    with transaction.atomic():
        Entity.objects.create(name="the transaction's own part").touch()
        kept = held_bytes(touch_all) / count
    return Result(rows=count, unit="bytes", samples={OURS: [kept]}, baseline=None)


def benchmarks() -> list[Benchmark]:
    return [
        Benchmark(group="memory", name=measure.__name__, measure=measure)
        for measure in (instance, event, event_sizeof, touched)
    ]


def makers() -> list[Callable[[], TimestampEvent]]:
    """Return one function for each kind of event, which makes another one of the same values each time."""
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    common: dict[str, Any] = {
        "event_id": new_event_id(moment),
        "entity_type": "benchmarks.entity",
        "entity_id": "1",
        "occurred_at": moment,
    }
    return [
        lambda: TimestampCreatedEvent(**common, created_timestamp=moment),
        lambda: TimestampUpdatedEvent(**common, old_timestamp=moment, new_timestamp=moment),
        lambda: TimestampDeletedEvent(**common),
    ]


def load(model: Any) -> list[Any]:
    return list(model.objects.iterator())


def held_bytes(make: Callable[[], object]) -> int:
    """Return how many bytes are allocated and still held after the call, its result included."""
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        made = make()
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
        del made
        return after - before
    finally:
        tracemalloc.stop()
