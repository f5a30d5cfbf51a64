"""The rule of strict increase, as pure functions."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

__all__ = ["TICK", "later"]

TICK: Final = timedelta(microseconds=1)
"""The smallest step that every supported database keeps."""


def later(reading: datetime, previous: datetime | None) -> datetime:
    """
    Return the stamp that follows ``previous``: the reading, or one microsecond on where it is not later.

    Args:
        reading: What the clock says now, aware.
        previous: The row's stamp so far, aware; None where it is not known.
    """
    if previous is None or previous < reading:
        return reading
    return previous + TICK
