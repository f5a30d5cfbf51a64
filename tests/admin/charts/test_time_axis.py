from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone, translation
from hypothesis import given
from hypothesis import strategies as st

from django_clean_timestamps.admin.charts.time_axis import TimeAxis, show_moment, time_axis_of
from tests.admin.charts.examples import MINUTE, NOON

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def axis(span, *, since=NOON):
    return TimeAxis(since=since, until=since + span)


def labels(span, *, zone="UTC", language="de", since=NOON):
    with timezone.override(zone), translation.override(language):
        return [tick.label for tick in axis(span, since=since).ticks()]


@given(
    st.datetimes(min_value=datetime(1990, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.just(UTC)),
    st.timedeltas(min_value=timedelta(seconds=15), max_value=timedelta(days=5000)),
    st.sampled_from(["UTC", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Asia/Kathmandu"]),
)
def test_ticks_are_few_rise_and_lie_inside(since, span, zone):
    with timezone.override(zone):
        found = axis(span, since=since).ticks()
    assert len(found) <= 9
    assert [tick.at for tick in found] == sorted({tick.at for tick in found})
    assert all(since <= tick.at <= since + span for tick in found)
    assert all(tick.at.second == 0 for tick in found)
    if span >= timedelta(minutes=3) and span < timedelta(days=300):
        assert found


@given(st.floats(min_value=0, max_value=1))
def test_a_moment_stands_where_its_share_of_the_time_is(share):
    assert axis(DAY).share_of(NOON + share * DAY) == pytest.approx(share, abs=1e-9)


def test_a_moment_outside_stands_at_the_edge():
    assert axis(DAY).share_of(NOON - DAY) == 0
    assert axis(DAY).share_of(NOON + 2 * DAY) == 1


def test_periods_end_after_the_last_has_begun():
    found = time_axis_of((NOON, NOON + MINUTE), MINUTE)
    assert (found.since, found.until) == (NOON, NOON + 2 * MINUTE)


@pytest.mark.parametrize(
    ("span", "expected"),
    [
        (HOUR, ["12:00", "12:10", "12:20", "12:30", "12:40", "12:50", "13:00"]),
        (6 * HOUR, ["12:00", "13:00", "14:00", "15:00", "16:00", "17:00", "18:00"]),
        (DAY, ["12:00", "18:00", "28. Nov", "06:00", "12:00"]),
        (7 * DAY, [f"{day}. Nov" for day in (28, 29, 30)] + [f"{day}. Dez" for day in (1, 2, 3, 4)]),
        (30 * DAY, ["1. Dez", "6. Dez", "11. Dez", "16. Dez", "21. Dez", "26. Dez"]),
    ],
)
def test_ticks_stand_at_round_times(span, expected):
    assert labels(span) == expected


def test_weeks_begin_with_a_monday():
    with timezone.override("UTC"):
        assert {tick.at.weekday() for tick in axis(45 * DAY).ticks()} == {0}


def test_years_are_told_by_few_days():
    assert 2 <= len(labels(4000 * DAY)) <= 7


def test_ticks_follow_the_clock_of_the_viewer():
    assert labels(6 * HOUR, zone="Asia/Kathmandu")[0] == "18:00"
    assert labels(HOUR, language="en")[0] == "noon"


def test_midnight_is_told_by_its_date():
    with timezone.override("UTC"):
        assert [tick.label for tick in axis(DAY).ticks() if tick.is_day] == ["Nov 28"]


def test_a_date_among_dates_is_nothing_special():
    with timezone.override("UTC"):
        assert not any(tick.is_day for tick in axis(30 * DAY).ticks())


def test_an_hour_that_the_clock_leaves_out_has_no_tick():
    since = datetime(2025, 3, 30, 0, tzinfo=ZoneInfo("Europe/Berlin")).astimezone(UTC)
    assert labels(5 * HOUR, zone="Europe/Berlin", since=since) == [
        "30. Mär",
        "01:00",
        "03:00",
        "04:00",
        "05:00",
        "06:00",
    ]


def test_an_hour_that_the_clock_repeats_has_two():
    since = datetime(2025, 10, 26, 1, tzinfo=ZoneInfo("Europe/Berlin")).astimezone(UTC)
    assert labels(3 * HOUR, zone="Europe/Berlin", since=since) == [
        "01:00",
        "01:30",
        "02:00",
        "02:30",
        "02:00",
        "02:30",
        "03:00",
    ]


def test_a_moment_within_a_day_is_told_by_its_time():
    with timezone.override("Europe/Berlin"), translation.override("de"):
        assert axis(DAY).show(NOON) == "13:00"
        assert axis(2 * DAY).show(NOON) == "27. Nov, 13:00"


def test_a_moment_among_many_days_is_told_with_its_year():
    with timezone.override("UTC"):
        assert "2025" in show_moment(NOON, 400 * DAY)
        assert "2025" not in show_moment(NOON, 30 * DAY)


def test_a_letter_that_is_no_month_stays():
    # "27 de noviembre": a letter that the format takes as it is has a backslash.
    with timezone.override("UTC"), translation.override("es"):
        assert show_moment(NOON, DAY).startswith("27 de Nov,")
