"""The clock and the rule of strict increase."""

import itertools
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as st

from django_clean_timestamps.clocks import TICK, later, read_clock, system_clock
from django_clean_timestamps.exceptions import InvalidSettingError

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
times = st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))


def naive():
    return datetime(2026, 1, 1, 12)


def text():
    return "2026-01-01"


class Offsetless(tzinfo):
    def utcoffset(self, when):
        return None


NOWHERE = Offsetless()


def offsetless():
    return datetime(2026, 1, 1, tzinfo=NOWHERE)


def tokyo():
    return datetime(2026, 1, 1, 21, tzinfo=ZoneInfo("Asia/Tokyo"))


def fixed_offset():
    return datetime(2026, 1, 1, 7, tzinfo=timezone(timedelta(hours=-5)))


class Own(datetime):
    """As time-travel tools return."""


def own():
    return Own(2026, 1, 1, 12, tzinfo=UTC)


def clock_of(function):
    return override_settings(CLEAN_TIMESTAMPS={"CLOCK": f"tests.clocks.test_clocks.{function.__name__}"})


def test_the_system_clock_is_aware_utc_and_now():
    before = datetime.now(UTC)
    assert before <= system_clock() <= datetime.now(UTC)
    assert system_clock().tzinfo is UTC


def test_time_travel_tools_move_the_system_clock():
    with time_machine.travel(NOON, tick=False):
        assert read_clock() == NOON


@pytest.mark.parametrize("function", [naive, text, offsetless])
def test_a_clock_without_a_zone_is_refused(function):
    with clock_of(function), pytest.raises(InvalidSettingError) as caught:
        read_clock()
    assert str(caught.value) == (
        f"CLEAN_TIMESTAMPS['CLOCK'] 'tests.clocks.test_clocks.{function.__name__}' returned {function()!r}; "
        "an aware datetime is wanted"
    )


@pytest.mark.parametrize("function", [tokyo, fixed_offset, own])
def test_a_clock_of_another_zone_is_converted(function):
    with clock_of(function):
        assert read_clock() == NOON
        assert read_clock().tzinfo is UTC


def test_a_tick_is_a_microsecond():
    assert timedelta(microseconds=1) == TICK


@given(times)
def test_without_a_previous_stamp_the_reading_is_taken(reading):
    assert later(reading, None) == reading


@given(times, times)
def test_a_later_stamp_follows_the_previous_and_is_never_before_the_reading(reading, previous):
    stamp = later(reading, previous)
    assert stamp > previous
    assert stamp >= reading
    assert stamp in (reading, previous + TICK)


@given(times, st.lists(times, max_size=20))
def test_stamps_increase_strictly_whatever_the_clock_says(first, readings):
    stamps = [first]
    for reading in readings:
        stamps.append(later(reading, stamps[-1]))
    assert all(before < after for before, after in itertools.pairwise(stamps))
