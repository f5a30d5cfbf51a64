"""Lists that collect events as they are recorded, for tests and for whoever watches one block of code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from django.db import connections

from django_clean_timestamps.events import TimestampEvent
from django_clean_timestamps.unit_of_work.seam import UNIT_ATTRIBUTE

__all__ = ["capture", "is_capturing", "open_captures"]

_captures: ContextVar[tuple[list[TimestampEvent], ...]] = ContextVar("clean_timestamps_captures", default=())

open_captures: Final = _captures.get
"""Return the lists that the current task and thread collect into."""


def is_capturing() -> bool:
    """Say whether a capture is open here, so that bulk writes build their events."""
    return bool(_captures.get())


@contextmanager
def capture() -> Iterator[list[TimestampEvent]]:
    """
    Yield a list that holds the block's events in the order in which they were recorded.

    What a savepoint or a transaction takes back leaves the list; no COMMIT is needed. Captures nest.
    """
    captured: list[TimestampEvent] = []
    token = _captures.set((*_captures.get(), captured))
    try:
        yield captured
    finally:
        _captures.reset(token)
        for connection in connections.all(initialized_only=True):
            if (unit := connection.__dict__.get(UNIT_ATTRIBUTE)) is not None:
                # A connection that was closed in its transaction told nobody.
                unit.notice_rollback()
