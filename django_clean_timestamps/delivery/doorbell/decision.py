"""Whether a ring becomes a message, runs the drain at once, or nothing."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping
from typing import Any

from celery import _state

__all__ = ["Decision", "Way", "current_app", "decide"]


class Way(enum.Enum):
    """What a ring does."""

    SILENT = enum.auto()
    """Nothing: the project has no broker."""
    EAGER = enum.auto()
    """It drains at once, where the project's tests let Celery run tasks eagerly."""
    MESSAGE = enum.auto()
    """It publishes a message."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """
    The way of one app, as long as its configuration stays as it was.

    To ask the configuration costs eight microseconds, to compare what was set since it was read a fraction of one.
    """

    way: Way
    conf: Any
    changes: Mapping[str, Any]

    def holds_for(self, app: Any) -> bool:
        """Say whether it is about this app and nothing has been set since."""
        return self.conf is app.conf and self.conf.changes == self.changes


def decide(app: Any) -> Decision:
    """Return the way of a Celery app. Celery's default broker does not count as one that the project has."""
    conf = app.conf
    return Decision(way=_way_of(conf), conf=conf, changes=dict(conf.changes))


def current_app() -> Any:
    """
    Return the Celery app in use; None where the project has made none.

    ``celery.current_app`` would make one then, and stand in the way of the project's own, made later.
    """
    return _state._tls.current_app or _state.default_app


def _way_of(conf: Any) -> Way:
    if conf.task_always_eager:
        return Way.EAGER
    # Celery looks into the environment, too.
    return Way.MESSAGE if conf.broker_write_url else Way.SILENT
