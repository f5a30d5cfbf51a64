"""
Every way to write, by the entity alone: the event log is off.

The unit of work hands the events of single writes, and those that somebody hears, to a writer that only counts them.
No writer is attached where a bulk write should build none. What the log adds is in ``log``.

In one transaction, what is timed begins after BEGIN and the first lock, and ends when the events have been handed
over, before COMMIT: its disk flush would hide the difference. ``auto_now`` is asked for what stamps the row: its
``save(update_fields=…)`` names ``updated_at`` too; its ``update()`` and ``bulk_update()`` stamp nothing.
"""

import gc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections, transaction
from django.db.models import F, Model

from benchmarks.database import empty, vendor
from benchmarks.measuring import AUTO_NOW, OURS, PLAIN, Benchmark, Plan, Result, Trial, in_turn, per_row
from benchmarks.models import AutoNow, Entity, Plain, Scratch
from django_clean_timestamps.testing import capture_events
from django_clean_timestamps.unit_of_work import attach_writer, get_writer, write_pending

Clock = Callable[[], float]

SIDES: Mapping[str, type[Model]] = {PLAIN: Plain, AUTO_NOW: AutoNow, OURS: Entity}

EVENT = {"sqlite": 1.6, "postgresql": 1.3, "mariadb": 1.3}
"""Of a write that hands over its event."""
TOUCH = {"sqlite": 0.4, "postgresql": 0.7, "mariadb": 0.7}
"""Of ``touch()`` beside the ``auto_now`` save."""


class CountingWriter:
    """A writer that keeps nothing."""

    def __init__(self) -> None:
        self.count = 0

    def write(self, connection: object, events: Any) -> None:
        self.count += len(events)


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """
    One way to write.

    Attributes:
        name: As Django calls it.
        rows: How many rows are written in one go.
        prepare: Returns what ``run`` is given, for a model and a number of rows; not timed.
        run: Writes.
        targets: The most that ours may take, as a ratio to ``auto_now``, by vendor.
        records: Whether our side hands an event for each row to the writer.
    """

    name: str
    rows: int
    prepare: Callable[[type[Model], int], Any]
    run: Callable[[type[Model], Any], None]
    targets: Mapping[str, float] = field(default_factory=dict)
    records: bool = True


Timer = Callable[[Write, type[Model], Any, Clock], float]
"""Runs a write on what was prepared and returns the seconds."""


def every(target: float) -> dict[str, float]:
    return dict.fromkeys(EVENT, target)


def names(_model: type[Model], count: int) -> list[str]:
    return [f"name {number}" for number in range(count)]


def unsaved(model: type[Model], count: int) -> list[Model]:
    return [model(name=name) for name in names(model, count)]


def stored(model: type[Model], count: int) -> list[Model]:
    model._base_manager.bulk_create(unsaved(model, count))
    return list(model._base_manager.order_by("pk"))


def create(model: type[Model], given: list[str]) -> None:
    for name in given:
        model.objects.create(name=name)


def save(_model: type[Model], rows: list[Any]) -> None:
    for row in rows:
        row.name = "another name"
        row.save()


def save_update_fields(model: type[Model], rows: list[Any]) -> None:
    fields = ["name", "updated_at"] if model is AutoNow else ["name"]
    for row in rows:
        row.name = "another name"
        row.save(update_fields=fields)


def touch(model: type[Model], rows: list[Any]) -> None:
    if model is not Entity:
        save(model, rows)
        return
    for row in rows:
        row.touch()


def bulk_create(model: type[Model], rows: list[Any]) -> None:
    model.objects.bulk_create(rows)


def update(model: type[Model], _rows: list[Any]) -> None:
    model.objects.update(name="another name")


def bulk_update(model: type[Model], rows: list[Any]) -> None:
    for row in rows:
        row.name = "another name"
    model.objects.bulk_update(rows, ["name"])


def delete(model: type[Model], _rows: list[Any]) -> None:
    model.objects.all().delete()


def listening(run: Callable[[type[Model], Any], None]) -> Callable[[type[Model], Any], None]:
    """Return the same write inside ``capture_events()``, where bulk writes build their events."""

    def run_captured(model: type[Model], rows: Any) -> None:
        with capture_events() as events:
            run(model, rows)
        if model is Entity and len(events) != len(rows):
            raise RuntimeError(f"{len(rows)} rows were written and {len(events)} events captured")

    return run_captured


ONE_BY_ONE = (
    Write(name="create", rows=250, prepare=names, run=create, targets=EVENT),
    Write(name="save", rows=250, prepare=stored, run=save, targets=EVENT),
    Write(name="save_update_fields", rows=250, prepare=stored, run=save_update_fields),
    Write(name="touch", rows=250, prepare=stored, run=touch, targets=TOUCH),
)
BULK = (
    Write(name="bulk_create", rows=2000, prepare=unsaved, run=bulk_create, targets=every(1.3), records=False),
    Write(name="update", rows=2000, prepare=stored, run=update, targets=every(1.8), records=False),
    Write(name="bulk_update", rows=500, prepare=stored, run=bulk_update, targets=every(2.0), records=False),
    Write(name="delete", rows=2000, prepare=stored, run=delete, records=False),
)


def benchmarks() -> list[Benchmark]:
    heard = [replace(write, run=listening(write.run), targets={}, records=True) for write in BULK]
    alone = [replace(write, rows=100, targets={}) for write in ONE_BY_ONE]
    return [
        *(_benchmark("writes", write, _in_one_transaction) for write in (*ONE_BY_ONE, *BULK)),
        *(_benchmark("listening", write, _in_one_transaction) for write in heard),
        *(_benchmark("alone", write, _alone) for write in alone),
    ]


def _benchmark(group: str, write: Write, time: Timer) -> Benchmark:
    return Benchmark(group=group, name=write.name, measure=lambda plan: measure(write, plan, time=time))


def measure(
    write: Write,
    plan: Plan,
    *,
    time: Timer | None = None,
    sides: Mapping[str, type[Model]] = SIDES,
    beside: Sequence[type[Model]] = (),
) -> Result:
    """
    Time one way to write on all sides.

    Args:
        write: The way.
        plan: How thoroughly.
        time: Runs the write and returns the seconds; inside one transaction unless given.
        sides: The models by the names of their sides.
        beside: Models whose rows the sides write as well, to be removed with the others.
    """
    rows = plan.rows(write.rows)
    time = time or _in_one_transaction
    trials = {side: _trial(write, model, rows, beside, time, plan.clock) for side, model in sides.items()}
    former = get_writer()
    try:
        seconds = in_turn(trials, rounds=plan.rounds)
    finally:
        attach_writer(former)
    return Result(rows=rows, unit="us", samples=per_row(seconds, rows), target=write.targets.get(vendor()))


def _trial(
    write: Write, model: type[Model], rows: int, beside: Sequence[type[Model]], time: Timer, clock: Clock
) -> Trial:
    def trial() -> float:
        empty(model, *beside)
        Scratch.objects.get_or_create(pk=1)
        attach_writer(None)
        given = write.prepare(model, rows)
        gc.collect()
        writer = CountingWriter()
        # A writer like this one would have the events of a bulk write built one by one.
        attach_writer(writer if write.records else None)
        seconds = time(write, model, given, clock)
        expected = rows if write.records and model is Entity else 0
        if writer.count != expected:
            raise RuntimeError(f"{write.name} of {rows} rows handed over {writer.count} events instead of {expected}")
        return seconds

    return trial


def _in_one_transaction(write: Write, model: type[Model], given: Any, clock: Clock) -> float:
    with transaction.atomic():
        Scratch.objects.update(number=F("number") + 1)
        start = clock()
        write.run(model, given)
        write_pending(connections[DEFAULT_DB_ALIAS])
        return clock() - start


def _alone(write: Write, model: type[Model], given: Any, clock: Clock) -> float:
    start = clock()
    write.run(model, given)
    return clock() - start
