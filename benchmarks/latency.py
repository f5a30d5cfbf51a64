"""
From COMMIT to the effect, ours beside the peers: how long one event takes, and how many a second come of a backlog.

Real processes on one PostgreSQL and one Redis: a writer, and each side's workers. The effect of every side is one row
in the same table, and it counts from when its transaction has committed; the writer notes when the row had committed
whose event it is. The sides take turns; only the workers of the one whose turn it is are running.

``latency`` writes at a steady rate, whatever the workers do. ``throughput`` lets a backlog build up first and then
starts the workers; it counts from when the first tenth is done, so that starting up is left out.
"""

from collections.abc import Callable, Sequence

from benchmarks.measuring import Benchmark, Plan, Result
from benchmarks.peers.sides import BACKLOGS, OURS, PACED
from benchmarks.stage import stage

RATE, SECONDS = 200, 8
ROUNDS, BACKLOG_ROUNDS = 2, 1
"""Unless asked for: with more, each takes some minutes."""

PERCENTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "longest": 1.0}
PROCESSES = {"one_process": 1, "two_processes": 2}
TARGETS = {"p95": 40, "one_process": 3_000}

Samples = dict[str, dict[str, list[float]]]
"""By benchmark and side, the value of each round."""

_measured: dict[str, Samples] = {}


def benchmarks() -> list[Benchmark]:
    latency = [_benchmark("latency", name, _latency, "ms") for name in PERCENTILES]
    return [*latency, *(_benchmark("throughput", name, _throughput, "per_second") for name in PROCESSES)]


def percentile(values: Sequence[float], share: float) -> float:
    """Return the least value that so large a share of the values does not exceed."""
    ordered = sorted(values)
    return ordered[max(-int(-len(ordered) * share // 1), 1) - 1]


def _benchmark(group: str, name: str, measure_all: Callable[[Plan], Samples], unit: str) -> Benchmark:
    def measure(plan: Plan) -> Result:
        # The first of its group measures for all.
        if group not in _measured:
            _measured[group] = measure_all(plan)
        rows = int(RATE * _seconds(plan)) if group == "latency" else plan.rows(OURS.backlog)
        return Result(
            rows=rows,
            unit=unit,
            samples=_measured[group][name],
            subject=OURS.name,
            baseline=None,
            target=TARGETS.get(name),
        )

    return Benchmark(group=group, name=name, measure=measure)


def _latency(plan: Plan) -> Samples:
    samples: Samples = {name: {} for name in PERCENTILES}
    with stage(PACED) as place:
        for side in place.in_turn(plan.repeat or min(plan.rounds, ROUNDS)):
            waits = place.paced(side, rate=RATE, seconds=_seconds(plan))
            for name, share in PERCENTILES.items():
                samples[name].setdefault(side.name, []).append(percentile(waits, share))
    return samples


def _throughput(plan: Plan) -> Samples:
    samples: Samples = {name: {} for name in PROCESSES}
    with stage(BACKLOGS) as place:
        for side in place.in_turn(plan.repeat or min(plan.rounds, BACKLOG_ROUNDS)):
            for name, count in PROCESSES.items():
                rate = place.backlog(side, plan.rows(side.backlog), count)
                samples[name].setdefault(side.name, []).append(rate)
    return samples


def _seconds(plan: Plan) -> float:
    return max(SECONDS / plan.divisor, 1)
