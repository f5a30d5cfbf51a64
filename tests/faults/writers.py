"""
A crowd of processes that write, sequence and read, and are killed at any moment.

``python -m tests.faults.writers '{"seconds": 5, …}'`` prints what came of it as JSON.
"""

from __future__ import annotations

import dataclasses
import json
import os
import random
import signal
import sys
import time
import traceback
from collections import Counter as Multiset
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["Crowd", "tolerate"]

LOST_CONNECTION_SECONDS = 0.05
FLUSH_POINTS = (
    ("before INSERT INTO clean_timestamps_pending",),
    ("after INSERT INTO clean_timestamps_pending",),
    ("after INSERT INTO clean_timestamps_pending", "before COMMIT"),
    ("after INSERT INTO clean_timestamps_pending", "after COMMIT"),
)
SEQUENCER_POINTS = (
    ("before INSERT INTO clean_timestamps_event",),
    ("after INSERT INTO clean_timestamps_event",),
    ("after DELETE FROM clean_timestamps_pending",),
    ("after DELETE FROM clean_timestamps_pending", "before COMMIT"),
    ("after DELETE FROM clean_timestamps_pending", "after COMMIT"),
)
EFFECT = "INSERT INTO faults_effect"
DELIVERY_POINTS = (
    ("after UPDATE clean_timestamps_subscription",),
    (f"before {EFFECT}",),
    (f"after {EFFECT}",),
    (f"after {EFFECT}", "after UPDATE clean_timestamps_subscription"),
    (f"after {EFFECT}", "before COMMIT"),
    (f"after {EFFECT}", "after COMMIT"),
)


@dataclasses.dataclass(kw_only=True)
class Crowd:
    """
    The processes, how long they run, and how they die.

    Attributes:
        seconds: How long.
        folder: Where the processes leave what they have done, for the time after their death.
        workers: How many drain, for the handlers of the environment.
        kills: Whether processes are killed; one is replaced at once.
        levels: The isolation levels of the writers' sessions, taken in turn.
        seed: Of the random choices.
    """

    seconds: float
    folder: str
    writers: int = 3
    sequencers: int = 2
    workers: int = 0
    kills: bool = True
    levels: list[str | None] = dataclasses.field(default_factory=lambda: [None])
    seed: int = 0
    cycles: int = 0

    def run(self) -> dict[str, Any]:
        """Let the crowd work until the time is over, kill all of it, and return what it has left."""
        chance = random.Random(self.seed)
        roles: list[Callable[[int], None]] = [
            self.read,
            *[self.sequence] * self.sequencers,
            *[self.write] * self.writers,
            *[self.deliver] * self.workers,
        ]
        workers = {self._fork(role, chance): role for role in roles}
        deadline = time.monotonic() + self.seconds
        while (left := deadline - time.monotonic()) > 0:
            time.sleep(min(left, chance.uniform(0.02, 0.2)))
            if self.kills:
                os.kill(chance.choice(list(workers)), signal.SIGKILL)
            for worker in ended(workers):
                self.cycles += 1
                role = workers.pop(worker)
                workers[self._fork(role, chance)] = role
        for worker in workers:
            os.kill(worker, signal.SIGKILL)
        for worker in workers:
            os.waitpid(worker, 0)
        return self._outcome()

    def write(self, seed: int) -> None:
        from tests.faults.writes import Writer

        chance, writer = random.Random(seed), None
        with self._report("committed") as report, self._report("errors") as errors:

            def write() -> None:
                nonlocal writer
                writer = writer or Writer(chance)
                report(writer.write())

            self._set_level(chance)
            while True:
                tolerate(errors, write)

    def sequence(self, seed: int) -> None:
        from django_clean_timestamps.eventlog.sequencer import sequence

        chance = random.Random(seed)
        with self._report("errors") as errors:
            while True:
                tolerate(errors, sequence)
                time.sleep(chance.uniform(0, 0.02))

    def deliver(self, seed: int) -> None:
        from django_clean_timestamps.delivery.drain import drain

        chance = random.Random(seed)
        with self._report("errors") as errors:
            while True:
                tolerate(errors, lambda: drain(seconds=1))
                time.sleep(chance.uniform(0, 0.02))

    def read(self, seed: int) -> None:
        """Follow the feed, from where the reader before has left off."""
        from django_clean_timestamps.eventlog import changed_since

        cursor = read_so_far(self.folder)[1]
        with self._report("read") as report, self._report("errors") as errors:

            def read_page() -> None:
                nonlocal cursor
                page = changed_since(cursor, limit=50)
                if page.changes:
                    report({"cursor": page.cursor, "ids": [event.event_id.hex for event in page.changes]})
                cursor = page.cursor
                if not page.has_more:
                    time.sleep(0.02)

            while True:
                tolerate(errors, read_page)

    def _fork(self, role: Callable[[int], None], chance: random.Random) -> int:
        from tests.faults import points

        seed = chance.randrange(1 << 30)
        # Half of the deaths come by themselves, at exact points.
        if self.kills and role != self.read and chance.random() < 0.5:
            points_of_role = {self.sequence: SEQUENCER_POINTS, self.deliver: DELIVERY_POINTS}.get(role, FLUSH_POINTS)
            point, nth = chance.choice(points_of_role), chance.randint(1, 20)
        else:
            point, nth = None, 0
        if pid := os.fork():
            return pid
        try:
            if point:
                points.arm(*point, nth=nth)
            role(seed)
        except BaseException:  # noqa: BLE001 - the parent reports it
            (Path(self.folder) / f"unexpected-{os.getpid()}").write_text(traceback.format_exc())
        finally:
            os._exit(1)

    def _set_level(self, chance: random.Random) -> None:
        from django.db import connections

        if level := chance.choice(self.levels):
            from tests.faults.settings import isolation_level

            settings = connections.settings["default"]
            settings["OPTIONS"] = {**settings["OPTIONS"], "isolation_level": isolation_level(settings["ENGINE"], level)}

    @contextmanager
    def _report(self, kind: str) -> Iterator[Callable[[Any], None]]:
        # One write() a line, which is there once it returned even where the process dies right after.
        with (Path(self.folder) / f"{kind}-{time.time_ns()}-{os.getpid()}").open("ab", buffering=0) as file:
            yield lambda value: file.write(json.dumps(value).encode() + b"\n")

    def _outcome(self) -> dict[str, Any]:
        errors = Multiset(name for name in lines(self.folder, "errors"))
        committed = sum(len(written) for written in lines(self.folder, "committed"))
        unexpected = [path.read_text() for path in Path(self.folder).glob("unexpected-*")]
        return {"cycles": self.cycles, "committed": committed, "errors": errors, "unexpected": unexpected}


def ended(workers: dict[int, Any]) -> list[int]:
    """Return the workers that have ended, fetched."""
    return [worker for worker in workers if os.waitpid(worker, os.WNOHANG)[0]]


def tolerate(report: Callable[[Any], None], work: Callable[[], object]) -> None:
    """Let the loss of a connection, a deadlock and the like pass, as a client does that tries again."""
    from django.db import InterfaceError, OperationalError, connection
    from django.db.transaction import TransactionManagementError

    lost, session = (OperationalError, InterfaceError), None
    # Of an earlier transaction: Django leaves it there.
    connection.rollback_exc = None
    try:
        connection.ensure_connection()
        session = connection.connection
        work()
    except (*lost, TransactionManagementError) as error:
        # A loss that Django swallowed as it rolled back to a savepoint is noticed with the next query, which names no
        # cause; by now the transaction has ended, and Django has taken another session.
        if not isinstance(error, lost) and not isinstance(error.__cause__, lost) and connection.connection is session:
            raise
        report(f"{type(error).__name__}: {str(error).splitlines()[0][:80]}")
        connection.close()
        time.sleep(LOST_CONNECTION_SECONDS)


def lines(folder: str, kind: str) -> Iterator[Any]:
    """Yield what the processes of a folder have reported, those that began first first."""
    for path in sorted(Path(folder).glob(f"{kind}-*")):
        # A process may have been killed in the midst of its last line.
        for line in path.read_bytes().split(b"\n")[:-1]:
            yield json.loads(line)


def acknowledged(folder: str) -> Iterator[tuple[str, int]]:
    """Yield each write that a process of the crowd was told is committed."""
    for written in lines(folder, "committed"):
        yield from written


def read_so_far(folder: str) -> tuple[list[str], str | None]:
    """Return the ids of the events that the crowd's readers have seen, in order, and the cursor behind them."""
    pages = list(lines(folder, "read"))
    return [event_id for page in pages for event_id in page["ids"]], pages[-1]["cursor"] if pages else None


if __name__ == "__main__":
    import django

    django.setup()
    print(json.dumps(Crowd(**json.loads(sys.argv[1])).run()))  # noqa: T201
