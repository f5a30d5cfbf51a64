"""
How much memory a Celery worker takes over a long backlog.

One real worker sequences and handles events that the database itself filled in, in batches whose effect is one
statement. The resident memory of all its processes is added up, as the kernel tells it, which is Linux's.
"""

import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from benchmarks import processes
from benchmarks.database import settle
from benchmarks.delivery import empty_all
from benchmarks.filling import fill_pending
from benchmarks.measuring import Benchmark, Plan, Result
from benchmarks.models import Effect
from benchmarks.peers.sides import celery_worker
from benchmarks.project.timestamp_handlers import EVERYTHING, HANDLER
from benchmarks.servers import Redis, started
from django_clean_timestamps.delivery.models import Subscription
from django_clean_timestamps.eventlog.models import Event, Pending
from tests.faults.processes import descendants

EVENTS = 1_000_000
SHARES = (0.05, 0.25, 0.5, 0.75, 1.0)
"""How much of the backlog is done where the memory is reported; what it is before the first is that of starting up."""

TARGET_MB = 5
"""The most that it may have grown by between the first and the last of them: the allocator's own, by chance."""

EVERY_SECONDS = 0.25
STALLED_SECONDS = 60


def memory(plan: Plan) -> Result:
    """Follow a worker's memory from one share of a backlog to the next."""
    count = plan.rows(EVENTS)
    empty_all()
    fill_pending(count)
    settle(Pending, Event, Effect)
    with tempfile.TemporaryDirectory(prefix="clean_timestamps_bench_") as directory, started(Redis()) as redis:
        env = processes.environment(**{"BENCHMARK_BROKER_URL": redis.url, HANDLER: EVERYTHING})
        command = [*celery_worker(1), "--beat", "--schedule", f"{directory}/beat"]
        with processes.running([command], env, Path(directory) / "log") as pids:
            curve = _curve(pids[0], count)
    if (found := Effect.objects.count()) != count:
        raise RuntimeError(f"Of {count} events came {found} effects")
    empty_all()
    samples = {f"{share:.0%}": [_at(curve, share * count)] for share in SHARES}
    first, *_, last = samples
    return Result(rows=count, unit="bytes", samples=samples, subject=last, baseline=first, target=TARGET_MB)


def benchmarks() -> list[Benchmark]:
    return [Benchmark(group="worker", name="memory", measure=memory)]


def _curve(pid: int, count: int) -> list[tuple[int, float]]:
    """Return how many events were done and how many megabytes there were, again and again until all are."""
    curve: list[tuple[int, float]] = []
    done, moved_at = 0, time.monotonic()
    while done < count:
        time.sleep(EVERY_SECONDS)
        reached = Subscription.objects.values_list("cursor", flat=True).first() or 0
        curve.append((reached, _megabytes([pid, *descendants(pid)])))
        if reached != done:
            done, moved_at = reached, time.monotonic()
        elif time.monotonic() - moved_at > STALLED_SECONDS:
            raise RuntimeError(f"The worker stands at {done} of {count} events")
    return curve


def _megabytes(pids: Sequence[int]) -> float:
    kilobytes = 0
    for pid in pids:
        with suppress(FileNotFoundError, ProcessLookupError):
            lines = Path(f"/proc/{pid}/status").read_text().splitlines()
            kilobytes += sum(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))
    return kilobytes / 1024


def _at(curve: Sequence[tuple[int, float]], done: float) -> float:
    """Return the memory when so many events were done for the first time."""
    return next(megabytes for reached, megabytes in curve if reached >= done)
