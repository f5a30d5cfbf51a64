"""A clock that a settings module names by its path."""

from datetime import UTC, datetime

from django_clean_timestamps.testing import FakeClock

clock = FakeClock(datetime(2020, 2, 2, tzinfo=UTC))
