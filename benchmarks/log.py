"""
What the event log adds to a write.

Three sides in one run: the ``auto_now`` write, ours with the log off, and ours with the log on, which inserts its
events into the pending table. What is judged of single saves is what the log adds, as a share of the ``auto_now`` save.
The set-based writes of many rows stand beside the same done by hand, in bare SQL.

In one transaction, what is timed begins after BEGIN and the first lock and ends before COMMIT, as in ``writes``; alone,
and with parents to be touched, COMMIT is included.
"""

import gc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import connection, transaction
from django.db.models import F, Model, Q

from benchmarks import bare, writes
from benchmarks.database import empty, settle, vendor
from benchmarks.measuring import AUTO_NOW, Benchmark, Plan, Result, Trial, in_turn, per_row
from benchmarks.models import AutoNow, Child, Entity, Parent, Scratch
from django_clean_timestamps.eventlog.models import Pending
from django_clean_timestamps.eventlog.writer import LogWriter
from django_clean_timestamps.unit_of_work import attach_writer, get_writer, peek_unit

OFF, ON, BARE_UPDATE, BARE = "log off", "log on", "bare update", "bare SQL"
CHILDREN_OF_A_PARENT = 10

Run = Callable[[type[Model], Any], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedWrite:
    """
    One way to write, with the log off and on.

    Attributes:
        name: As Django calls it.
        rows: How many rows are written in one go.
        prepare: Returns what the sides are given, for a model and a number of rows; not timed.
        sides: What runs, by side.
        models: The models of sides that do not write ``Entity``.
        baseline: The side that the log's is judged by.
        targets: The most that the figure may be, by vendor.
        added: Whether the figure is what the log adds, and not all that its side takes.
        alone: Whether each write commits, or all are parts of one transaction that is timed up to its end.
        events: How many events there must be for so many rows.
    """

    name: str
    rows: int
    prepare: Callable[[type[Model], int], Any]
    sides: Mapping[str, Run]
    models: Mapping[str, type[Model]] = field(default_factory=lambda: {AUTO_NOW: AutoNow})
    baseline: str = AUTO_NOW
    targets: Mapping[str, float] = field(default_factory=dict)
    added: bool = False
    alone: bool = False
    events: Callable[[int], int] = int


def beside_auto_now(run: Run) -> dict[str, Run]:
    return dict.fromkeys((AUTO_NOW, OFF, ON), run)


def beside_bare_sql(run: Run) -> dict[str, Run]:
    return {BARE_UPDATE: bare.update, BARE: bare.update_with_events, OFF: run, ON: run}


def touch_all(model: Any, _rows: list[Any]) -> None:
    model.objects.touch("reviewed")


def update_alone(model: Any, rows: list[Any]) -> None:
    for row in rows:
        model.objects.filter(pk=row.pk).update(name="another name")


def update_scattered(model: Any, _rows: list[Any]) -> None:
    chosen = Q(name__endswith="0") | Q(name__endswith="3") | Q(name__endswith="7")
    model.objects.filter(chosen).update(name="another name")


def upsert(model: Any, rows: list[Any]) -> None:
    fields = ["name", "updated_at"] if model is AutoNow else ["name"]
    target = ["id"] if connection.features.supports_update_conflicts_with_target else None
    again = [model(pk=row.pk, name="another name") for row in rows]
    model.objects.bulk_create(again, update_conflicts=True, unique_fields=target, update_fields=fields)


def children(model: type[Model], count: int) -> list[Any]:
    if model is not Child:
        return writes.stored(model, count)
    parents = Parent.objects.bulk_create([Parent(name="parent") for _ in range(count // CHILDREN_OF_A_PARENT)])
    Child.objects.bulk_create([Child(name="name", parent=parents[number % len(parents)]) for number in range(count)])
    return list(Child.objects.order_by("pk"))


def save_together(model: type[Model], rows: list[Any]) -> None:
    with transaction.atomic():
        writes.save(model, rows)


SAVE_TARGETS = {"sqlite": 0.15, "postgresql": 0.2, "mariadb": 0.15}
"""Of an ``auto_now`` save, added to each save of a transaction of many."""

stored, names, unsaved = writes.stored, writes.names, writes.unsaved
WRITES = (
    LoggedWrite(
        name="save", rows=250, prepare=stored, sides=beside_auto_now(writes.save), targets=SAVE_TARGETS, added=True
    ),
    LoggedWrite(name="create", rows=250, prepare=names, sides=beside_auto_now(writes.create), added=True),
    LoggedWrite(name="touch", rows=250, prepare=stored, sides=beside_auto_now(writes.touch), added=True),
    LoggedWrite(
        name="save_alone",
        rows=100,
        prepare=stored,
        sides=beside_auto_now(writes.save),
        targets=writes.every(0.4),
        added=True,
        alone=True,
    ),
    LoggedWrite(
        name="update_alone", rows=100, prepare=stored, sides=beside_auto_now(update_alone), added=True, alone=True
    ),
    LoggedWrite(
        name="touched_parents",
        rows=250,
        prepare=children,
        sides=beside_auto_now(save_together),
        models={AUTO_NOW: AutoNow, OFF: Child, ON: Child},
        added=True,
        alone=True,
        events=lambda rows: rows + rows // CHILDREN_OF_A_PARENT,
    ),
    LoggedWrite(
        name="bulk_create",
        rows=2000,
        prepare=unsaved,
        sides=beside_auto_now(writes.bulk_create),
        targets=writes.every(1.5),
    ),
    LoggedWrite(name="upsert", rows=2000, prepare=stored, sides=beside_auto_now(upsert)),
    LoggedWrite(name="bulk_update", rows=500, prepare=stored, sides=beside_auto_now(writes.bulk_update)),
    LoggedWrite(name="delete", rows=10_000, prepare=stored, sides=beside_auto_now(writes.delete)),
    LoggedWrite(
        name="update",
        rows=10_000,
        prepare=stored,
        sides=beside_bare_sql(writes.update),
        baseline=BARE,
        targets=writes.every(1.4),
    ),
    LoggedWrite(
        name="update_scattered",
        rows=10_000,
        prepare=stored,
        sides={
            BARE_UPDATE: bare.update_scattered,
            BARE: bare.update_scattered_with_events,
            OFF: update_scattered,
            ON: update_scattered,
        },
        baseline=BARE,
        targets=writes.every(1.4),
        events=lambda rows: rows * 3 // 10,
    ),
    LoggedWrite(
        name="queryset_touch",
        rows=10_000,
        prepare=stored,
        sides={**beside_bare_sql(touch_all), BARE_UPDATE: bare.touch, BARE: bare.touch_with_events},
        baseline=BARE,
        targets=writes.every(1.4),
    ),
)


def benchmarks() -> list[Benchmark]:
    return [_benchmark(write) for write in WRITES]


def _benchmark(write: LoggedWrite) -> Benchmark:
    return Benchmark(group="log", name=write.name, measure=lambda plan: measure(write, plan))


def measure(write: LoggedWrite, plan: Plan) -> Result:
    """Time one way to write on all sides."""
    rows = plan.rows(write.rows)
    trials = {side: _trial(write, side, rows, plan) for side in write.sides}
    former = get_writer()
    try:
        seconds = in_turn(trials, rounds=plan.rounds)
    finally:
        attach_writer(former)
        empty(Entity, AutoNow, Child, Parent, Pending)
    return Result(
        rows=rows,
        unit="us",
        samples=per_row(seconds, rows),
        subject=ON,
        baseline=write.baseline,
        without=OFF if write.added else None,
        target=write.targets.get(vendor()),
    )


def _trial(write: LoggedWrite, side: str, rows: int, plan: Plan) -> Trial:
    model = write.models.get(side, Entity)
    run = write.sides[side]

    def trial() -> float:
        attach_writer(None)
        tables: Sequence[Any] = [model, Pending, *([Parent] if model is Child else [])]
        empty(*tables)
        Scratch.objects.get_or_create(pk=1)
        given = write.prepare(model, rows)
        settle(*tables)
        gc.collect()
        attach_writer(LogWriter() if side == ON else None)
        start = plan.clock()
        if write.alone:
            run(model, given)
            seconds = plan.clock() - start
        else:
            seconds = _in_one_transaction(run, model, given, plan.clock)
        _check(write, side, rows)
        return seconds

    return trial


def _in_one_transaction(run: Run, model: type[Model], given: Any, clock: Callable[[], float]) -> float:
    with transaction.atomic():
        Scratch.objects.update(number=F("number") + 1)
        start = clock()
        run(model, given)
        if (unit := peek_unit(connection)) is not None:
            unit.finish()
        return clock() - start


def _check(write: LoggedWrite, side: str, rows: int) -> None:
    expected = write.events(rows) if side in (ON, BARE) else 0
    if (found := Pending.objects.count()) != expected:
        raise RuntimeError(f"{write.name} of {rows} rows with {side!r} left {found} events instead of {expected}")
