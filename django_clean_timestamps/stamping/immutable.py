"""``created_at`` cannot change: what happens to an attempt."""

from __future__ import annotations

import warnings
from typing import Any

from django_clean_timestamps.conf import get_settings
from django_clean_timestamps.exceptions import ImmutableTimestampError

__all__ = ["refuse_created_at"]


def refuse_created_at(subject: str, stored: Any, given: Any) -> None:
    """
    Follow ``CREATED_AT_POLICY`` after an attempt to change ``created_at``; the caller leaves it out of the write.

    Args:
        subject: The model's label, with the key where one row is meant.
        stored: The value the row has, or words for it.
        given: The value it was to become, or words for it.

    Raises:
        ImmutableTimestampError: The policy is ``"raise"``. Under ``"warn"`` the same words are a ``RuntimeWarning``.
    """
    policy = get_settings().created_at_policy
    if policy == "ignore":
        return
    message = (
        f"{subject}: created_at is {_shown(stored)} and cannot become {_shown(given)}; "
        "wrap a deliberate correction in preserve_timestamps()"
    )
    if policy == "raise":
        raise ImmutableTimestampError(message)
    warnings.warn(message, RuntimeWarning, stacklevel=4)


def _shown(value: Any) -> str:
    return value.isoformat(sep=" ") if hasattr(value, "isoformat") else str(value)
