"""Handlers on a database, the workers that run them, and what they have done, seen from outside."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from tests.faults.celery_processes import CeleryProcess
from tests.faults.databases import CHILD_SECONDS, Database
from tests.faults.effects import Effect, judge_effects
from tests.faults.handlers import effects_file, outage_file
from tests.faults.nursery import Nursery
from tests.faults.oracle import Verdict, judge
from tests.faults.waiting import WAIT_SECONDS, wait_until

__all__ = ["Delivery", "Worker"]

CeleryT = TypeVar("CeleryT", bound=CeleryProcess)

SETTINGS = {"LEASE_SECONDS": 0.5, "SWEEP_SECONDS": 0.2, "BACKOFF_SECONDS": [0.05, 0.4]}
"""Short ones, so that what waits for a lease or a backoff takes a moment."""


class Delivery:
    """
    The delivery of one database's events.

    Args:
        nursery: Starts the processes.
        database: The database.
        folder: Where handlers leave what is no row.
        handlers: What ``handlers.Deed`` and ``on_timestamp`` are given; one that records rows by default.
        settings: Of the package, beside short leases and backoffs.

    Attributes:
        broker: The address of Celery's broker, where there is to be one.
    """

    def __init__(
        self,
        nursery: Nursery,
        database: Database,
        folder: Path,
        handlers: Sequence[Mapping[str, Any]] = ({"name": "ledger"},),
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self.nursery = nursery
        self.database = database
        self.folder = folder
        self.handlers = list(handlers)
        self.settings = {**SETTINGS, **(settings or {})}
        self.broker: str | None = None
        self.workers: list[Worker] = []
        self.celery: list[CeleryProcess] = []

    @property
    def environment(self) -> dict[str, str]:
        return {
            "FAULTS_HANDLERS": json.dumps(self.handlers),
            "FAULTS_FOLDER": str(self.folder),
            "FAULTS_SETTINGS": json.dumps(self.settings),
            **({"FAULTS_BROKER": self.broker} if self.broker else {}),
        }

    # What is done.

    def begin(self, **sizes: int) -> None:
        """Make the counters, and let each handler's subscription be born before their first event."""
        self.run("prepare", **sizes)
        self.run("drain_once")

    def run(self, story: str, **arguments: Any) -> Any:
        """Return what a story returned; it must end well."""
        return self.start(story, **arguments).result()

    def start(
        self,
        story: str = "drain_again_and_again",
        *points: str,
        action: str = "kill",
        nth: int = 1,
        **arguments: Any,
    ) -> Worker:
        """Start a worker, or another story, in which a fault happens at the points if there are any."""
        fault = {"FAULT": json.dumps({"points": points, "nth": nth, "action": action})} if points else {}
        given = {**self.database.environment(), **self.environment, **fault}
        # What a worker says of each failure goes into a file, which nobody has to read while it works.
        output = self.folder / f"process-{len(self.workers)}.log"
        self.workers.append(Worker(self.nursery, self.nursery.start(story, arguments, given, output), output))
        return self.workers[-1]

    def deliver_all(self, seconds: float = WAIT_SECONDS, **arguments: Any) -> Any:
        """Let a worker that nothing happens to deliver what is left, however long a lease holds it up."""
        worker = self.start("deliver_all", seconds=seconds, **arguments)
        return worker.result(seconds=seconds + WAIT_SECONDS)

    def start_celery(self, kind: type[CeleryT]) -> CeleryT:
        """Start a program of Celery's, and return once it is ready."""
        return self._spawn(kind).wait_until_ready()

    def supervise(self) -> None:
        """Start anew what of Celery's has ended by itself, as a service manager does."""
        for process in [each for each in self.celery if each.has_ended]:
            process.kill()
            self._spawn(type(process))

    def wait_until_delivered(self, seconds: float = WAIT_SECONDS) -> None:
        """Return once those that work have delivered everything."""

        def is_delivered() -> bool:
            self.supervise()
            return self.is_delivered()

        wait_until(is_delivered, "everything delivered", seconds)

    def close(self) -> None:
        for process in [*self.celery, *self.workers]:
            process.kill()

    @contextlib.contextmanager
    def outage(self) -> Any:
        """Let what every handler calls be down inside the block."""
        outage_file(self.folder).touch()
        try:
            yield
        finally:
            outage_file(self.folder).unlink()

    def _spawn(self, kind: type[CeleryT]) -> CeleryT:
        environment = {**self.database.environment(), **self.environment}
        process = kind(environment, self.folder, f"{kind.__name__}-{len(self.celery)}")
        self.celery.append(process)
        return process

    # What came of it.

    def effects(self, name: str = "ledger") -> list[Effect]:
        """Return what a handler has done, in order, in the database or outside."""
        path = effects_file(self.folder, name)
        if path.exists():
            return [Effect(**json.loads(line)) for line in path.read_text().splitlines()]
        rows = self.database.query(
            f"SELECT entity, number, event_id FROM faults_effect WHERE handler = '{name}' ORDER BY id"
        )
        return [Effect(entity=entity, number=number, event_id=event_id) for entity, number, event_id in rows]

    def effect_count(self, name: str = "ledger") -> int:
        if (path := effects_file(self.folder, name)).exists():
            return path.read_bytes().count(b"\n")
        return self.database.value(f"SELECT count(*) FROM faults_effect WHERE handler = '{name}'")

    def tally(self, name: str = "ledger") -> int:
        return self.database.value(f"SELECT coalesce(sum(count), 0) FROM faults_tally WHERE handler = '{name}'")

    def is_delivered(self) -> bool:
        """Say whether nothing is pending, parked or before a cursor."""
        [counts] = self.database.query(
            "SELECT (SELECT count(*) FROM clean_timestamps_pending), (SELECT count(*) FROM clean_timestamps_parkedevent "
            "WHERE state IN ('retry', 'waiting')), (SELECT count(*) FROM clean_timestamps_subscription s WHERE "
            "s.until IS NOT NULL OR s.cursor < (SELECT max(position) FROM clean_timestamps_loghead))"
        )
        return not any(counts)

    def attempts(self, name: str = "ledger") -> list[str]:
        """Return the keys of the misdeeds that a handler has come to, each as often as it has."""
        path = self.folder / f"{name}.attempts"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def parked(self, columns: str = "state, attempts") -> list[Any]:
        return self.database.query(f"SELECT {columns} FROM clean_timestamps_parkedevent ORDER BY handler, position")

    def subscription(self, *columns: str, name: str = "ledger") -> Any:
        """Return some columns of a handler's subscription, which must have one shard."""
        # MariaDB has another meaning for "cursor" alone.
        wanted = ", ".join(f"s.{column}" for column in columns)
        [row] = self.database.query(f"SELECT {wanted} FROM clean_timestamps_subscription s WHERE s.handler = '{name}'")
        return row[0] if len(row) == 1 else row

    def judge(
        self, acknowledged: Collection[tuple[str, int]] = (), *, dead: Collection[tuple[str, int]] = ()
    ) -> Verdict:
        """Hold the log and every handler's effects against the rows, once everything is delivered."""
        self.database.settle()
        state = self.database.state()
        verdict = judge(state, acknowledged=acknowledged)
        verdict.events = 0
        for facts in self.handlers:
            of_one = judge_effects(
                state, self.effects(facts["name"]), may_repeat=facts.get("outside", False), dead=dead
            )
            verdict.events += of_one.events
            for kind in ("lost", "doubled", "untrue", "out_of_order"):
                getattr(verdict, kind).extend(f"{facts['name']}: {text}" for text in getattr(of_one, kind))
            if facts.get("is_tallied") and (count := self.tally(facts["name"])) != of_one.events:
                verdict.untrue.append(f"{facts['name']}: {of_one.events} effects were tallied as {count}")
        return verdict


class Worker:
    """A process that tells a story, and may be killed and stopped."""

    def __init__(self, nursery: Nursery, pid: int, output: Path) -> None:
        self.nursery = nursery
        self.pid = pid
        self.output = output

    def wait_until_ready(self) -> Worker:
        wait_until(lambda: self.output.exists() and "ready\n" in self.output.read_text(), "a worker that is ready")
        return self

    def wait_until_stopped(self) -> None:
        """Return once it has stopped itself."""
        assert self.nursery.wait_until_stopped(self.pid, WAIT_SECONDS) == signal.SIGSTOP, self.output.read_text()

    def go_on(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def wait(self, seconds: float = CHILD_SECONDS) -> int:
        """Return its exit code, minus the signal where one killed it."""
        code = self.nursery.wait(self.pid, seconds)
        assert code is not None, f"it did not end within {seconds} s:\n{self.output.read_text()}"
        return code

    def result(self, seconds: float = CHILD_SECONDS) -> Any:
        """Return what its story returned; it must end well."""
        assert (code := self.wait(seconds)) == 0, f"it ended with {code}:\n{self.output.read_text()}"
        return json.loads(self.output.read_text().splitlines()[-1])

    def end(self) -> Any:
        """Tell it to end, and return what its story returned."""
        os.kill(self.pid, signal.SIGTERM)
        return self.result()

    def kill(self) -> None:
        """Kill it, unless it has ended."""
        self.nursery.kill(self.pid)
