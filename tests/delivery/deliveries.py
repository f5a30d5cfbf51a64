"""What the tests of delivery share: handlers that keep what they hear, and looks into the tables."""

from django.db import connections, transaction

from django_clean_timestamps.delivery import on_timestamp
from django_clean_timestamps.delivery.clock import later_sql, now_sql
from django_clean_timestamps.delivery.drain import drain
from django_clean_timestamps.delivery.models import ParkedEvent, Subscription
from django_clean_timestamps.delivery.places import Place
from django_clean_timestamps.events import TimestampUpdatedEvent
from tests.testapp.models import Note

HERE = Place("default", "default")
OTHER = Place("other", "default")

BROKEN = ValueError("broken")


class Heard(list):
    """
    The events that a handler heard and whose transaction committed; ``calls`` are all that it was called with.

    ``fail`` holds an error, or a function of the event that returns one, for each reason that it fails on.
    """

    def __init__(self, using=None):
        super().__init__()
        self.using = using
        self.fail = {}
        self.calls = []

    def __call__(self, event):
        self.calls.append(event.reason)
        self._may_fail(event)
        transaction.on_commit(lambda: self.append(event), using=self.using)

    def all(self, events):
        self.calls.append([event.reason for event in events])
        for event in events:
            self._may_fail(event)
        transaction.on_commit(lambda: self.extend(events), using=self.using)

    def _may_fail(self, event):
        found = self.fail.get(event.reason)
        if callable(found) and not isinstance(found, BaseException):
            found = found(event)
        if found is not None:
            raise found

    @property
    def reasons(self):
        return [event.reason for event in self]

    @property
    def positions(self):
        return [event.position for event in self]


def subscribe(*event_types, name="tests.heard", **options):
    """Make a handler of Notes that keeps what it hears, and return what it kept."""
    heard = Heard(options.get("using"))
    options.setdefault("sender", Note)

    @on_timestamp(*event_types, name=name, **options)
    def hear(event):
        heard.all(event) if options.get("batch") else heard(event)

    return heard


def updates(**options):
    """Return a new handler of updates that keeps what it hears."""
    return subscribe(TimestampUpdatedEvent, **options)


def notes(*reasons, using="default"):
    """Make a note for each reason and touch it for that; return them."""
    made = [Note(title=reason) for reason in reasons]
    with transaction.atomic(using=using):
        Note.objects.using(using).bulk_create(made)
    for note in made:
        note.touch(note.title)
    return made


def touch(note, *reasons):
    for reason in reasons:
        note.touch(reason)


def shard(handler="tests.heard", using="default", **changes):
    """Return the one row of a subscription, changed first if so wanted."""
    rows = Subscription.objects.using(using).filter(handler=handler)
    if changes:
        rows.update(**changes)
    return rows.get()


def parked(handler="tests.heard", using="default"):
    """Return what is parked, as (reason, state, attempts) in order of position."""
    rows = ParkedEvent.objects.using(using).filter(handler=handler).order_by("position")
    return [(row.event["reason"], row.state, row.attempts) for row in rows]


def make_due(using="default"):
    """Let what is parked to be retried later be due now, and what backs off too."""
    _set(using, "clean_timestamps_parkedevent", f"available_at = {now_sql(connections[using])}", "state = 'retry'")
    _set(using, "clean_timestamps_subscription", "resume_at = NULL", "state = 'backing_off'")


def die(using="default", handler="tests.heard", *, running=None):
    """Leave a lease as a process that died while it had it: the lease has ended, and nobody said a word."""
    expired = {
        "postgresql": "statement_timestamp() - interval '1 second'",
        "mysql": "UTC_TIMESTAMP(6) - INTERVAL 1 SECOND",
    }
    past = expired.get(connections[using].vendor, "strftime('%Y-%m-%d %H:%M:%f', 'now', '-1 seconds')")
    _set(
        using,
        "clean_timestamps_subscription",
        f"owner = 'dead:1:x', epoch = epoch + 1, lease_until = {past}, running = {running or 'NULL'}",
        f"handler = '{handler}'",
    )


def lease_to_other(using="default", handler="tests.heard", seconds=60):
    """Let somebody else have the lease."""
    later = later_sql(connections[using], seconds).replace("%%", "%")
    _set(
        using,
        "clean_timestamps_subscription",
        f"owner = 'other:1:x', epoch = epoch + 1, lease_until = {later}",
        f"handler = '{handler}'",
    )


def drained(using="default", times=1):
    for _ in range(times):
        result = drain(using)
    return result


def _set(using, table, assignments, condition):
    with connections[using].cursor() as cursor:
        cursor.execute(f"UPDATE {table} SET {assignments.replace('%%', '%')} WHERE {condition}")
