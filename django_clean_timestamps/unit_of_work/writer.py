"""The one place where an event log attaches to the unit of work."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from django.db.backends.base.base import BaseDatabaseWrapper

from django_clean_timestamps.events import TimestampEvent

__all__ = ["Writer", "attach_writer", "get_writer"]


class Writer(Protocol):
    """Writes events to where they are kept."""

    def write(self, connection: BaseDatabaseWrapper, events: Sequence[TimestampEvent]) -> None:
        """
        Write the events, in order, in the connection's open transaction.

        Whatever this raises rolls the transaction back.
        """
        ...


_writer: Writer | None = None


def attach_writer(writer: Writer | None) -> None:
    """Let the writer receive what transactions record from now on; None for nobody, as it is at the start."""
    global _writer
    _writer = writer


def get_writer() -> Writer | None:
    """Return the writer that is attached, if any."""
    return _writer
