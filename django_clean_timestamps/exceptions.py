"""Every error this package raises, in one tree."""

from django.core.exceptions import ImproperlyConfigured, ValidationError

__all__ = [
    "CleanTimestampsError",
    "ImmutableTimestampError",
    "InvalidSettingError",
    "InvalidTimestampError",
    "UnitOfWorkError",
]


class CleanTimestampsError(Exception):
    """The root of this package's errors."""


class ImmutableTimestampError(CleanTimestampsError, ValueError):
    """A write tried to change the ``created_at`` of a row that exists."""


class InvalidTimestampError(CleanTimestampsError, ValidationError):
    """A given time, reason, actor or correlation id broke a rule; nothing was written."""


class InvalidSettingError(CleanTimestampsError, ImproperlyConfigured):
    """A key of ``CLEAN_TIMESTAMPS`` is unknown, or its value cannot be used."""


class UnitOfWorkError(CleanTimestampsError, RuntimeError):
    """
    A transaction cannot be committed with its events, and was rolled back.

    It kept raising new events or touches while it was being committed, an early write of events failed half-way, or
    the transaction was marked for rollback while they were being written.
    """
