"""Calling a handler: in the transaction of its cursor, or outside one."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final

from django.db import Error, connections, transaction

from django_clean_timestamps.delivery.failures import HandlerFailed, is_transient
from django_clean_timestamps.delivery.foreign_writes import watching_foreign_writes
from django_clean_timestamps.delivery.handlers import Handler
from django_clean_timestamps.delivery.runs import Runs
from django_clean_timestamps.eventlog.transactions import own_transaction
from django_clean_timestamps.events import TimestampEvent

__all__ = ["Interrupted", "Runner", "Settle"]

Settle = Callable[[int], None]
"""Called in the transaction with the number of events that were handled; moves the cursor."""

TRIES: Final = 3
SQLITE_SECONDS: Final = 0.2
"""How long a batch may run on SQLite, where it holds the one write lock."""


class Interrupted(Exception):  # noqa: N818 - a state of the database
    """The database could not do what was asked for now; nothing was done, and nothing is to blame."""


class Runner:
    """
    Calls one handler with a batch, as long as its time allows.

    Args:
        handler: The handler.
        using: The database that it writes to.
        seconds: How long its lease is.

    Attributes:
        runs: The times of its runs.
    """

    def __init__(self, handler: Handler, using: str, seconds: float) -> None:
        self.handler = handler
        self.seconds = seconds
        self.runs = Runs(handler.name, using)
        self.connection: Any = connections[using]
        self.call: Callable[[Any], Any] = handler.function if handler.task is None else handler.task.run
        box = seconds / 10
        self.deadline = time.monotonic() + (min(box, SQLITE_SECONDS) if self.connection.vendor == "sqlite" else box)

    @property
    def is_over(self) -> bool:
        """Whether its time is up."""
        return time.monotonic() >= self.deadline

    def run(
        self,
        events: Sequence[TimestampEvent],
        settle: Settle,
        undone_on_error: Callable[[], AbstractContextManager[None]],
    ) -> int:
        """
        Handle events in one transaction whose last statement settles them; return how many, at least one.

        What the database is to blame for is tried again some times, from the start.

        Args:
            events: In order.
            settle: What the transaction ends with.
            undone_on_error: Surrounds each try, and takes back what ``settle`` keeps in memory where one fails.

        Raises:
            HandlerFailed: The handler raised; nothing was done.
            Interrupted: The database did, again and again; nothing was done.
            Overtaken: Somebody else has the subscription; nothing was done.
        """
        for attempt in range(TRIES):
            try:
                with (
                    undone_on_error(),
                    own_transaction(self.connection, idle_seconds=self.seconds, read_committed=False),
                ):
                    with watching_foreign_writes(self.handler, self.connection.alias):
                        done = self._call(events)
                    settle(done)
            except HandlerFailed as failed:
                if not is_transient(failed.error):
                    raise
                error: BaseException = failed.error
            except Error as raised:
                # The last statement or COMMIT: the handler left the transaction broken, or a constraint is checked
                # only now.
                if not is_transient(raised):
                    raise HandlerFailed(raised, 0 if len(events) == 1 else None) from raised
                error = raised
            else:
                self.runs.tell_done()
                return done
            self._recover(attempt)
        raise Interrupted(str(error)) from error

    def run_outside(self, events: Sequence[TimestampEvent]) -> None:
        """
        Handle events outside a transaction, one of them or a list.

        Raises:
            HandlerFailed: The handler raised.
            Interrupted: The database did, for which the event is not to blame.
        """
        try:
            with self._guarded():
                self._call(events)
        except HandlerFailed as failed:
            if is_transient(failed.error):
                raise Interrupted(str(failed.error)) from failed.error
            raise
        self.runs.tell_done()

    def _call(self, events: Sequence[TimestampEvent]) -> int:
        """Call the handler with the events until its time is up; return how many it has handled."""
        self.runs.begin()
        if self.handler.batch:
            try:
                self.call(list(events))
            except Exception as error:
                raise HandlerFailed(error, 0 if len(events) == 1 else None) from error
            self.runs.end(len(events))
            return len(events)
        for index, event in enumerate(events):
            try:
                self.call(event)
            except Exception as error:
                raise HandlerFailed(error, index) from error
            self.runs.end()
            if self.is_over:
                return index + 1
        return len(events)

    def _guarded(self) -> AbstractContextManager[Any]:
        """Inside a ``TestCase``'s transaction an error of the database would break that."""
        return transaction.atomic(self.connection.alias) if self.connection.in_atomic_block else nullcontext()

    def _recover(self, attempt: int) -> None:
        if not self.connection.in_atomic_block:
            self.connection.close_if_unusable_or_obsolete()
        time.sleep(random.uniform(0, 0.05 * 2**attempt))  # noqa: S311 - nothing secret
