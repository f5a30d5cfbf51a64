"""Who hears of what a test writes: nobody, the log, an open ``capture_events()``, or receivers of the three signals."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connections
from django.test.testcases import DatabaseOperationForbidden

from django_clean_timestamps.eventlog.decoding import decoder, selected_columns
from django_clean_timestamps.eventlog.models import Pending
from django_clean_timestamps.events import (
    TimestampCreatedEvent,
    TimestampDeletedEvent,
    TimestampEvent,
    TimestampUpdatedEvent,
)
from django_clean_timestamps.signals import timestamp_created, timestamp_deleted, timestamp_updated
from django_clean_timestamps.testing import capture_events
from django_clean_timestamps.unit_of_work import attach_writer, get_writer, write_pending

SIGNALS = (timestamp_created, timestamp_updated, timestamp_deleted)


def named(event: TimestampEvent) -> str:
    """Return what a test says of an event: ``"updated note 1"``."""
    kind = event.event_type.removeprefix("timestamp_")
    return f"{kind} {event.entity_type.partition('.')[2]} {event.entity_id}"


class Heard(list):
    """The events of one block; of the block in which nobody listens it is empty, and none was built."""

    def __init__(self, *, is_told: bool) -> None:
        super().__init__()
        self.is_told = is_told

    @property
    def names(self) -> list[str]:
        return [named(event) for event in self]

    def are(self, *names: str) -> None:
        """Assert that exactly these were raised, in this order."""
        if self.is_told:
            assert self.names == list(names), self.names

    def are_in_any_order(self, names: Iterable[str]) -> None:
        if self.is_told:
            assert sorted(self.names) == sorted(names), self.names

    def agree_with(self, rows: Iterable[Any]) -> None:
        """Assert that the last event of each row carries the stamp that the row has."""
        if self.is_told:
            stamps = {(row._meta.label_lower, row._get_entity_id()): row.updated_at for row in rows}
            last = {(event.entity_type, event.entity_id): event.occurred_at for event in self}
            assert stamps == {key: stamp for key, stamp in last.items() if key in stamps}


class Audience:
    """One of the four."""

    def __init__(self, kind: str, monkeypatch: Any) -> None:
        self.kind = kind
        self.monkeypatch = monkeypatch

    @contextmanager
    def listening(self) -> Iterator[Heard]:
        """Listen to the block; where nobody does, a built event fails the test."""
        if self.kind == "captured":
            heard = Heard(is_told=True)
            with capture_events() as events:
                yield heard
                heard[:] = events
        elif self.kind == "received":
            heard = Heard(is_told=True)

            def receive(event, **_):
                heard.append(event)

            for signal in SIGNALS:
                signal.connect(receive)
            try:
                yield heard
            finally:
                for signal in SIGNALS:
                    signal.disconnect(receive)
        elif self.kind == "logged":
            heard = Heard(is_told=True)
            already = {alias: [row[0] for row in pending_rows(alias)] for alias in connections}
            yield heard
            for alias, ids in already.items():
                decode = decoder(connections[alias])
                heard += [decode(row) for row in pending_rows(alias) if row[0] not in ids]
        else:
            with self.monkeypatch.context() as patched, no_log():
                for kind in (TimestampCreatedEvent, TimestampUpdatedEvent, TimestampDeletedEvent):
                    patched.setattr(kind, "__init__", _must_not_be_built)
                yield Heard(is_told=False)


def pending_rows(alias: str) -> list[tuple[Any, ...]]:
    """Return the rows of the log that have no position yet, as the database gives them; none where nobody may look."""
    connection = connections[alias]
    columns = selected_columns(connection, "id")
    try:
        write_pending(connection)
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {columns} FROM {Pending._meta.db_table} ORDER BY id")
            return cursor.fetchall()
    except DatabaseOperationForbidden:
        return []


@contextmanager
def no_log() -> Iterator[None]:
    """Write in the block as without a log."""
    writer = get_writer()
    attach_writer(None)
    try:
        yield
    finally:
        attach_writer(writer)


def _must_not_be_built(self: Any, *args: Any, **kwargs: Any) -> None:
    raise AssertionError(f"{type(self).__name__} was built although nobody listens: {kwargs}")
