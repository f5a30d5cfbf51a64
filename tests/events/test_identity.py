"""Event ids: UUIDs of version 7."""

from datetime import UTC, datetime, timedelta
from uuid import RFC_4122

from hypothesis import given
from hypothesis import strategies as st

from django_clean_timestamps.events.identity import new_event_id

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
times = st.datetimes(datetime(1970, 1, 1), timezones=st.just(UTC))


@given(st.datetimes(timezones=st.timezones()))
def test_an_id_has_version_7_and_the_rfcs_variant(reading):
    made = new_event_id(reading)
    assert (made.version, made.variant) == (7, RFC_4122)


@given(times)
def test_an_id_begins_with_the_milliseconds_of_its_reading(reading):
    milliseconds = (reading - EPOCH) // timedelta(milliseconds=1)
    assert new_event_id(reading).int >> 80 == milliseconds


@given(times, st.integers(1, 10**9))
def test_ids_sort_by_their_readings_to_the_microsecond(reading, microseconds):
    later = datetime.max.replace(tzinfo=UTC)
    if later - reading > timedelta(microseconds=microseconds):
        later = reading + timedelta(microseconds=microseconds)
    if later > reading:
        assert new_event_id(reading) < new_event_id(later)


@given(st.datetimes(max_value=datetime(1969, 12, 31), timezones=st.just(UTC)))
def test_a_reading_before_1970_counts_as_1970(reading):
    assert new_event_id(reading).int >> 80 == 0


def test_ids_of_one_reading_differ():
    assert len({new_event_id(EPOCH) for _ in range(10_000)}) == 10_000
