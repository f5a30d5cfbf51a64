"""The events as values, and their JSON form."""

import copy
import dataclasses
import json
import pickle
import sys
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_clean_timestamps.events import (
    TimestampCreatedEvent,
    TimestampDeletedEvent,
    TimestampEvent,
    TimestampUpdatedEvent,
)
from django_clean_timestamps.events.types import EVENT_TYPES

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
KINDS = [TimestampCreatedEvent, TimestampUpdatedEvent, TimestampDeletedEvent]

times = st.datetimes(timezones=st.just(UTC))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
common = {
    "event_id": st.uuids(),
    "entity_type": st.text(min_size=1),
    "entity_id": st.text(),
    "occurred_at": times,
    "reason": st.text(),
    "actor": st.text(),
    "correlation_id": st.text(),
    "metadata": st.dictionaries(st.text(), json_values, max_size=3),
    "position": st.none() | st.integers(0),
    "recorded_at": st.none() | times,
    "replayed": st.booleans(),
}
events = (
    st.builds(TimestampCreatedEvent, **common, created_timestamp=times)
    | st.builds(TimestampUpdatedEvent, **common, old_timestamp=st.none() | times, new_timestamp=times)
    | st.builds(TimestampDeletedEvent, **common)
)


def make(kind=TimestampUpdatedEvent, **values):
    own = {TimestampCreatedEvent: {"created_timestamp": NOON}, TimestampUpdatedEvent: {"new_timestamp": NOON}}
    fields = {"event_id": UUID(int=7), "entity_type": "a.b", "entity_id": "1", "occurred_at": NOON, **own.get(kind, {})}
    return kind(**{**fields, **values})


@pytest.mark.parametrize("kind", KINDS)
def test_an_event_is_frozen_and_slotted(kind):
    event = make(kind)
    with pytest.raises(dataclasses.FrozenInstanceError):
        event.reason = "other"
    with pytest.raises(dataclasses.FrozenInstanceError):
        del event.reason
    assert not hasattr(event, "__dict__")


@pytest.mark.parametrize("kind", KINDS)
def test_an_event_takes_keywords_alone(kind):
    with pytest.raises(TypeError, match="positional"):
        kind(uuid4(), "a.b", "1", NOON)


@pytest.mark.parametrize("kind", KINDS)
def test_an_event_has_defaults_for_what_need_not_be_known(kind):
    event = make(kind)
    assert (event.reason, event.actor, event.correlation_id) == ("", "", "")
    assert (event.metadata, event.position, event.recorded_at, event.replayed) == ({}, None, None, False)


def test_the_previous_stamp_may_be_unknown():
    assert make().old_timestamp is None


def test_the_types_have_their_names():
    known = dict(EVENT_TYPES)
    assert known == {
        "timestamp_created": TimestampCreatedEvent,
        "timestamp_updated": TimestampUpdatedEvent,
        "timestamp_deleted": TimestampDeletedEvent,
    }


@pytest.mark.parametrize("kind", KINDS)
def test_an_event_takes_at_most_192_bytes_of_its_own(kind):
    assert sys.getsizeof(make(kind)) <= 192


def test_events_compare_and_hash_by_value():
    assert make(metadata={"a": [1]}) == make(metadata={"a": [1]}) != make(reason="x")
    assert hash(make(metadata={"a": [1]})) == hash(make(metadata={"a": [1]}))
    assert make(TimestampDeletedEvent) != make(TimestampUpdatedEvent)


@given(events)
def test_an_event_comes_back_from_its_dict(event):
    assert TimestampEvent.from_dict(event.to_dict()) == event
    assert type(event).from_dict(event.to_dict()) == event


@given(events)
def test_an_event_comes_back_from_json(event):
    again = TimestampEvent.from_dict(json.loads(json.dumps(event.to_dict())))
    assert again == event
    assert type(again) is type(event)


@given(events)
def test_an_event_is_pickled_and_copied(event):
    for again in (pickle.loads(pickle.dumps(event)), copy.copy(event), copy.deepcopy(event)):
        assert again == event
        assert type(again.metadata) is type(make().metadata)


def test_metadata_cannot_be_changed():
    for event in (make(), TimestampEvent.from_dict(make(metadata={"a": 1}).to_dict())):
        with pytest.raises(TypeError):
            event.metadata["a"] = 2


def test_to_dict_is_ready_for_json():
    moment = NOON + timedelta(microseconds=5)
    assert make(TimestampCreatedEvent, created_timestamp=moment, metadata={"a": 1}).to_dict() == {
        "event_type": "timestamp_created",
        "event_id": "00000000-0000-0000-0000-000000000007",
        "entity_type": "a.b",
        "entity_id": "1",
        "occurred_at": "2026-01-01T12:00:00+00:00",
        "reason": "",
        "actor": "",
        "correlation_id": "",
        "metadata": {"a": 1},
        "position": None,
        "recorded_at": None,
        "replayed": False,
        "created_timestamp": "2026-01-01T12:00:00.000005+00:00",
    }


def test_a_time_of_another_zone_comes_back_in_utc():
    data = make(TimestampDeletedEvent).to_dict() | {"occurred_at": "2026-01-01T21:00:00+09:00"}
    event = TimestampEvent.from_dict(data)
    assert (event.occurred_at, event.occurred_at.tzinfo) == (NOON, UTC)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"event_type": "timestamp_moved"}, "event_type is 'timestamp_moved'; wanted one of timestamp_created, "),
        ({"event_type": None}, "event_type is None; wanted one of"),
        ({"event_type": ["timestamp_updated"]}, r"event_type is \['timestamp_updated'\]; wanted one of"),
        ({"colour": 1, "age": 2}, "timestamp_updated has no field age, colour; it has event_id, "),
        ({"event_id": "x"}, "timestamp_updated.event_id cannot be 'x'"),
        ({"event_id": 5}, "timestamp_updated.event_id cannot be 5"),
        ({"event_id": None}, "timestamp_updated.event_id cannot be None"),
        ({"entity_type": 5}, "timestamp_updated.entity_type cannot be 5: text is wanted"),
        ({"entity_id": None}, "timestamp_updated.entity_id cannot be None: text is wanted"),
        ({"occurred_at": "yesterday"}, "timestamp_updated.occurred_at cannot be 'yesterday'"),
        ({"occurred_at": "2026-01-01T12:00:00"}, "occurred_at cannot be .*: a time with its offset is wanted"),
        ({"new_timestamp": None}, "timestamp_updated.new_timestamp cannot be None"),
        ({"new_timestamp": 5}, "timestamp_updated.new_timestamp cannot be 5"),
        ({"metadata": [1]}, r"timestamp_updated.metadata cannot be \[1\]: an object is wanted"),
        ({"position": "5"}, "timestamp_updated.position cannot be '5': a whole number is wanted"),
        ({"position": True}, "timestamp_updated.position cannot be True: a whole number is wanted"),
        ({"replayed": 1}, "timestamp_updated.replayed cannot be 1: true or false is wanted"),
    ],
)
def test_what_cannot_be_read_is_named(change, message):
    with pytest.raises(ValueError, match=message):
        TimestampEvent.from_dict({**make().to_dict(), **change})


def test_what_is_missing_is_named():
    data = make().to_dict()
    del data["entity_id"]
    with pytest.raises(ValueError, match=r"timestamp_updated is incomplete: .*entity_id"):
        TimestampEvent.from_dict(data)


def test_a_class_reads_only_its_own_type():
    with pytest.raises(ValueError, match="event_type is 'timestamp_updated'; wanted one of timestamp_deleted"):
        TimestampDeletedEvent.from_dict(make().to_dict())


def test_optional_fields_may_be_left_out():
    data = {name: value for name, value in make().to_dict().items() if value not in (None, "", {}, False)}
    assert TimestampEvent.from_dict(data) == make()
