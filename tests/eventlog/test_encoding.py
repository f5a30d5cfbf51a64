"""Events keep every value on their way through the log."""

import math
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from django.db import connection, connections
from django.db.models import Max
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from django_clean_timestamps.context import timestamp_context
from django_clean_timestamps.eventlog import changed_since
from django_clean_timestamps.eventlog.encoding import CREATED, DELETED, KINDS, UPDATED, Encoder, metadata_as_text
from django_clean_timestamps.eventlog.fields import database_now
from django_clean_timestamps.eventlog.insertion import insert_pending
from django_clean_timestamps.eventlog.models import Event, Pending
from django_clean_timestamps.eventlog.sequencer import sequence
from django_clean_timestamps.eventlog.status import read_status
from django_clean_timestamps.events import (
    TimestampCreatedEvent,
    TimestampDeletedEvent,
    TimestampUpdatedEvent,
)
from django_clean_timestamps.events.identity import new_event_id
from django_clean_timestamps.exceptions import InvalidTimestampError, UnreadableEventError
from tests.eventlog.log import NOON, add_pending, empty_log, make_event, pending_events, sequenced_events
from tests.testapp.models import Note

pytestmark = pytest.mark.django_db

HARD_TEXTS = [
    "",
    " ",
    "100 %s",
    "%(name)s %%",
    "back\\slash \\n \\' \\\"",
    'it\'s "quoted" `so`',
    "line\nfeed\ttab\r",
    "-- ; DROP TABLE",
    "äöü ß é",
    "日本語",
    "👩‍👩‍👧‍👦🏴‍☠️",
    "\u202eright to left",
    "NULL",
    "0",
]
# What a column can hold: no NUL, no half of a surrogate pair.
characters = st.characters(exclude_categories=("Cs",), exclude_characters="\0")


def texts(size):
    return st.text(characters, max_size=size) | st.sampled_from(HARD_TEXTS)


moments = st.datetimes(min_value=datetime(1971, 1, 1), max_value=datetime(2199, 12, 31), timezones=st.just(UTC))
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.text(characters, max_size=20)
    | st.floats(-1e15, 1e15, allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(characters, max_size=8), inner, max_size=3),
    max_leaves=8,
)
shared = {
    # MariaDB refuses what is no UUID of a known variant.
    "event_id": st.uuids(version=4) | moments.map(new_event_id),
    "entity_type": st.sampled_from(["testapp.note", "testapp.puppy", "gone.model", "no label at all"]),
    "entity_id": texts(200),
    "occurred_at": moments,
    "reason": texts(200),
    "actor": texts(150),
    "correlation_id": texts(64),
    "metadata": st.dictionaries(st.text(characters, max_size=10), values, max_size=4).map(MappingProxyType),
}
events = (
    st.builds(TimestampCreatedEvent, created_timestamp=moments, **shared)
    | st.builds(TimestampDeletedEvent, **shared)
    | st.builds(
        lambda old, **facts: TimestampUpdatedEvent(old_timestamp=old, new_timestamp=facts["occurred_at"], **facts),
        old=st.none() | moments,
        **shared,
    )
)


def write(*written):
    insert_pending(connection, list(map(Encoder(connection), written)))


def without_place(event):
    """Return what an event said before it was recorded."""
    said = event.to_dict()
    assert event.recorded_at.tzinfo is UTC
    return {**said, "position": None, "recorded_at": None}


@given(written=st.lists(events, min_size=1, max_size=4))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(written=[make_event(entity_id=text, reason=text, actor=text, correlation_id=text) for text in HARD_TEXTS])
@example(written=[make_event(reason="ä" * 200, actor="日" * 150, correlation_id="x" * 64, entity_id="🎈" * 200)])
@example(written=[make_event(created_timestamp=NOON - timedelta(microseconds=1))])
@example(written=[make_event(TimestampUpdatedEvent, old_timestamp=None, new_timestamp=NOON)])
def test_an_event_is_the_same_when_it_is_read_before_and_after_it_got_its_position(written):
    empty_log()
    write(*written)
    said = [event.to_dict() for event in written]
    assert [without_place(event) for event in pending_events()] == said
    assert sequence() == len(written)
    assert [without_place(event) for event in sequenced_events()] == said
    assert [without_place(event) for event in changed_since().changes] == said


@given(event=events)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_djangos_orm_reads_the_same_from_both_tables(event):
    empty_log()
    write(event)
    rows = [Pending.objects.get()]
    sequence()
    rows.append(Event.objects.get())
    for row in rows:
        assert (row.event_id, row.kind, row.schema) == (event.event_id, KINDS[type(event)], 1)
        assert (row.entity_type, row.entity_id) == (event.entity_type, event.entity_id)
        assert (row.reason, row.actor, row.correlation_id) == (event.reason, event.actor, event.correlation_id)
        assert row.occurred_at == event.occurred_at
        assert row.metadata == (dict(event.metadata) or None)
        assert row.previous_at == previous_of(event)


def previous_of(event):
    if isinstance(event, TimestampUpdatedEvent):
        return event.old_timestamp
    created = getattr(event, "created_timestamp", None)
    return None if created == event.occurred_at else created


def test_a_creations_stamp_is_kept_only_where_it_differs():
    write(make_event(), make_event(created_timestamp=NOON - timedelta(days=400)))
    assert list(Pending.objects.order_by("id").values_list("previous_at", flat=True)) == [
        None,
        NOON - timedelta(days=400),
    ]


def test_the_kinds_are_numbered_for_ever():
    assert (CREATED, UPDATED, DELETED) == (1, 2, 3)
    assert [kind.__name__ for kind in KINDS] == [
        "TimestampCreatedEvent",
        "TimestampUpdatedEvent",
        "TimestampDeletedEvent",
    ]


def test_no_metadata_is_null():
    write(make_event())
    assert metadata_as_text({}) is None
    assert Pending.objects.get().metadata is None
    (event,) = pending_events()
    assert event.metadata == {}


def test_metadata_that_was_read_cannot_be_changed():
    write(make_event(metadata={"a": 1}))
    (event,) = pending_events()
    with pytest.raises(TypeError):
        event.metadata["a"] = 2


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_number_that_json_has_not_is_refused_before_anything_is_written(number):
    with pytest.raises(InvalidTimestampError, match="JSON cannot hold it"):
        with timestamp_context(rate=number):
            Note.objects.create()
    assert not Note.objects.exists()


@pytest.mark.parametrize("text", HARD_TEXTS)
def test_any_text_goes_from_a_context_to_the_feed(text):
    with timestamp_context(reason=text, actor=text, correlation_id=text, key={text: [text]}):
        note = Note.objects.create()
        Note.objects.filter(pk=note.pk).update(amount=1)
        Note.objects.bulk_create([Note()])
        Note.objects.filter(pk=note.pk).delete()
    sequence()
    changes = changed_since().changes
    assert len(changes) == 4
    for event in changes:
        assert event.reason in (text, "" if text else event.reason)
        assert (event.actor, event.correlation_id) == (text, text)
        assert event.metadata == {"key": {text: [text]}}


@pytest.mark.parametrize("model", [Pending, Event])
def test_the_database_records_when_it_recorded(model):
    before = datetime.now(UTC) - timedelta(seconds=1)
    write(make_event())
    if model is Event:
        sequence()
    (event,) = pending_events() or sequenced_events()
    assert before < event.recorded_at < datetime.now(UTC) + timedelta(seconds=1)
    assert model.objects.get().recorded_at == event.recorded_at


def test_a_position_does_not_change_when_an_event_was_recorded():
    add_pending(1, recorded_at=NOON)
    sequence()
    (event,) = sequenced_events()
    assert event.recorded_at == NOON


@pytest.mark.parametrize("change", [{"schema": 2}, {"kind": 4}, {"kind": 0}], ids=str)
def test_an_event_of_a_newer_release_is_not_misread(change):
    add_pending(1, **change)
    with pytest.raises(UnreadableEventError, match=r"Event \d+ of 'default' has schema .*Upgrade"):
        changed_since()
    assert issubclass(UnreadableEventError, ValueError)
    assert Event.objects.count() == 1


def test_a_row_without_a_schema_of_its_own_is_of_the_first():
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO clean_timestamps_pending (kind, entity_type, entity_id) VALUES (3, 'a.b', '1')")
    (event,) = changed_since().changes
    assert isinstance(event, TimestampDeletedEvent)
    assert (event.reason, event.metadata, event.event_id) == ("", {}, UUID(int=0))
    assert abs(event.occurred_at - datetime.now(UTC)) < timedelta(seconds=5)


def check_the_clock():
    """Hold what the ORM reads of the database's times, and compares them with, against ours."""
    Note.objects.create()
    now, second = database_now("default"), timedelta(seconds=5)
    assert now - second < Pending.objects.get().recorded_at < now + second
    near = Pending.objects.filter(recorded_at__gt=now - second, recorded_at__lt=now + second)
    assert near.count() == 1
    assert not Pending.objects.filter(recorded_at__lt=now - second).exists()
    sequence()
    status = read_status()
    for age in (status.oldest_age_seconds, status.sequenced_age_seconds):
        assert abs(age) < 5


class TestWithoutTimeZoneSupport:
    @pytest.fixture(params=["UTC", "America/New_York", "Asia/Kolkata"], autouse=True)
    def naive(self, request, settings):
        settings.TIME_ZONE = request.param
        settings.USE_TZ = False
        for each in (connections["default"],):
            each.ensure_timezone()
        yield
        settings.TIME_ZONE = "UTC"
        settings.USE_TZ = True
        connections["default"].ensure_timezone()

    def test_all_times_are_aware_utc(self):
        before = datetime.now(UTC) - timedelta(seconds=1)
        note = Note.objects.create()
        Note.objects.update(amount=1)
        Note.objects.bulk_create([Note()])
        Note.objects.filter(pk=note.pk).delete()
        changes = changed_since().changes
        assert len(changes) == 4
        for event in changes:
            for name in ("occurred_at", "recorded_at", "old_timestamp", "new_timestamp", "created_timestamp"):
                if (time := getattr(event, name, None)) is not None:
                    assert time.tzinfo is UTC
                    assert before < time < datetime.now(UTC) + timedelta(seconds=1), name

    def test_an_event_carries_the_stamps_of_its_row(self):
        note = Note.objects.create()
        Note.objects.update(amount=1)
        created, updated = pending_events()
        stored = Note.objects.get()
        assert created.occurred_at == created.created_timestamp == updated.old_timestamp == note.created_at
        assert updated.new_timestamp == updated.occurred_at == stored.updated_at

    def test_djangos_orm_reads_aware_utc_too(self):
        note = Note.objects.create()
        row = Pending.objects.get()
        assert row.occurred_at == note.created_at
        assert row.recorded_at.tzinfo is UTC
        assert Pending.objects.aggregate(last=Max("occurred_at"))["last"] == note.created_at

    def test_what_the_databases_clock_wrote_is_read_as_what_it_is(self):
        check_the_clock()


class TestInADatabaseWithAZoneOfItsOwn:
    """``DATABASES["…"]["TIME_ZONE"]``, which PostgreSQL takes for the session's zone."""

    @pytest.fixture(autouse=True)
    def zone(self):
        zone = "Asia/Kolkata"
        connections["default"].settings_dict["TIME_ZONE"] = zone
        self._forget()
        connection.ensure_timezone()
        assert connection.timezone == ZoneInfo(zone)
        yield
        connections["default"].settings_dict["TIME_ZONE"] = None
        self._forget()
        connection.ensure_timezone()

    def _forget(self):
        for name in ("timezone", "timezone_name"):
            connections["default"].__dict__.pop(name, None)

    def test_what_the_databases_clock_wrote_is_read_as_what_it_is(self):
        check_the_clock()

    def test_an_event_carries_the_stamps_of_its_row(self):
        note = Note.objects.create()
        Note.objects.update(amount=1)
        Note.objects.bulk_create([Note()])
        created, updated, more = pending_events()
        assert created.occurred_at == updated.old_timestamp == note.created_at
        assert abs(more.occurred_at - note.created_at) < timedelta(seconds=5)
        for event in (created, updated, more):
            assert abs(event.recorded_at - note.created_at) < timedelta(seconds=5)
