"""The task of procrastinate."""

from procrastinate.contrib.django import app

from benchmarks.project import moments


@app.task(name="benchmarks.effect", queue="effects")
def cause_effect(*, key: int) -> None:
    moments.effect(key)
