"""What stands in the log, and the contexts that the tests of it share."""

from contextlib import contextmanager
from datetime import UTC, datetime
from uuid import UUID

from django.db import connections
from django.test.utils import CaptureQueriesContext

from django_clean_timestamps.delivery.models import ParkedEvent, Subscription
from django_clean_timestamps.eventlog.decoding import decoder, selected_columns
from django_clean_timestamps.eventlog.models import Event, LogHead, Pending
from django_clean_timestamps.events import TimestampCreatedEvent
from django_clean_timestamps.unit_of_work import write_pending

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
COLUMNS = tuple(field.name for field in Pending._meta.fields if field.name != "id")


def pending_events(using="default"):
    """Return the events that have no position yet, in order, as the package reads them."""
    return _decoded(Pending, "id", using)


def sequenced_events(using="default"):
    """Return the events that have a position, in order."""
    return _decoded(Event, "position", using)


def _decoded(model, number, using):
    connection = connections[using]
    write_pending(connection)
    with connection.cursor() as cursor:
        columns = selected_columns(connection, number)
        cursor.execute(f"SELECT {columns} FROM {model._meta.db_table} ORDER BY {number}")
        return list(map(decoder(connection), cursor.fetchall()))


def pending_reasons(using="default"):
    return [event.reason for event in pending_events(using)]


def raw_count(model, using="default"):
    """Count rows past the manager, which would write what is pending."""
    return model._base_manager.using(using).count()


def empty_log(using="default"):
    write_pending(connections[using])
    for model in (Pending, Event, LogHead, Subscription, ParkedEvent):
        model._base_manager.using(using).all().delete()


def add_pending(count, using="default", **values):
    """Put rows into the log that no entity belongs to."""
    Pending._base_manager.using(using).bulk_create(
        Pending(
            **{
                "event_id": UUID(int=number),
                "kind": 1,
                "entity_type": "testapp.note",
                "entity_id": str(number),
                "occurred_at": NOON,
                "reason": str(number),
                **values,
            }
        )
        for number in range(1, count + 1)
    )


def make_event(kind=TimestampCreatedEvent, **values):
    times = {"created_timestamp": NOON} if kind is TimestampCreatedEvent else {}
    given = {"event_id": UUID(int=7), "entity_type": "testapp.note", "entity_id": "1", "occurred_at": NOON}
    return kind(**given | times | values)


@contextmanager
def statements(using="default"):
    """Yield the list of the block's statements, filled at its end, without those that begin and end blocks."""
    found = []
    with CaptureQueriesContext(connections[using]) as context:
        yield found
    ignored = ("SAVEPOINT", "RELEASE", "ROLLBACK", "BEGIN", "COMMIT")
    found += [query["sql"] for query in context.captured_queries if not query["sql"].startswith(ignored)]


class dropped:  # noqa: N801 - used as a verb
    """Take tables away for a block, by another name: MariaDB commits at a change of the schema."""

    def __init__(self, *models, using="default"):
        self.models = models
        self.using = using

    def __enter__(self):
        self._rename("{}", "{}_away")

    def __exit__(self, *error):
        self._rename("{}_away", "{}")

    def _rename(self, old, new):
        with connections[self.using].cursor() as cursor:
            for model in self.models:
                table = model._meta.db_table
                cursor.execute(f"ALTER TABLE {old.format(table)} RENAME TO {new.format(table)}")
