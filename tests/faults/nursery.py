"""
A process that has Django loaded and forks whenever a story is to be told, each in a process of its own.

It has no connection and no thread itself, so what it forks begins as a new process does, in some milliseconds instead
of a second. ``python -m tests.faults.nursery`` is the process, ``Nursery`` its face in the tests.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

__all__ = ["Nursery"]

ROOT = Path(__file__).resolve().parents[2]
NO_DATABASE = {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}


class Nursery:
    """Starts stories, and says how they ended."""

    def __enter__(self) -> Self:
        environment = {
            "DJANGO_SETTINGS_MODULE": "tests.faults.settings",
            "FAULTS_DATABASE": json.dumps(NO_DATABASE),
            "PYTHONPATH": str(ROOT),
        }
        self._process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "tests.faults.nursery"],
            cwd=ROOT,
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            # Whoever interrupts the tests lets them end it.
            start_new_session=True,
        )
        return self

    def __exit__(self, *unused: object) -> None:
        # With its input at its end it kills whom it has forked.
        self._process.communicate(timeout=30)

    def start(self, story: str, arguments: Mapping[str, Any], environment: Mapping[str, str], output: Path) -> int:
        """
        Fork a process that tells a story, and return its id.

        Args:
            story: Its name.
            arguments: What it is called with.
            environment: What its settings, handlers and faults are read from.
            output: Where it writes what it says and, last, what it returned.
        """
        return self._ask("fork", story, dict(arguments), dict(environment), str(output))

    def wait(self, pid: int, seconds: float) -> int | None:
        """Return the exit code of a process, minus the signal where one killed it; None where it goes on."""
        return self._ask("wait", pid, seconds)

    def wait_until_stopped(self, pid: int, seconds: float) -> int | None:
        """Return the signal that has stopped a process; None where it goes on."""
        return self._ask("wait_until_stopped", pid, seconds)

    def kill(self, pid: int) -> None:
        """Kill a process, unless it has ended."""
        self._ask("kill", pid)

    def _ask(self, command: str, *arguments: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps([command, arguments]), file=self._process.stdin, flush=True)
        return json.loads(self._process.stdout.readline())


class Keeper:
    """The process itself."""

    def __init__(self) -> None:
        self.children: set[int] = set()
        self.ended: dict[int, int] = {}

    def serve(self) -> None:
        for line in sys.stdin:
            command, arguments = json.loads(line)
            print(json.dumps(getattr(self, command)(*arguments)), flush=True)  # noqa: T201
        for pid in self.children:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)

    def fork(self, story: str, arguments: dict[str, Any], environment: dict[str, str], output: str) -> int:
        if pid := os.fork():
            self.children.add(pid)
            return pid
        try:
            become(environment, output)
            tell(story, arguments)
            os._exit(0)
        except BaseException:  # noqa: BLE001 - the test reads it
            traceback.print_exc()
        finally:
            os._exit(1)

    def kill(self, pid: int) -> None:
        if pid in self.children:
            os.kill(pid, signal.SIGKILL)
            self.wait(pid, 30)

    def wait(self, pid: int, seconds: float) -> int | None:
        deadline = time.monotonic() + seconds
        while pid in self.children and time.monotonic() < deadline:
            self._look(pid)
        return self.ended.get(pid)

    def wait_until_stopped(self, pid: int, seconds: float) -> int | None:
        deadline = time.monotonic() + seconds
        while pid in self.children and time.monotonic() < deadline:
            if stopped_by := self._look(pid):
                return stopped_by
        return None

    def _look(self, pid: int) -> int | None:
        """Note that a child has ended, or return the signal that has just stopped it; after a moment if neither."""
        found, status = os.waitpid(pid, os.WNOHANG | os.WUNTRACED)
        if not found:
            time.sleep(0.005)
        elif os.WIFSTOPPED(status):
            return os.WSTOPSIG(status)
        else:
            self.children.remove(pid)
            self.ended[pid] = os.waitstatus_to_exitcode(status)
        return None


def become(environment: Mapping[str, str], output: str) -> None:
    """Let this process be what one is that was started with the environment."""
    from django.conf import settings
    from django.db import connections

    from tests.faults import celery_app, handlers, points
    from tests.faults.settings import databases

    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for standard in (1, 2):
        os.dup2(file, standard)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.environ.update(environment)
    random.seed()
    settings.DATABASES = databases()
    for connection in connections.all(initialized_only=True):
        # Never opened, and of no database.
        del connections[connection.alias]
    connections.settings = connections.configure_settings(settings.DATABASES)
    settings.CLEAN_TIMESTAMPS = json.loads(os.environ.get("FAULTS_SETTINGS", "{}"))
    if broker := os.environ.get("FAULTS_BROKER"):
        celery_app.app.conf.broker_url = broker
    handlers.register_from_environment()
    points.arm_from_environment()


def tell(name: str, arguments: Mapping[str, Any]) -> None:
    from tests.faults import stories

    stories.say(json.dumps(stories.STORIES[name](**arguments)))


if __name__ == "__main__":
    import django

    from tests.faults import stories

    django.setup()
    stories.load()
    Keeper().serve()
