"""
Exact points at which something happens to a process: it is killed or stopped, or an exception is raised.

A point is ``before`` or ``after`` and a statement, known by a part of its text without quotes, or COMMIT, which Django
sends through no cursor; or what the tests' own code calls ``meet()`` with.
"""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

__all__ = ["ACTIONS", "COMMIT", "FLUSH", "Fault", "arm", "arm_from_environment", "armed", "kill_this_process", "meet"]

COMMIT = "COMMIT"
FLUSH = "INSERT INTO clean_timestamps_pending"
QUOTES = re.compile(r"[\"`\[\]]")


def kill_this_process() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def stop_this_process() -> None:
    """Stop, as a machine does that swaps or is suspended, until somebody sends SIGCONT."""
    os.kill(os.getpid(), signal.SIGSTOP)


def raiser(error: type[BaseException]) -> Callable[[], None]:
    def action() -> None:
        raise error("injected")

    return action


ACTIONS: dict[str, Callable[[], None]] = {
    "kill": kill_this_process,
    "stop": stop_this_process,
    **{error.__name__: raiser(error) for error in (ValueError, KeyboardInterrupt, SystemExit, MemoryError)},
}


@dataclass(slots=True, kw_only=True)
class Fault:
    """
    Happens when the process comes by the last of some points after it came by those before it, in order.

    Attributes:
        points: As ``"before COMMIT"``.
        action: A key of ``ACTIONS``, or what to call.
        nth: Which coming by the last point counts, from 1.
    """

    points: list[str]
    action: str | Callable[[], None] = "kill"
    nth: int = 1
    happened: bool = False

    def meet(self, when: str, text: str) -> None:
        if self.happened:
            return
        wanted, _, what = self.points[0].partition(" ")
        if when != wanted or not re.search(rf"{re.escape(what)}\b", text):
            return
        if len(self.points) > 1:
            del self.points[0]
        elif self.nth > 1:
            self.nth -= 1
        else:
            self.happened = True
            action = ACTIONS[self.action] if isinstance(self.action, str) else self.action
            action()


_faults: list[Fault] = []


def arm(*points: str, action: str | Callable[[], None] = "kill", nth: int = 1) -> Fault:
    """Let a fault happen in this process from now on."""
    _install()
    fault = Fault(points=list(points), action=action, nth=nth)
    _faults.append(fault)
    return fault


@contextmanager
def armed(*points: str, action: str | Callable[[], None], nth: int = 1) -> Iterator[Fault]:
    """Let a fault happen inside the block."""
    fault = arm(*points, action=action, nth=nth)
    try:
        yield fault
    finally:
        _faults.remove(fault)


def arm_from_environment() -> None:
    """Arm what ``FAULT`` says: ``{"points": […], "nth": 1, "action": "kill"}``."""
    if given := os.environ.get("FAULT"):
        facts = json.loads(given)
        arm(*facts.pop("points"), **facts)


def meet(when: str, text: str) -> None:
    """Come by a point."""
    for fault in _faults:
        fault.meet(when, text)


def _install() -> None:
    from django.db import connections

    if BaseDatabaseWrapper._commit is _commit_with_points:
        return
    BaseDatabaseWrapper._commit = _commit_with_points  # type: ignore[method-assign]
    connection_created.connect(_watch)
    for connection in connections.all(initialized_only=True):
        _watch(None, connection)


_commit: Any = BaseDatabaseWrapper._commit


def _commit_with_points(connection: BaseDatabaseWrapper) -> None:
    meet("before", COMMIT)
    _commit(connection)
    meet("after", COMMIT)


def _watch(sender: Any, connection: Any, **kwargs: Any) -> None:
    if _execute not in connection.execute_wrappers:
        connection.execute_wrappers.append(_execute)


def _execute(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
    text = QUOTES.sub("", sql)
    meet("before", text)
    result = execute(sql, params, many, context)
    meet("after", text)
    return result
