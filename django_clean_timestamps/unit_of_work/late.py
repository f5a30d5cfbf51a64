"""Handing events to the writer; also those that were still pending after COMMIT."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from django.db import transaction

from django_clean_timestamps.unit_of_work.levels import Entry, Marker, take_errands
from django_clean_timestamps.unit_of_work.writer import writer_in_use

__all__ = ["write_entries", "write_late"]

logger = logging.getLogger("django_clean_timestamps.unit_of_work")


def write_entries(connection: Any, entries: Sequence[Entry]) -> None:
    """Hand the entries' events to the writer in use, if there is one."""
    if (writer := writer_in_use()) is not None:
        writer.write(connection, [entry.event for entry in entries])


def write_late(connection: Any, marker: Marker) -> None:
    """Write what a marker still holds after COMMIT, in a transaction of its own, and log an error."""
    late = [entry for level in marker.levels for entry in level.pending]
    if not late and not any(level.errands for level in marker.levels):
        return
    logger.error(
        "%d events were written after COMMIT on %r instead of before it: something replaced the connection's "
        "commit(); use an ENGINE with UnitOfWorkMixin",
        len(late),
        connection.alias,
    )
    with transaction.atomic(using=connection.alias):
        due = take_errands(marker.levels)
        for level in marker.levels:
            level.pending = []
        write_entries(connection, late)
        for errand, items in due.items():
            errand(connection, list(items.values()))
