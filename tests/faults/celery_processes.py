"""Celery's own processes: workers and beat, each with what it forks in a session of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Self

from tests.faults.processes import descendants
from tests.faults.waiting import wait_until

__all__ = ["Beat", "CeleryProcess", "CeleryWorker"]

ROOT = Path(__file__).resolve().parents[2]
STOP_SECONDS = 30 + 30
"""Half a minute of billiard's, whose children wait that long until the parent has read all they said, and one of ours."""


class CeleryProcess:
    """
    A program of Celery's.

    Args:
        environment: Where it finds the database, the handlers and the broker.
        folder: Where it writes its log and what it keeps.
        name: By which its files are told from those of others.
    """

    arguments: tuple[str, ...]
    ready: str

    def __init__(self, environment: Mapping[str, str], folder: Path, name: str) -> None:
        self.log = folder / f"{name}.log"
        self.is_wanted = True
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "celery", "--app", "tests.faults.celery_app", *self.arguments_of(folder, name)],
                cwd=ROOT,
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def arguments_of(self, folder: Path, name: str) -> list[str]:
        return [*self.arguments, "--loglevel", "INFO"]

    def wait_until_ready(self) -> Self:
        wait_until(self._is_ready, f"{self.log.name} says {self.ready!r}")
        return self

    @property
    def has_ended(self) -> bool:
        """Whether it has ended though nobody asked it to."""
        return self.is_wanted and self.process.poll() is not None

    def stop(self) -> None:
        """End it as an operator does, by a signal to its main process alone."""
        self.is_wanted = False
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(STOP_SECONDS) == 0, self.log.read_text()[-3_000:]

    def kill(self) -> None:
        """Kill all of it."""
        self.is_wanted = False
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def _is_ready(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()[-3_000:]
        return self.ready in self.log.read_text()


class CeleryWorker(CeleryProcess):
    """A worker with two processes in its pool; no beat."""

    arguments = ("worker", "--pool", "prefork", "--concurrency", "2", "--without-gossip", "--without-mingle")
    ready = " ready."

    def arguments_of(self, folder: Path, name: str) -> list[str]:
        return [*super().arguments_of(folder, name), "--hostname", f"{name}@localhost"]

    def children(self) -> list[int]:
        return descendants(self.process.pid)


class Beat(CeleryProcess):
    """The schedule."""

    arguments = ("beat",)
    ready = "beat: Starting..."

    def arguments_of(self, folder: Path, name: str) -> list[str]:
        files = ("--schedule", str(folder / f"{name}.schedule"), "--pidfile", "")
        return [*super().arguments_of(folder, name), *files]
