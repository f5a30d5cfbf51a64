"""What a worker does when it is ready."""

from __future__ import annotations

import logging
from typing import Any

from celery import signals

from django_clean_timestamps.delivery import doorbell
from django_clean_timestamps.delivery.failures import one_line

__all__ = ["connect"]

logger = logging.getLogger("django_clean_timestamps.tasks")


def connect() -> None:
    """Have each worker send a sweep when it is ready: what was written while there was none is not left to beat."""
    signals.worker_ready.connect(_send_sweep, dispatch_uid="clean_timestamps", weak=False)


def _send_sweep(sender: Any, **_: Any) -> None:
    try:
        doorbell.publish(sender.app, doorbell.SWEEP)
    except Exception as error:  # noqa: BLE001 - the border: a broker's library may raise anything
        logger.warning("The first sweep of this worker could not be sent; the schedule's come: %s", one_line(error))
