"""The Celery tasks of this package, which Celery finds here by itself."""

from __future__ import annotations

from typing import Any

from celery import shared_task

from django_clean_timestamps.delivery.doorbell import DRAIN, SWEEP
from django_clean_timestamps.tasks import running

__all__ = ["drain", "sweep"]


@shared_task(bind=True, name=DRAIN, ignore_result=True, acks_late=False)  # type: ignore[untyped-decorator]
def drain(self: Any, using: str = "default") -> None:
    """
    Drain the log of one database: give positions to what is pending, and move every handler that has news.

    Works for five seconds at most and then sends itself again, so that a worker can be stopped. A database that is
    down is logged in one line.
    """
    running.drain_log(self, using)


@shared_task(bind=True, name=SWEEP, ignore_result=True, acks_late=False)  # type: ignore[untyped-decorator]
def sweep(self: Any) -> None:
    """Drain every log that can be written to, whether a doorbell was heard or not, and prune those that are due."""
    running.sweep_logs(self)
