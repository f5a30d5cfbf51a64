"""What the tasks do."""

from __future__ import annotations

import logging
import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from django.db import Error, close_old_connections

from django_clean_timestamps.delivery import doorbell
from django_clean_timestamps.delivery.drain import drain
from django_clean_timestamps.delivery.failures import one_line
from django_clean_timestamps.eventlog.aliases import entity_aliases, has_log, is_read_only
from django_clean_timestamps.eventlog.retention import prune_if_due
from django_clean_timestamps.exceptions import CleanTimestampsError

__all__ = ["drain_log", "is_stopping", "sweep_logs"]

PRUNE_SECONDS: Final = 3_600.0
"""How often a process asks whether a prune is due."""

logger = logging.getLogger("django_clean_timestamps.tasks")

_asked_at: Final[dict[str, float]] = {}


def drain_log(task: Any, using: str) -> None:
    """Drain one log for five seconds at most; the task is sent again where more may be left."""
    with _bordered(task, using):
        _drain(task, using, doorbell.DRAIN_SECONDS)


def sweep_logs(task: Any) -> None:
    """Drain all logs for five seconds at most, each for its part of them, and prune those that are due."""
    aliases = entity_aliases()
    seconds = doorbell.DRAIN_SECONDS / max(len(aliases), 1)
    for using in aliases:
        with _bordered(task, using):
            if has_log(using) and not is_read_only(using):
                _drain(task, using, seconds)
                _prune(using, seconds)


def is_stopping() -> bool:
    """Say whether the worker that this is has been told to stop; a child process of it is not told."""
    state: Any = sys.modules.get("celery.worker.state")
    # Each is None, False, or the exit code, which may be 0.
    return state is not None and any(
        flag is not None and flag is not False for flag in (state.should_stop, state.should_terminate)
    )


@contextmanager
def _bordered(task: Any, using: str) -> Iterator[None]:
    """Let no log keep the others from their turn; what the database says is one line."""
    if not task.request.is_eager:
        # Lost ones would stay, for Celery closes connections only where it knows of Django.
        close_old_connections()
    try:
        yield
    except (Error, CleanTimestampsError) as error:
        logger.warning("The log of %r could not be drained, and is tried again: %s", using, one_line(error))
    except Exception:
        logger.exception("The log of %r could not be drained, and is tried again", using)


def _drain(task: Any, using: str, seconds: float) -> None:
    with doorbell.draining(using):
        drained = drain(using, seconds=seconds, should_stop=is_stopping)
        while task.request.is_eager and not drained.is_finished:
            # Sent again it would run inside itself.
            drained = drain(using, seconds=seconds)
    if not drained.is_finished:
        _send_again(task, using)


def _send_again(task: Any, using: str) -> None:
    try:
        doorbell.publish(task.app, doorbell.DRAIN, using)
    except Exception as error:  # noqa: BLE001 - the border: a broker's library may raise anything
        logger.warning("The drain of %r could not be sent again; the sweep goes on: %s", using, one_line(error))


def _prune(using: str, seconds: float) -> None:
    now = time.monotonic()
    if now - _asked_at.get(using, -math.inf) < PRUNE_SECONDS:
        return
    try:
        prune_if_due(using, progress=_stop_after(seconds))
    except _Stopped:
        # The next sweep goes on.
        return
    _asked_at[using] = now


def _stop_after(seconds: float) -> Callable[[int], None]:
    end = time.monotonic() + seconds

    def check(count: int) -> None:
        if time.monotonic() > end or is_stopping():
            raise _Stopped

    return check


class _Stopped(Exception):  # noqa: N818 - no error
    pass
