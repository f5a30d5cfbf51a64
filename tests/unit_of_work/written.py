"""A writer that puts one row for each event into a table, in the transaction of the entity's row."""

from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from uuid import UUID

from django.db import connections, models, transaction

from django_clean_timestamps.context import timestamp_context
from django_clean_timestamps.events import TimestampCreatedEvent
from django_clean_timestamps.unit_of_work import attach_writer, get_writer
from tests.testapp.models import Note

METHODS = ("commit", "rollback", "savepoint_commit", "savepoint_rollback", "set_autocommit")
NOW = datetime(2026, 1, 1, tzinfo=UTC)


class WrittenEvent(models.Model):
    """One event as the writer wrote it; the fixture ``written_table`` makes the table."""

    id = models.BigAutoField(primary_key=True)
    event_type = models.CharField(max_length=40)
    entity_type = models.CharField(max_length=120)
    entity_id = models.CharField(max_length=200)
    reason = models.CharField(max_length=200)

    class Meta:
        app_label = "unit_of_work_tests"
        managed = False
        db_table = "unit_of_work_writtenevent"


class RowWriter:
    """
    Writes rows, counts its calls, and fails when it is told to.

    Attributes:
        batch_sizes: How many events each call got.
        failure: Raised by the next call, once.
        fails_after: Whether the failing call has written half of its events by then.
        before: Called with the connection and the events at each call.
    """

    def __init__(self):
        self.batch_sizes = []
        self.failure = None
        self.fails_after = False
        self.before = None

    def write(self, connection, events):
        self.batch_sizes.append(len(events))
        if self.before is not None:
            self.before(connection, events)
        failure, self.failure = self.failure, None
        if failure is not None and not self.fails_after:
            raise failure
        if failure is not None:
            events = events[: (len(events) + 1) // 2]
        WrittenEvent.objects.using(connection.alias).bulk_create(
            WrittenEvent(
                event_type=event.event_type,
                entity_type=event.entity_type,
                entity_id=event.entity_id,
                reason=event.reason,
            )
            for event in events
        )
        if failure is not None:
            raise failure

    def fail_with(self, failure, *, after_half=False):
        self.failure = failure
        self.fails_after = after_half


def written(using="default"):
    """Return the reasons of the written events, in order."""
    return list(WrittenEvent.objects.using(using).order_by("id").values_list("reason", flat=True))


class attached:  # noqa: N801 - used as a verb
    """Attach a writer for a block, then again whoever was there."""

    def __init__(self, writer):
        self.writer = writer

    def __enter__(self):
        self.before = get_writer()
        attach_writer(self.writer)
        return self.writer

    def __exit__(self, *error):
        attach_writer(self.before)


def save(title, using="default"):
    """Insert a note whose event has its title for a reason."""
    note = Note(title=title)
    with timestamp_context(reason=title):
        note.save(using=using)
    return note


class _TakenBack(Exception):  # noqa: N818 - no error
    pass


@contextmanager
def rolled_back(using="default"):
    """Run a block of atomic() that ends in a rollback."""
    with suppress(_TakenBack), transaction.atomic(using):
        yield
        raise _TakenBack


def set_savepoint(using="default"):
    """Set a savepoint by hand, as ``transaction.savepoint()`` does, which Django 6.1 calls ``savepoint_create()``."""
    return connections[using].savepoint()


def titles(using="default"):
    """Return the titles of the notes, in the order of their keys."""
    return list(Note.objects.using(using).order_by("pk").values_list("title", flat=True))


def take_seam_away(using="default"):
    """Do what a library that replaces a connection's methods does."""
    for name in METHODS:
        connections[using].__dict__.pop(name, None)


def make_event(number):
    """Return an event for the unit of work alone; no row belongs to it."""
    return TimestampCreatedEvent(
        event_id=UUID(int=number),
        entity_type="testapp.note",
        entity_id=str(number),
        occurred_at=NOW,
        created_timestamp=NOW,
        reason=str(number),
    )
