"""Which stamps a write gets. Every path asks here, so that a compiled form of a write can ask here too."""

from __future__ import annotations

from datetime import datetime

from django_clean_timestamps.clocks import later, read_clock
from django_clean_timestamps.context.frame import Frame

__all__ = ["insert_stamps", "read_moment", "update_stamp"]


def read_moment(frame: Frame) -> datetime:
    """Return the one reading of a statement: the moment of ``stamped_at()``, or what the clock says."""
    return read_clock() if frame.moment is None else frame.moment


def insert_stamps(
    reading: datetime, *, exact: bool, created: datetime | None, updated: datetime | None
) -> tuple[datetime, datetime]:
    """
    Return ``created_at`` and ``updated_at`` of a new row.

    A stamp that is not given equals the one that is; without any both are the reading.

    Args:
        reading: The statement's reading.
        exact: Whether the reading is itself a given time, which then stands for a missing ``updated_at``.
        created: The given ``created_at``.
        updated: The given ``updated_at``.
    """
    if updated is None:
        updated = reading if exact or created is None else created
    return (updated if created is None else created), updated


def update_stamp(
    reading: datetime, *, exact: bool, given: datetime | None, previous: datetime | None
) -> tuple[datetime, bool]:
    """
    Return the new ``updated_at`` of a row, and whether it is a given time, to be written exactly.

    What the clock says is moved on by a microsecond where the row is not older.
    """
    if given is not None:
        return given, True
    if exact:
        return reading, True
    return later(reading, previous), False
