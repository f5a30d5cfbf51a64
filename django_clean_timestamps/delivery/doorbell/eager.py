"""The drain in the committer's own thread, for projects whose tests run Celery's tasks eagerly."""

from __future__ import annotations

import logging
import threading
from typing import Any, Final

from django.db import connections

from django_clean_timestamps.context.frame import EMPTY_FRAME, enter_frame, leave_frame
from django_clean_timestamps.delivery.doorbell.messages import DRAIN

__all__ = ["drain_now"]

logger = logging.getLogger("django_clean_timestamps.delivery.doorbell")

_local: Final = threading.local()


def drain_now(app: Any, using: str) -> None:
    """
    Drain the log as soon as the connection is back in autocommit, which at the end of a block is at once.

    Nothing that goes wrong reaches the committer. The handlers do not see what surrounds him: in a worker there would
    be nothing of it.
    """
    connection: Any = connections[using]
    if connection.get_autocommit():
        _drain(app, using)
    elif not any(isinstance(call, _Due) for _, call, _ in connection.run_on_commit):
        # First of all: a callback of the project's that raises keeps the later ones from being called.
        connection.run_on_commit.insert(0, (set(), _Due(app, using), True))


class _Due:
    """A drain that waits for its connection to be back in autocommit."""

    __slots__ = ("__qualname__", "app", "using")

    def __init__(self, app: Any, using: str) -> None:
        self.app = app
        self.using = using
        # By which Django names a callback.
        self.__qualname__ = "django_clean_timestamps.delivery.doorbell.eager"

    def __call__(self) -> None:
        _drain(self.app, self.using)


def _drain(app: Any, using: str) -> None:
    """Drain a log, and then those that handlers wrote to meanwhile."""
    if (waiting := getattr(_local, "waiting", None)) is not None:
        # Called by a handler's own COMMIT.
        waiting[using] = app
        return
    _local.waiting = waiting = {using: app}
    owner = object()
    enter_frame(owner, lambda frame: EMPTY_FRAME)
    try:
        while waiting:
            using, app = waiting.popitem()
            app.tasks[DRAIN].apply((using,), throw=False)
    except Exception:
        logger.exception("The eager drain of %r failed; the next one finds its events", using)
    finally:
        leave_frame(owner)
        del _local.waiting
