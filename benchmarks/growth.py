"""
What a log of many rows costs more than one of few.

A table of events for each size, filled by the database, takes the place of the log's own in turn, so that all sizes are
measured in the same minutes. PostgreSQL is vacuumed before each round, as its autovacuum would do.
"""

import random
from collections.abc import Callable, Mapping
from functools import partial

from django.db.models import Max

from benchmarks import delivery_growth, writes
from benchmarks.database import empty, settle
from benchmarks.feed import at
from benchmarks.filling import EVENTS_OF_AN_ENTITY, MODELS, fill_pending, set_head
from benchmarks.measuring import Benchmark, Plan, Result, Trial, in_turn, timed
from benchmarks.models import Entity
from benchmarks.sized_logs import in_place, logs_of
from django_clean_timestamps.eventlog import changed_since
from django_clean_timestamps.eventlog.models import Event, LogHead, Pending
from django_clean_timestamps.eventlog.sequencer import sequence_once
from django_clean_timestamps.eventlog.writer import LogWriter
from django_clean_timestamps.unit_of_work import attach_writer, get_writer

SIZES = (10_000, 1_000_000, 10_000_000)
TARGET = 1.3
SAVES, PASS, PAGE = 20, 100, 500


def save(_size: int) -> Callable[[], None]:
    """Return saves, each a transaction of its own."""
    rows = writes.stored(Entity, SAVES)
    attach_writer(LogWriter())
    return partial(writes.save, Entity, rows)


def sequencer_pass(size: int) -> Callable[[], int]:
    """Return a pass over events of entities whose keys follow each other, as those of new rows do."""
    fill_pending(PASS, step=1, entities=size // EVENTS_OF_AN_ENTITY)
    return partial(sequence_once, size=PASS)


def scattered_pass(size: int) -> Callable[[], int]:
    """Return one over entities from all over the log: each event goes to another page of the index."""
    fill_pending(PASS, first=random.randrange(size), entities=size // EVENTS_OF_AN_ENTITY)
    return partial(sequence_once, size=PASS)


def page_at_head(size: int) -> Callable[[], object]:
    return partial(changed_since, at(size - PAGE))


def page_in_the_middle(size: int) -> Callable[[], object]:
    return partial(changed_since, at(size // 2))


def page_by_model(size: int) -> Callable[[], object]:
    return partial(changed_since, at(size // 2), models=[MODELS[0]])


MEASURED = (
    *(save, sequencer_pass, scattered_pass, page_at_head, page_in_the_middle, page_by_model),
    *delivery_growth.MEASURED,
)
"""Each makes, for a log of so many rows, what is timed."""
CALLS = {save: SAVES}
"""How many of what is reported are in one that is timed."""


def benchmarks() -> list[Benchmark]:
    return [_benchmark(make) for make in MEASURED]


_measured: dict[str, dict[str, list[float]]] = {}


def _benchmark(make: Callable[[int], Callable[[], object]]) -> Benchmark:
    def measure(plan: Plan) -> Result:
        # The tables take minutes to fill, so the first of the benchmarks measures for all.
        samples = (_measured or _measure_all(plan))[make.__name__]
        smallest, *_, largest = samples
        return Result(rows=1, unit="us", samples=samples, subject=largest, baseline=smallest, target=TARGET)

    return Benchmark(group="growth", name=make.__name__, measure=measure)


def _measure_all(plan: Plan) -> Mapping[str, dict[str, list[float]]]:
    sizes = [plan.rows(size) for size in (*(size for size in SIZES if size < plan.largest), plan.largest)]
    former = get_writer()
    attach_writer(None)
    try:
        with logs_of(sizes):
            for make in MEASURED:
                trials = {f"{size:,}": _trial(make, size, plan) for size in sizes}
                seconds = in_turn(trials, rounds=plan.rounds)
                _measured[make.__name__] = {side: [value * 1e6 for value in values] for side, values in seconds.items()}
    finally:
        attach_writer(former)
    return _measured


def _trial(make: Callable[[int], Callable[[], object]], size: int, plan: Plan) -> Trial:
    def trial() -> float:
        attach_writer(None)
        empty(Entity, Pending)
        with in_place(size):
            # Opens the table, which renaming it closed.
            last = Event.objects.aggregate(last=Max("position"))["last"]
            set_head(last)
            run = make(last)
            settle(Entity, Pending, LogHead)
            return timed(run, plan.clock) / CALLS.get(make, 1)

    return trial
