"""
What measuring costs: an observation beside Prometheus' client, and a sketch's bytes, in and out.

Ours is what a save pays, which is an append to a deque, and its share of what the flusher does with it a second later:
sorting by series and counting. Prometheus' client counts at once, under a lock; ``labels`` looks the series up as well,
``observe`` has it at hand. Both count into the same bounds.
"""

import math
import random
from collections import defaultdict, deque
from collections.abc import Callable
from functools import partial
from typing import Any

from benchmarks.measuring import OURS, Benchmark, Plan, Result, Trial, in_turn, per_row, timed
from django_clean_timestamps.metrics.sketch import LE_BOUNDS, Sketch

OBSERVATIONS = 10_000
"""What lies in the deque when it is folded at the latest."""

SERIES = [("shop.order", operation, "ok", "default") for operation in ("create", "update", "touch", "delete")]
CALLS = 1_000
LATENCIES = 3_000
"""How many a typical sketch holds."""

WARNING, CRITICAL = 0.005, 0.010
OBSERVATION_TARGET = 0.6
MERGE_TARGET_US = 20
SIZE_TARGET = 260


def observation(plan: Plan) -> Result:
    """Time an observation from the append to the counted one."""
    count = plan.rows(OBSERVATIONS)
    observed = [(SERIES[place % len(SERIES)], seconds) for place, seconds in enumerate(latencies(count))]
    trials: dict[str, Trial] = {
        OURS: lambda: timed(partial(append_and_fold, observed), plan.clock),
        **{side: partial(timed, run, plan.clock) for side, run in prometheus_sides(observed).items()},
    }
    samples = per_row(in_turn(trials, rounds=plan.rounds), count)
    return Result(rows=count, unit="us", samples=samples, baseline="observe", target=OBSERVATION_TARGET)


def append_alone(plan: Plan) -> Result:
    """Time what the save itself pays of it."""
    count = plan.rows(OBSERVATIONS)
    observed = [(SERIES[place % len(SERIES)], seconds) for place, seconds in enumerate(latencies(count))]
    trials: dict[str, Trial] = {
        OURS: lambda: timed(partial(append, observed), plan.clock),
        **{side: partial(timed, run, plan.clock) for side, run in prometheus_sides(observed).items()},
    }
    samples = per_row(in_turn(trials, rounds=plan.rounds), count)
    return Result(rows=count, unit="us", samples=samples, baseline="observe")


def merge_bytes(plan: Plan) -> Result:
    """Time adding a sketch that is read from its bytes."""
    data, into = typical_sketch().to_bytes(), typical_sketch(10 * LATENCIES)
    return one_call(plan, lambda: into.merge_bytes(data), target=MERGE_TARGET_US)


def from_bytes(plan: Plan) -> Result:
    return one_call(plan, partial(Sketch.from_bytes, typical_sketch().to_bytes()))


def to_bytes(plan: Plan) -> Result:
    return one_call(plan, typical_sketch().to_bytes)


def quantiles(plan: Plan) -> Result:
    """Time the three quantiles that a rollup keeps."""
    return one_call(plan, partial(typical_sketch().quantiles, 0.5, 0.95, 0.99))


def size_in_bytes(_plan: Plan) -> Result:
    """Measure what a row stores for a typical sketch."""
    size = len(typical_sketch().to_bytes())
    return Result(rows=LATENCIES, unit="bytes", samples={OURS: [size]}, baseline=None, target=SIZE_TARGET)


def benchmarks() -> list[Benchmark]:
    return [
        *(Benchmark(group="observing", name=run.__name__, measure=run) for run in (observation, append_alone)),
        *(
            Benchmark(group="sketch", name=run.__name__, measure=run)
            for run in (merge_bytes, from_bytes, to_bytes, quantiles, size_in_bytes)
        ),
    ]


def append(observed: list[tuple[Any, float]]) -> deque[tuple[Any, ...]]:
    """Do what is done for each save, as the recorder does it."""
    waiting: deque[tuple[Any, ...]] = deque()
    take = waiting.append
    for series, seconds in observed:
        take((series, seconds, 1, None, None))
    return waiting


def append_and_fold(observed: list[tuple[Any, float]]) -> dict[Any, Sketch]:
    """Do what is done for each save, and what the flusher does with all of them."""
    waiting = append(observed)
    by_series: dict[Any, list[float]] = defaultdict(list)
    while waiting:
        series, seconds, _, _, _ = waiting.popleft()
        by_series[series].append(seconds)
    folded = {}
    for series, lengths in by_series.items():
        folded[series] = sketch = Sketch(warning=WARNING, critical=CRITICAL)
        sketch.extend(lengths)
    return folded


def prometheus_sides(observed: list[tuple[Any, float]]) -> dict[str, Callable[[], None]]:
    """Return how Prometheus' client counts the same, with the series at hand and looked up each time."""
    from prometheus_client import CollectorRegistry, Histogram

    names = ("model", "operation", "outcome", "database")
    histogram = Histogram("seconds", "How long writes take.", names, registry=CollectorRegistry(), buckets=LE_BOUNDS)
    children = {series: histogram.labels(*series) for series in SERIES}

    def observe() -> None:
        for series, seconds in observed:
            children[series].observe(seconds)

    def labels() -> None:
        for series, seconds in observed:
            histogram.labels(*series).observe(seconds)

    return {"observe": observe, "labels": labels}


def one_call(plan: Plan, call: Callable[[], object], *, target: float | None = None) -> Result:
    """Time a call, in microseconds."""
    calls = plan.rows(CALLS)

    def repeat() -> None:
        for _ in range(calls):
            call()

    samples = per_row(in_turn({OURS: partial(timed, repeat, plan.clock)}, rounds=plan.rounds), calls)
    return Result(rows=LATENCIES, unit="us", samples=samples, baseline=None, target=target)


def typical_sketch(count: int = LATENCIES) -> Sketch:
    sketch = Sketch(warning=WARNING, critical=CRITICAL)
    sketch.extend(latencies(count))
    return sketch


def latencies(count: int) -> list[float]:
    """Return the same seconds each time: mostly about 2.5 ms, one in fifty several times that."""
    chance = random.Random(count)
    return [chance.lognormvariate(math.log(0.0025 if chance.random() < 0.98 else 0.012), 0.3) for _ in range(count)]
