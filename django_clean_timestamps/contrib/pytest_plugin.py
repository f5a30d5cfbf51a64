"""
Fixtures for a project's own tests, known to pytest as soon as the package is installed.

This module is imported before Django has its settings, so it imports nothing of Django until a fixture is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from django_clean_timestamps.events import TimestampEvent
    from django_clean_timestamps.testing import FakeClock

__all__ = ["timestamp_clock", "timestamp_events"]


@pytest.fixture
def timestamp_events() -> Iterator[list[TimestampEvent]]:
    """Yield the list of the events that the test has raised so far, as ``capture_events()`` does."""
    from django_clean_timestamps.testing import capture_events

    with capture_events() as events:
        yield events


@pytest.fixture
def timestamp_clock() -> Iterator[FakeClock]:
    """Yield a ``FakeClock`` that is the clock of the test; it stands at 2026-01-01 00:00 UTC until it is moved."""
    from django_clean_timestamps.testing import FakeClock, use_clock

    with use_clock(FakeClock()) as clock:
        yield clock
