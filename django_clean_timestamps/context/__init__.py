"""
What surrounds a write: its reason and actor, a given moment, and what is suspended.

Each context is a context manager and a decorator, nests, survives exceptions and belongs to the current task and
thread (:mod:`contextvars`). As a decorator it covers generator and coroutine functions while these run.
"""

from django_clean_timestamps.context.contexts import (
    no_touching,
    preserve_timestamps,
    stamped_at,
    timestamp_context,
    without_events,
)

__all__ = ["no_touching", "preserve_timestamps", "stamped_at", "timestamp_context", "without_events"]
