"""Copies of a process."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable

from django.db import connections

__all__ = ["fork", "in_a_fork", "wait_for"]


def in_a_fork(function: Callable[[], object]) -> int:
    """Return the exit code of a copy of this process that runs the function; minus the signal where one killed it."""
    return wait_for(fork(function))


def wait_for(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def fork(function: Callable[[], object]) -> int:
    """Start a copy of this process that runs the function, on a connection of its own."""
    connections.close_all()
    if pid := os.fork():
        return pid
    try:
        function()
        os._exit(0)
    except BaseException:  # noqa: BLE001 - the parent sees the exit code, whoever looks for the reason this
        traceback.print_exc()
    finally:
        os._exit(1)
