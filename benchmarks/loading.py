"""Reading rows: what it costs an instance to remember the stamps that it was loaded with."""

import gc
from collections.abc import Callable
from typing import Any

from django.db.models import Model

from benchmarks.database import empty
from benchmarks.measuring import Benchmark, Plan, Result, Trial, in_turn, per_row
from benchmarks.writes import SIDES, stored

ROWS = 10_000


def iterate(model: Any, _count: int) -> None:
    for _row in model.objects.iterator():
        pass


def load(model: Any, _count: int) -> None:
    list(model.objects.all())


def instantiate(model: Any, count: int) -> None:
    for _ in range(count):
        model(name="name")


def benchmarks() -> list[Benchmark]:
    return [_benchmark(run.__name__, run) for run in (iterate, load, instantiate)]


def _benchmark(name: str, run: Callable[[Any, int], None]) -> Benchmark:
    def measure(plan: Plan) -> Result:
        count = plan.rows(ROWS)
        trials: dict[str, Trial] = {}
        for side, model in SIDES.items():
            empty(model)
            stored(model, count)
            trials[side] = _trial(run, model, count, plan.clock)
        seconds = in_turn(trials, rounds=plan.rounds)
        return Result(rows=count, unit="us", samples=per_row(seconds, count))

    return Benchmark(group="loading", name=name, measure=measure)


def _trial(run: Callable[[Any, int], None], model: type[Model], count: int, clock: Callable[[], float]) -> Trial:
    def trial() -> float:
        gc.collect()
        start = clock()
        run(model, count)
        return clock() - start

    return trial
