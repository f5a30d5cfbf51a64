"""Telling developers that a handler writes to another database than its cursor is in."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final

from django.conf import settings
from django.core import mail
from django.db import connections

from django_clean_timestamps.delivery.handlers import Handler

__all__ = ["watching_foreign_writes"]

_WRITES: Final = ("INSERT", "UPDATE", "DELETE", "REPLACE", "MERGE")
_told: Final[set[tuple[str, str]]] = set()


@contextmanager
def watching_foreign_writes(handler: Handler, using: str) -> Iterator[None]:
    """
    Warn, under ``DEBUG`` and in tests, where the block writes to another database than ``using``.

    What commits there does not commit with the cursor: it may happen again. Once for each handler and database.
    """
    if not (settings.DEBUG or hasattr(mail, "outbox")):
        yield
        return
    with ExitStack() as stack:
        for alias in connections:
            if alias != using and (handler.name, alias) not in _told:
                stack.enter_context(connections[alias].execute_wrapper(_watcher(handler.name, using, alias)))
        yield


def _watcher(name: str, using: str, alias: str) -> Callable[..., Any]:
    def watch(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.lstrip().upper().startswith(_WRITES) and (name, alias) not in _told:
            _told.add((name, alias))
            warnings.warn(
                f"The handler {name} writes to the database {alias!r}, and its cursor is in {using!r}: the two do not "
                f"commit together, so what it does there may happen again. Say on_timestamp(using={alias!r}) if it "
                "writes there alone, or make it idempotent by event.event_id",
                RuntimeWarning,
                stacklevel=2,
            )
        return execute(sql, params, many, context)

    return watch
