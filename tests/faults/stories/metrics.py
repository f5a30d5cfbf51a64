"""Observing, and what writes that down meanwhile."""

from __future__ import annotations

import fcntl
import mmap
import multiprocessing
import os
import signal
import struct
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.core.signals import request_finished, request_started
from django.db import DatabaseError, connection, connections, transaction

from django_clean_timestamps import probes
from django_clean_timestamps.conf import get_settings
from django_clean_timestamps.eventlog.fields import database_now
from django_clean_timestamps.metrics import flushing, lease, minutes, recorder, rollups, store
from django_clean_timestamps.metrics.lease import LeaseLost, take_lease
from django_clean_timestamps.metrics.models import MetricLease, MetricMinute
from django_clean_timestamps.metrics.recording import FLUSHER, RECORDER
from django_clean_timestamps.metrics.rollups import Rollups
from tests.faults import points
from tests.faults.app.models import Counter
from tests.faults.stories import say, story
from tests.faults.writes import new_name

MODELS, OPERATIONS = 10, ("create", "update", "touch", "delete")
SERIES = [(f"faults.model{number}", name, "ok", "default") for number in range(MODELS) for name in OPERATIONS]
MINUTE_SECONDS = 2
"""How long a minute takes for those in a hurry."""


def hurry(flush_seconds: float = 0.2, minute_seconds: int = MINUTE_SECONDS) -> None:
    """Let this process write often, and its minutes pass sooner."""
    flushing.FOLD_SECONDS = min(0.05, flush_seconds)  # type: ignore[misc]
    flushing.FLUSH_SECONDS = FLUSHER._interval = flush_seconds  # type: ignore[misc]
    flushing.BEAT_SECONDS = flush_seconds  # type: ignore[misc]
    flushing.BUSY_SECONDS = 0.05  # type: ignore[misc]
    lease.LEASE_SECONDS, lease.IDLE_SECONDS = 2.0, 1.0  # type: ignore[misc]
    for module in (minutes, recorder, rollups, store):
        module.MINUTE = minute_seconds  # type: ignore[attr-defined]
    # Until the transaction of one that is killed or stopped is gone.
    minutes.WRITABLE_SECONDS = store.WRITABLE_SECONDS = 2 * minute_seconds  # type: ignore[misc]
    store.SLOW_SECONDS = 1.0  # type: ignore[misc]
    store.IDLE_SECONDS = 1.0  # type: ignore[misc]
    rollups.CLOSED_SECONDS = 5 * minute_seconds  # type: ignore[misc]


class Tally:
    """
    What a process has observed, in a file that outlives it.

    ``begun`` counts observations that may have been made, ``made`` those that were, and ``flushed`` those that were
    made before the last flush that succeeded.
    """

    def __init__(self, path: Path) -> None:
        path.write_bytes(bytes(32))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 32)
        self.begun = self.made = 0
        self._set(3, RECORDER.writer)
        flush = store.Store.flush

        def noted(store: store.Store) -> int:
            made = self.made
            written = flush(store)
            self._set(2, made)
            return written

        store.Store.flush = noted  # type: ignore[method-assign]

    @contextmanager
    def observing(self, count: int) -> Iterator[None]:
        self.begun += count
        self._set(0, self.begun)
        yield
        self.made += count
        self._set(1, self.made)

    def _set(self, place: int, value: int) -> None:
        struct.pack_into("q", self._map, 8 * place, value)


def until_told() -> Callable[[], bool]:
    """Return what says whether this process is to go on: until SIGTERM."""
    told: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: told.append(number))
    return lambda: not told


@story
def observe_until_told(tally: str, flush_seconds: float = 0.2) -> int:
    """Observe in forty series until SIGTERM, end as a process does, and return how often."""
    go_on = until_told()
    hurry(flush_seconds)
    kept = Tally(Path(tally))
    say("ready")
    while go_on():
        with kept.observing(len(SERIES)):
            for series in SERIES:
                probes.recorder.observe(series, 0.001)  # type: ignore[union-attr]
        time.sleep(0.005)
    # What atexit does, which a process of the nursery ends without; for a machine that is busier than any second.
    flushing.EXIT_SECONDS = 30.0  # type: ignore[misc]
    FLUSHER.finish()
    return kept.made


@story
def observe(count: int) -> int:
    """Observe, and end; return this process's number."""
    _observe(count)
    FLUSHER.finish()
    return RECORDER.writer


@story
def stop_before_writing(minute_seconds: int) -> int:
    """Observe, stop between the look at the clock and the transaction that writes, go on, and return how often."""
    hurry(3_600, minute_seconds)
    _observe(len(SERIES))
    points.arm("after SELECT statement_timestamp", action="stop")
    flushes = 0
    while RECORDER.has_news:
        FLUSHER.flush()
        flushes += 1
    assert flushes == 2
    return len(SERIES)


def _observe(count: int) -> None:
    for number in range(count):
        probes.recorder.observe(SERIES[number % len(SERIES)], 0.001)  # type: ignore[union-attr]


@story
def wait_between_flushes() -> None:
    """Observe and write that down; say "ready", and wait for SIGTERM as one does that has written just now."""
    go_on = until_told()
    hurry(0.1)
    # The first flush is due already; the next one will not be.
    flushing.FLUSH_SECONDS = flushing.FLUSH_SECONDS_AT_MOST = 3_600.0  # type: ignore[misc]
    _observe(len(SERIES))
    while RECORDER.has_news:
        time.sleep(0.01)
    say("ready")
    while go_on():
        time.sleep(0.05)


@story
def close_minutes(
    hurried: bool = True, ahead: int = 60, seconds: float = 30, minute_seconds: int = MINUTE_SECONDS
) -> str:
    """
    Close every minute, as whoever has the lease does; return what came of it.

    Args:
        hurried: Whether minutes are those of processes in a hurry.
        ahead: By how many seconds the clock is put forward, so that all are past.
        seconds: How long the lease is waited for.
        minute_seconds: How long those minutes are.
    """
    if hurried:
        hurry(minute_seconds=minute_seconds)
    lease.LEASE_SECONDS = lease.IDLE_SECONDS = 1.0  # type: ignore[misc]
    using, deadline = get_settings().metrics_database, time.monotonic() + seconds
    owner = recorder.new_writer()
    try:
        while (taken := take_lease(using, owner)) is None:
            assert time.monotonic() < deadline, "the lease is never free"
            time.sleep(0.05)
        Rollups(using).roll_up(taken, int(database_now(using).timestamp()) + ahead)
    except (LeaseLost, DatabaseError) as error:
        return type(error).__name__
    return "closed"


@story
def age_minutes(seconds: int) -> None:
    """Let all that was written have been written earlier."""
    for row in MetricMinute.objects.all():
        row.start -= seconds
        row.save()
    MetricLease.objects.update_or_create(defaults={"owner": 0, "lease_until": None, "closed_before": 0})


# Processes as projects have them.


@story
def save_once(seconds: float = 0.2) -> int:
    """Do what a command does that ends soon."""
    Counter.objects.create(name=new_name())
    time.sleep(seconds)
    return 1


def save(count: int) -> None:
    for _ in range(count):
        Counter.objects.create(name=new_name())


def save_and_exit(count: int) -> None:
    save(count)
    sys.exit(0)


@story
def fork_in_between(count: int, way: str, flush_seconds: float | None = None) -> int:
    """
    Save, fork children that save, and save again; return how many saves that were.

    Args:
        count: How often each saves.
        way: ``"fork"`` for children that end as any process does, ``"process"`` and ``"pool"`` for multiprocessing's.
        flush_seconds: How often the parent writes meanwhile; as usual by default.
    """
    if flush_seconds is not None:
        flushing.FOLD_SECONDS = flushing.FLUSH_SECONDS = FLUSHER._interval = flush_seconds  # type: ignore[misc]
    save(count)
    # Or the parent's would be the children's.
    connections.close_all()
    if way == "fork":
        children = [_fork(count) for _ in range(3)]
        assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0] * 3
    elif way == "process":
        context = multiprocessing.get_context("fork")
        processes = [context.Process(target=save, args=(count,)) for _ in range(3)]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
            assert process.exitcode == 0
    else:
        with multiprocessing.get_context("fork").Pool(2) as pool:
            pool.map(save, [count] * 3, chunksize=1)
            pool.close()
            pool.join()
    save(count)
    return 5 * count


def _fork(count: int) -> int:
    if pid := os.fork():
        return pid
    save_and_exit(count)
    raise AssertionError


@story
def fork_while_flushing(forks: int) -> int:
    """Fork again and again while this process writes all the time; return how many observations were made."""
    hurry(0.0)
    made = 0
    for _ in range(forks):
        _observe(len(SERIES))
        made += len(SERIES)
        if not (pid := os.fork()):
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        time.sleep(0.003)
    return made


@story
def save_until_told(flush_seconds: float = 0.1) -> dict[str, Any]:
    """Save until SIGTERM, and say after each save how many there were; return that and the slowest one's seconds."""
    go_on = until_told()
    hurry(flush_seconds)
    made, slowest = 0, 0.0
    while go_on():
        started = time.monotonic()
        save(1)
        slowest = max(slowest, time.monotonic() - started)
        made += 1
        say(str(made))
        time.sleep(0.01)
    FLUSHER.finish()
    return {"made": made, "slowest": slowest}


@story
def serve_requests(seconds: float, way: str, lock: str | None = None, flush_seconds: float = 0.2) -> dict[str, Any]:
    """
    Serve requests, each a transaction that writes, and return how many rows they saved and what they raised.

    Args:
        seconds: For how long.
        way: ``"write"`` for transactions that begin with a write, ``"read"`` for those that read before.
        lock: A file that keeps the transactions of several processes apart, so that none is refused by another.
        flush_seconds: How often metrics are written.
    """
    hurry(flush_seconds)
    deadline = time.monotonic() + seconds
    made, errors = 0, []
    while time.monotonic() < deadline:
        request_started.send(sender=None, environ={})
        try:
            with _locked(lock), transaction.atomic():
                if way == "read":
                    Counter.objects.count()
                    time.sleep(0.005)
                save(1)
                time.sleep(0.005)
            made += 1
        except DatabaseError as error:
            errors.append(f"{type(error).__name__}: {error}")
        request_finished.send(sender=None)
    FLUSHER.finish()
    return {"made": made, "errors": errors}


@contextmanager
def _locked(path: str | None) -> Iterator[None]:
    if path is None:
        yield
        return
    with Path(path).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@story
def use_write_ahead_log() -> str:
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA journal_mode = WAL")
        return str(cursor.fetchone()[0])


@story
def send_tasks(count: int) -> int:
    from tests.faults.app.tasks import save

    for _ in range(count):
        save.delay()
    return count
