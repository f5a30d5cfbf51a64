"""Reading the clock that the project chose."""

from __future__ import annotations

from datetime import UTC, datetime

from django_clean_timestamps.conf import get_settings
from django_clean_timestamps.exceptions import InvalidSettingError

__all__ = ["read_clock", "system_clock"]


def system_clock() -> datetime:
    """Return the computer's time, aware, in UTC, with microseconds."""
    return datetime.now(UTC)


def read_clock() -> datetime:
    """
    Return what the clock named by ``CLEAN_TIMESTAMPS["CLOCK"]`` says, in UTC.

    Raises:
        InvalidSettingError: The clock returned something else than an aware datetime.
    """
    settings = get_settings()
    reading = settings.read_clock()
    if reading.__class__ is datetime and reading.tzinfo is UTC:
        return reading
    if not isinstance(reading, datetime) or reading.utcoffset() is None:
        raise InvalidSettingError(
            f"CLEAN_TIMESTAMPS['CLOCK'] {settings.clock!r} returned {reading!r}; an aware datetime is wanted"
        )
    return reading.astimezone(UTC)
