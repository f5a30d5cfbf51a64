"""Processes that observe, on one database, and the files in which they leave how often."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.faults.databases import Database
from tests.faults.deliveries import Worker
from tests.faults.metric_figures import Observed
from tests.faults.nursery import Nursery

__all__ = ["Crowd"]


class Crowd:
    """
    Processes that observe.

    Args:
        nursery: Starts them.
        database: Where they write.
        folder: Where they leave what they have said and observed.
        environment: What their settings are read from, beside the database's.
    """

    def __init__(
        self, nursery: Nursery, database: Database, folder: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self.nursery = nursery
        self.database = database
        self.folder = folder
        self.environment = {**database.environment(), **(environment or {})}
        self.workers: list[Worker] = []

    def start(self, story: str, *points: str, action: str = "stop", nth: int = 1, **arguments: Any) -> Worker:
        """Start a story, in which a fault happens at the points if there are any."""
        fault = {"FAULT": json.dumps({"points": points, "nth": nth, "action": action})} if points else {}
        output = self.folder / f"metrics-{len(self.workers)}.log"
        pid = self.nursery.start(story, arguments, {**self.environment, **fault}, output)
        self.workers.append(Worker(self.nursery, pid, output))
        return self.workers[-1]

    def run(self, story: str, **arguments: Any) -> Any:
        """Return what a story returned; it must end well."""
        return self.start(story, **arguments).result()

    def observe(self, **arguments: Any) -> Worker:
        """Start a process that observes until it is told to end."""
        return self.start("observe_until_told", tally=str(self._tally(len(self.workers))), **arguments)

    def observed(self) -> list[Observed]:
        """Return what each of those has observed."""
        paths = [self._tally(number) for number in range(len(self.workers))]
        return [Observed.of(path) for path in paths if path.exists() and path.stat().st_size]

    def said(self) -> str:
        """Return all that any process said, save what its story returned."""
        return "".join(worker.output.read_text() for worker in self.workers if worker.output.exists())

    def strike(self, worker: Worker) -> None:
        """Kill a process, wherever it is."""
        os.kill(worker.pid, signal.SIGKILL)
        worker.wait()

    def close(self) -> None:
        for worker in self.workers:
            worker.kill()

    def _tally(self, number: int) -> Path:
        return self.folder / f"{number}.tally"
