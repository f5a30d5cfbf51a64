"""Which tasks are sent, and how."""

from __future__ import annotations

from typing import Any, Final

from django_clean_timestamps.conf import get_settings

__all__ = ["DRAIN", "DRAIN_SECONDS", "SWEEP", "expires_seconds", "message_options"]

DRAIN: Final = "clean_timestamps.drain"
"""The task that drains one log; its argument is the log's database alias."""

SWEEP: Final = "clean_timestamps.sweep"
"""The task that drains all logs, by the schedule."""

DRAIN_SECONDS: Final = 5.0
"""How long one task works before it makes room: a worker that is told to stop waits for it."""

EXPIRES_AT_LEAST: Final = 60.0


def expires_seconds() -> float:
    """
    Return how long a message is good for: until the next sweep, and a minute at least.

    The time is absolute and judged by the worker's clock, which may go a little wrong. Without it a worker that was
    stopped for a day would find a day of sweeps.
    """
    return max(EXPIRES_AT_LEAST, get_settings().sweep_seconds)


def message_options() -> dict[str, Any]:
    """Return the options that these tasks are published with; the queue only where ``QUEUE`` names one."""
    queue = get_settings().queue
    return {"expires": expires_seconds(), "ignore_result": True} | ({"queue": queue} if queue else {})
