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
    """A transaction kept raising new events or touches while it was being committed."""
