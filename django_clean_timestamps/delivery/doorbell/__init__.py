"""
The doorbell: a Celery message that says "there is news".

Losing one costs latency, never an event, for the sweep comes anyway. So it only ever costs whoever commits a flag: one
daemon thread of the process publishes, coalesced, over a connection of its own, and alone waits for a slow broker.
"""

from django_clean_timestamps.delivery.doorbell.messages import (
    DRAIN,
    DRAIN_SECONDS,
    SWEEP,
    expires_seconds,
    message_options,
)
from django_clean_timestamps.delivery.doorbell.publishing import publish
from django_clean_timestamps.delivery.doorbell.ringing import draining, forget_app, ring

__all__ = [
    "DRAIN",
    "DRAIN_SECONDS",
    "SWEEP",
    "draining",
    "expires_seconds",
    "forget_app",
    "message_options",
    "publish",
    "ring",
]
