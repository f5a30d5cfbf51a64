"""Every error this package raises, in one tree."""

from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.db import DatabaseError

__all__ = [
    "BackPressureError",
    "BadCursor",
    "CleanTimestampsError",
    "CursorExpired",
    "DeliveryError",
    "EventLogMissingError",
    "HandlerError",
    "ImmutableTimestampError",
    "InvalidSettingError",
    "InvalidTimestampError",
    "RetentionError",
    "RetryLater",
    "SequencingError",
    "UnitOfWorkError",
    "UnreadableEventError",
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


class EventLogMissingError(CleanTimestampsError, DatabaseError):
    """The tables of the event log are missing in a database that holds entities; nothing was written."""


class BackPressureError(CleanTimestampsError, RuntimeError):
    """More events than ``MAX_UNDELIVERED`` wait to be delivered; the write was refused and nothing was dropped."""


class SequencingError(CleanTimestampsError, RuntimeError):
    """A pass of the sequencer cannot be made here, or did not add up and was rolled back."""


class RetentionError(CleanTimestampsError, RuntimeError):
    """The log cannot be pruned here; nothing was deleted."""


class UnreadableEventError(CleanTimestampsError, ValueError):
    """An event of the log was written by a newer release."""


class BadCursor(CleanTimestampsError, ValueError):  # noqa: N818 - the feed's answer, named as its readers know it
    """A cursor of the feed was changed, belongs to another log, or comes from a newer release."""


class CursorExpired(CleanTimestampsError, LookupError):  # noqa: N818 - the feed's answer, named as its readers know it
    """Events behind a cursor of the feed have been pruned, so that going on would skip them."""


class HandlerError(CleanTimestampsError, ImproperlyConfigured):
    """A handler cannot be registered as it is declared."""


class DeliveryError(CleanTimestampsError, RuntimeError):
    """An operation on subscriptions or parked events cannot be done as things stand; nothing was changed."""


class RetryLater(CleanTimestampsError):  # noqa: N818 - raised by handlers, and says what they want
    """
    Raised by a handler that cannot handle an event now; it is tried again later, and that counts as no attempt.

    Args:
        seconds: How long to wait at least, 0 or more.

    Raises:
        ValueError: ``seconds`` is negative or no number.
    """

    def __init__(self, seconds: float) -> None:
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds < float("inf"):
            raise ValueError(f"RetryLater takes a number of seconds, 0 or more, not {seconds!r}")
        self.seconds = seconds
        super().__init__(f"To be tried again in {seconds:g} seconds")
