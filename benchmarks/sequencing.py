"""How many events a second the sequencer moves behind the head."""

from benchmarks.database import settle, vendor
from benchmarks.filling import empty_log, fill_pending
from benchmarks.measuring import Benchmark, Plan, Result, timed
from django_clean_timestamps.eventlog.models import Event, Pending
from django_clean_timestamps.eventlog.sequencer import sequence

EVENTS = 200_000
ROUNDS = 5
"""No more: one of them moves as many events as all rounds of another benchmark."""

TARGETS = {"sqlite": 40_000, "postgresql": 50_000, "mariadb": 50_000}
SEQUENCER = "sequencer"


def backlog(plan: Plan) -> Result:
    """Sequence a backlog, pass by pass."""
    count = plan.rows(EVENTS)
    rates = [count / _seconds(count, plan) for _ in range(min(plan.rounds, ROUNDS))]
    empty_log()
    return Result(
        rows=count,
        unit="per_second",
        samples={SEQUENCER: rates},
        subject=SEQUENCER,
        baseline=None,
        target=TARGETS[vendor()],
    )


def _seconds(count: int, plan: Plan) -> float:
    empty_log()
    fill_pending(count)
    settle(Pending, Event)
    seconds = timed(sequence, plan.clock)
    if (found := Event.objects.count()) != count:
        raise RuntimeError(f"Of {count} pending events {found} were sequenced")
    return seconds


def benchmarks() -> list[Benchmark]:
    return [Benchmark(group="sequencing", name="backlog", measure=backlog)]
