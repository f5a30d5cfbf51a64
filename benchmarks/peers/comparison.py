"""
The peers' writes beside ours, in one transaction.

Each peer is asked to do what it is for: django-simple-history records its bulk inserts by its own function,
django-reversion makes a revision for each single write, and does not record bulk inserts at all.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from django.apps import apps
from django.db.models import Model

from benchmarks import writes
from benchmarks.measuring import AUTO_NOW, OURS, Benchmark, Plan, Result
from benchmarks.models import AutoNow, Entity
from benchmarks.peers import models
from benchmarks.writes import Write

MODEL_UTILS, SIMPLE_HISTORY, REVERSION = "model-utils", "simple-history", "reversion"


def benchmarks() -> list[Benchmark]:
    create, save, *_ = writes.ONE_BY_ONE
    bulk_create, *_ = writes.BULK
    return [
        _benchmark(replace(create, run=_each_in_a_revision(writes.create))),
        _benchmark(replace(save, run=_each_in_a_revision(writes.save))),
        _benchmark(replace(bulk_create, run=_bulk_create)),
    ]


def _benchmark(write: Write) -> Benchmark:
    def measure(plan: Plan) -> Result:
        sides, beside = _sides()
        return writes.measure(replace(write, targets={}), plan, sides=sides, beside=beside)

    return Benchmark(group="peers", name=write.name, measure=measure)


def _sides() -> tuple[dict[str, type[Model]], Sequence[type[Model]]]:
    """Return the sides, and what they write beside their own rows."""
    sides: dict[str, type[Model]] = {AUTO_NOW: AutoNow, OURS: Entity, MODEL_UTILS: models.ModelUtils}
    beside: list[type[Model]] = []
    if apps.is_installed("simple_history"):
        sides[SIMPLE_HISTORY] = models.SimpleHistory
        beside.append(models.SimpleHistory.history.model)
    if apps.is_installed("reversion"):
        from reversion.models import Revision, Version

        sides[REVERSION] = models.Reversion
        beside += [Version, Revision]
    return sides, beside


def _each_in_a_revision(run: Callable[[type[Model], Any], None]) -> Callable[[type[Model], Any], None]:
    def run_each(model: type[Model], given: Any) -> None:
        if model is not getattr(models, "Reversion", None):
            run(model, given)
            return
        import reversion

        for item in given:
            with reversion.create_revision():
                run(model, [item])

    return run_each


def _bulk_create(model: type[Model], rows: list[Any]) -> None:
    if model is not getattr(models, "SimpleHistory", None):
        writes.bulk_create(model, rows)
        return
    from simple_history.utils import bulk_create_with_history

    bulk_create_with_history(rows, model)
