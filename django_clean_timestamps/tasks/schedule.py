"""The entry of the sweep in every Celery app's schedule."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from celery import _state
from celery.app.defaults import DEFAULTS
from django.apps import apps

from django_clean_timestamps.conf import get_settings
from django_clean_timestamps.delivery.doorbell import SWEEP, message_options

__all__ = ["add_entry", "connect", "make_entry"]


def connect() -> None:
    """Have the entry put into the schedule of each Celery app, those that there are and those to come."""
    _state.connect_on_app_finalize(_follow)
    for app in list(_state._get_active_apps()):
        if app.finalized:
            _follow(app)


def add_entry(app: Any) -> None:
    """Put the sweep into the app's schedule, unless the project has put it there itself, under whatever name."""
    schedule = app.conf.beat_schedule
    if schedule is None or schedule is DEFAULTS["beat_schedule"]:
        # Some releases of Celery have one dict for all apps.
        schedule = app.conf.beat_schedule = {}
    if SWEEP not in schedule and all(_task_of(entry) != SWEEP for entry in schedule.values()):
        # Put into the project's own, which it may go on filling.
        schedule[SWEEP] = make_entry()


def make_entry() -> dict[str, Any]:
    """Return the entry: every ``SWEEP_SECONDS``, good until the next one."""
    seconds = get_settings().sweep_seconds
    options = message_options()
    if apps.is_installed("django_celery_beat"):
        # Its tables hold whole seconds, an interval of 0 would sweep without end, and it has a name of its own for
        # how long a message is good.
        seconds = math.ceil(seconds)
        options["expire_seconds"] = math.ceil(options["expires"])
    return {"task": SWEEP, "schedule": seconds, "options": options}


def _follow(app: Any) -> None:
    """
    Add the entry to the app now and whenever it reads its configuration.

    To read it here could be too early: the project's settings may be what is just being imported.
    """
    app.on_after_configure.connect(_add_when_configured, dispatch_uid=SWEEP, weak=False)
    if app.configured:
        add_entry(app)


def _add_when_configured(sender: Any, **_: Any) -> None:
    add_entry(sender)


def _task_of(entry: Any) -> Any:
    return entry.get("task") if isinstance(entry, Mapping) else getattr(entry, "task", None)
