"""The one place where an event log attaches to the unit of work."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, Protocol, cast

from django.db.backends.base.base import BaseDatabaseWrapper

from django_clean_timestamps.conf import get_settings
from django_clean_timestamps.events import TimestampEvent

__all__ = [
    "KnownRow",
    "SetBasedWriter",
    "SharedFacts",
    "Writer",
    "attach_writer",
    "get_writer",
    "is_set_based",
    "set_based_writer",
    "writer_in_use",
]


class Writer(Protocol):
    """Writes events to where they are kept."""

    def write(self, connection: BaseDatabaseWrapper, events: Sequence[TimestampEvent]) -> None:
        """
        Write the events, in order, in the connection's open transaction.

        Whatever this raises rolls the transaction back.
        """
        ...


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SharedFacts:
    """
    What all events of one set-based write have in common.

    Attributes:
        kind: Their type.
        entity_type: The label of the rows' concrete model.
        root_label: That of the root of its multi-table tree.
        reading: The statement's clock reading, aware; event ids are made of it.
        reason: Why.
        actor: Who.
        correlation_id: As part of what.
        metadata: Anything else.
    """

    kind: type[TimestampEvent]
    entity_type: str
    root_label: str
    reading: datetime
    reason: str
    actor: str
    correlation_id: str
    metadata: Mapping[str, Any]


class KnownRow(NamedTuple):
    """A written row whose values are at hand: its entity id, its stamp and the event's ``previous_at``."""

    entity_id: str
    occurred_at: datetime
    previous_at: datetime | None


class SetBasedWriter(Writer, Protocol):
    """
    A writer that can make the events of many rows in the database itself.

    Each call comes when nothing is pending, in the connection's open transaction. For a writer without these, and
    for rows whose entity id only Python knows, events are built one by one.
    """

    def write_known(self, connection: BaseDatabaseWrapper, facts: SharedFacts, rows: Sequence[KnownRow]) -> None:
        """Write an event for each row, in order."""
        ...

    def update(
        self,
        connection: BaseDatabaseWrapper,
        facts: SharedFacts,
        rows: Any,
        values: Mapping[str, Any],
        stamp: Any,
        *,
        locked: bool,
    ) -> int:
        """
        Update the rows of a queryset and write exactly one event for each; return how many there were.

        Args:
            connection: The rows' connection.
            facts: What the events share.
            rows: The queryset.
            values: What Django's ``update()`` is given.
            stamp: The new ``updated_at``: an expression over the old one, a given time, or None where it stays.
            locked: Whether the rows are chosen by key and locked already.
        """
        ...

    def delete(self, connection: BaseDatabaseWrapper, facts: SharedFacts, rows: Any) -> int:
        """Delete the rows of a queryset in one piece and write an event for each; return how many there were."""
        ...


_writer: Writer | None = None


def attach_writer(writer: Writer | None) -> None:
    """Let the writer receive what transactions record from now on; None for nobody, as it is at the start."""
    global _writer
    _writer = writer


def get_writer() -> Writer | None:
    """Return the writer that is attached, if any."""
    return _writer


def writer_in_use() -> Writer | None:
    """Return the writer that is attached, None where ``EVENTS`` is off."""
    return _writer if _writer is not None and get_settings().events else None


def set_based_writer() -> SetBasedWriter:
    """Return the writer in use, which :func:`is_set_based` has found to be one for many rows at once."""
    return cast("SetBasedWriter", _writer)


def is_set_based(writer: Writer) -> bool:
    """Say whether a writer can make the events of many rows at once."""
    return hasattr(writer, "write_known")
