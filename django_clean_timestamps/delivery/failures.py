"""What it means when a handler fails, and how long to wait then."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Final

from django.db import InterfaceError, OperationalError

__all__ = ["HandlerFailed", "full_jitter", "is_transient", "one_line"]

ERROR_LENGTH: Final = 2_000

# Serialization failure, deadlock; a session that was ended, also for sitting idle; a server that starts.
_POSTGRESQL: Final = frozenset({"40001", "40P01", "57P01", "57P02", "57P03", "25P03"})
# Changed since the snapshot, lock wait timeout, deadlock; a connection that is gone, was killed, or cannot be had.
_MYSQL: Final = frozenset({1020, 1040, 1053, 1205, 1213, 1927, 2002, 2003, 2006, 2013, 2055, 4031})


class HandlerFailed(Exception):  # noqa: N818 - the error is its cause
    """
    A handler raised.

    Args:
        error: What it raised.
        index: Which of the batch's items, None where only the batch as a whole is known.
    """

    def __init__(self, error: Exception, index: int | None = None) -> None:
        self.error = error
        self.index = index
        super().__init__(str(error))


def is_transient(error: BaseException) -> bool:
    """
    Say whether it was the database's state and not the event that made a handler fail.

    So are deadlocks, serialization failures, waits that timed out and connections that were lost: what was done is
    rolled back, and it is tried again without counting.
    """
    if isinstance(error, InterfaceError):
        return "closed" in str(error)
    if not isinstance(error, OperationalError):
        return False
    cause = error.__cause__
    state = getattr(cause, "sqlstate", None)
    if state is not None:
        return state in _POSTGRESQL or state.startswith("08")
    if error.args and isinstance(error.args[0], int):
        return error.args[0] in _MYSQL
    text = str(error)
    return "is locked" in text or "connection" in text


def full_jitter(attempt: int, *, base: timedelta, cap: timedelta) -> timedelta:
    """
    Return how long to wait before the next attempt.

    Uniform over ``[0, min(cap, base * 2**attempt)]``.

    Args:
        attempt: Attempts that have failed so far, counted from 0.
        base: The first wait's upper bound.
        cap: Every wait's upper bound.

    Raises:
        ValueError: ``attempt`` is negative.

    Source:
        M. Brooker, "Exponential Backoff And Jitter", AWS, 2015.
    """
    if attempt < 0:
        raise ValueError(f"attempt is {attempt}; 0 or more is wanted")
    # 2**64 times any base is past any cap.
    longest = min(cap.total_seconds(), base.total_seconds() * 2 ** min(attempt, 64))
    return timedelta(seconds=random.uniform(0, longest))  # noqa: S311 - nothing secret


def one_line(error: BaseException) -> str:
    """Return an error's type and text on one line, at most 2,000 characters."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:ERROR_LENGTH]
