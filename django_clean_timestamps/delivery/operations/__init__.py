"""
What people do to deliveries: pause and resume, retry and skip, replay, reshard, rename and forget.

Commands and the admin call these; each says in the log what was done.
"""

from django_clean_timestamps.delivery.operations.handlers import forget, rename, reshard
from django_clean_timestamps.delivery.operations.parked import retry, retry_from, skip
from django_clean_timestamps.delivery.operations.pausing import pause, resume
from django_clean_timestamps.delivery.operations.replaying import replay, replay_entity

__all__ = [
    "forget",
    "pause",
    "rename",
    "replay",
    "replay_entity",
    "reshard",
    "resume",
    "retry",
    "retry_from",
    "skip",
]
