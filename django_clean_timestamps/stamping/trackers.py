"""Keeping django-model-utils' field trackers in step with stamps they do not see being written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import Model
from model_utils.tracker import FieldTracker

from django_clean_timestamps.stamping.per_class import per_class

__all__ = ["sync_trackers"]


def sync_trackers(instance: Model, names: Sequence[str]) -> None:
    """Tell the instance's trackers that these fields stand as they are in the database."""
    for tracker in _trackers_of(type(instance)):
        own: Any = instance.__dict__.get(tracker.attname)
        if own is not None:
            own.set_saved_fields(fields=[name for name in names if name in tracker.fields])


@per_class
def _trackers_of(model: type[Model]) -> tuple[Any, ...]:
    names = {name for kind in model.__mro__ for name, value in vars(kind).items() if isinstance(value, FieldTracker)}
    return tuple(getattr(model, name) for name in names)
