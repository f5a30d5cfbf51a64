"""The clock that the tests of stamping read, by its dotted path."""

from django_clean_timestamps.testing import FakeClock

clock = FakeClock()
