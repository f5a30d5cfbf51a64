import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta, timezone

import pytest
from django.conf import settings as django_settings
from django.test import override_settings

from django_clean_timestamps.clocks import read_clock, system_clock
from django_clean_timestamps.conf import get_settings
from django_clean_timestamps.contrib.pytest_plugin import timestamp_clock, timestamp_events  # noqa: F401
from django_clean_timestamps.testing import FakeClock, capture_events, use_clock
from tests.project_clock import clock as project_clock
from tests.testapp.models import Note

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def test_a_fake_clock_stands_still():
    clock = FakeClock(NOON)
    assert clock() == clock() == clock.now == NOON


def test_a_fake_clock_begins_at_new_year():
    assert FakeClock()() == NEW_YEAR


def test_tick_moves_on_and_returns_the_new_time():
    clock = FakeClock(NOON)
    assert clock.tick(1.5) == clock() == NOON + timedelta(seconds=1.5)


def test_tick_moves_back_where_negative():
    clock = FakeClock(NOON)
    clock.tick(-60)
    assert clock() == NOON - timedelta(minutes=1)


def test_set_moves_to_a_moment_of_any_zone():
    clock = FakeClock()
    clock.set(datetime(2026, 1, 1, 14, tzinfo=timezone(timedelta(hours=2))))
    assert clock() == NOON


@pytest.mark.parametrize("act", [FakeClock, FakeClock().set])
def test_a_naive_time_is_refused(act):
    with pytest.raises(ValueError, match="aware datetime"):
        act(datetime(2026, 1, 1))


def test_a_clock_in_use_is_read_in_every_thread():
    readings = []
    with use_clock(FakeClock(NOON)):
        thread = threading.Thread(target=lambda: readings.append(read_clock()))
        thread.start()
        thread.join()
    assert readings == [NOON]


def test_clocks_in_use_nest():
    with use_clock(FakeClock(NOON)):
        with use_clock(FakeClock()):
            assert read_clock() == NEW_YEAR
        assert read_clock() == NOON
    assert get_settings().read_clock is system_clock


def test_any_callable_can_be_the_clock():
    with use_clock(lambda: NOON) as clock:
        assert read_clock() == clock()


@override_settings(CLEAN_TIMESTAMPS={"MAX_FUTURE_SECONDS": 5})
def test_a_clock_in_use_keeps_the_other_settings():
    with use_clock(FakeClock()):
        assert get_settings().max_future_seconds == 5
    assert django_settings.CLEAN_TIMESTAMPS == {"MAX_FUTURE_SECONDS": 5}


def test_an_exception_puts_the_clock_back():
    with pytest.raises(RuntimeError), use_clock(FakeClock()):
        raise RuntimeError
    assert get_settings().read_clock is system_clock


@override_settings(CLEAN_TIMESTAMPS={"CLOCK": "tests.project_clock.clock"})
def test_a_fake_clock_of_a_module_is_named_by_its_path():
    assert read_clock() == project_clock.now


@pytest.mark.django_db
def test_the_fixture_timestamp_clock_stamps_the_rows(timestamp_clock):  # noqa: F811
    note = Note.objects.create()
    timestamp_clock.tick(60)
    note.touch("a minute later")
    assert (note.created_at, note.updated_at) == (NEW_YEAR, NEW_YEAR + timedelta(minutes=1))


def test_after_the_fixture_timestamp_clock_the_systems_clock_counts():
    assert read_clock() - datetime.now(UTC) < timedelta(seconds=5)
    assert get_settings().read_clock is system_clock


@pytest.mark.django_db
def test_the_fixture_timestamp_events_holds_the_tests_events(timestamp_events):  # noqa: F811
    assert timestamp_events == []
    Note.objects.create().touch("reviewed")
    assert [event.reason for event in timestamp_events] == ["entity_created", "reviewed"]


@pytest.mark.django_db
def test_captures_nest_beside_the_fixture(timestamp_events):  # noqa: F811
    with capture_events() as events:
        Note.objects.create()
    Note.objects.create()
    assert (len(events), len(timestamp_events)) == (1, 2)


def test_the_pytest_plugin_imports_nothing_of_django():
    code = (
        "import sys, django_clean_timestamps.contrib.pytest_plugin;"
        "print(*(name for name in sys.modules if name.partition('.')[0] == 'django'))"
    )
    result = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert result.stdout.strip() == ""
