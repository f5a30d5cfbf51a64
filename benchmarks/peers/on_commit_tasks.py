"""The task of ``transaction.on_commit(task.delay)``."""

from celery import shared_task

from benchmarks.project import moments


@shared_task(name="benchmarks.effect")
def cause_effect(key: int) -> None:
    moments.effect(key)
