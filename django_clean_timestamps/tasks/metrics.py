"""What Celery's processes do for the metrics: they say what they are, and write what they have seen."""

from __future__ import annotations

from typing import Any

from celery import signals

from django_clean_timestamps.metrics.models import MetricWriter
from django_clean_timestamps.metrics.process import set_kind
from django_clean_timestamps.metrics.recording import FLUSHER, begin_recording

__all__ = ["connect"]


def connect() -> None:
    """Hear of workers and of the processes of their pools, of each task's end, and of a process's end."""
    signals.worker_init.connect(_name_worker, dispatch_uid="clean_timestamps metrics")
    # A process of a pool is forked of a worker that may have no thread, and ends without Python's own last rites.
    signals.worker_process_init.connect(_start, dispatch_uid="clean_timestamps metrics")
    signals.worker_process_shutdown.connect(_finish, dispatch_uid="clean_timestamps metrics")
    signals.task_postrun.connect(FLUSHER.flush_here, dispatch_uid="clean_timestamps metrics", weak=False)


def _name_worker(**_: Any) -> None:
    set_kind(MetricWriter.Kind.WORKER)


def _start(**_: Any) -> None:
    begin_recording(MetricWriter.Kind.WORKER)


def _finish(**_: Any) -> None:
    FLUSHER.finish()
