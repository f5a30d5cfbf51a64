"""
Telling sinks what they are owed, each in a thread of its own, so that none is waited for.

These threads never touch the database: on SQLite a second connection would make the application fail. What became of
them is written down by the next pass of the process that evaluates, or just after, where they were quick.
"""

from __future__ import annotations

import atexit
import dataclasses
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from django.conf import settings
from django.db import connections
from django.utils import translation

from django_clean_timestamps.conf import get_settings
from django_clean_timestamps.delivery.failures import full_jitter, one_line
from django_clean_timestamps.eventlog.fields import database_now
from django_clean_timestamps.eventlog.transactions import can_begin, own_transaction
from django_clean_timestamps.metrics.alerts.models import ERROR_LENGTH, AlertNotice, AlertState
from django_clean_timestamps.metrics.alerts.notices import Notice, Told
from django_clean_timestamps.metrics.alerts.sinks import SINKS, Sink
from django_clean_timestamps.metrics.alerts.states import Status
from django_clean_timestamps.metrics.alerts.wording import Message
from django_clean_timestamps.metrics.store import upsert

__all__ = ["Debt", "Telling", "told_of"]

WAIT_SECONDS: Final = 0.3
"""How long a pass waits for sinks that it has just begun to tell, all together; on SQLite it is at a request's end."""

EXIT_SECONDS: Final = 5.0
"""How long the end of a process waits for sinks that are being told."""

BACKOFF: Final = (timedelta(seconds=30), timedelta(minutes=15))

logger: Final = logging.getLogger("django_clean_timestamps.metrics")


class Debt(NamedTuple):
    """What a sink is to be told of one alert: the row's key, the notice and its text."""

    pk: int
    notice: Notice
    message: Message


class _Outcome(NamedTuple):
    """What became of it; no error where it was told."""

    sink: str
    debt: Debt
    error: str
    recipients: str


def told_of(row: AlertState, sink: str) -> Told | None:
    """Return what a sink was told last of an alert, None for nothing."""
    told = row.told.get(sink)
    return told and Told(**{**told, "state": Status(told["state"])})


class Telling:
    """
    What is being told by this process.

    Args:
        using: The metrics' database.
        wait_seconds: How long :meth:`tell` waits.
        clock: Gives seconds that only grow.
    """

    def __init__(
        self, using: str, *, wait_seconds: float = WAIT_SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.using = using
        self._wait_seconds = wait_seconds
        self._clock = clock
        self._threads: dict[str, threading.Thread] = {}
        self._outcomes: deque[_Outcome] = deque()
        self._failures: dict[tuple[str, str], tuple[int, float]] = {}
        self._finishes = False

    def tell(self, owed: Mapping[Sink, Sequence[Debt]]) -> None:
        """
        Begin to tell what is owed, and write down what has been told within the wait.

        A sink that is still being told, or a notice that has failed just now, has its turn later.

        Raises:
            Error: It could not be written down; the next pass does.
        """
        known = {(sink.name, debt.notice.key) for sink, debts in owed.items() for debt in debts}
        self._failures = {key: failure for key, failure in self._failures.items() if key in known}
        begun = []
        for sink, debts in owed.items():
            due = [debt for debt in debts if self._is_due(sink, debt)]
            if due and not self._is_busy(sink):
                begun.append(sink)
                self._begin(sink, due)
        self._join(begun, self._wait_seconds)
        if not self._finishes and any(map(self._is_busy, begun)):
            self._finishes = True
            atexit.register(self.finish)
        self.settle()

    def settle(self) -> None:
        """
        Write down what has been told, and what has failed.

        Raises:
            Error: The database could not do it now; the next time it is tried again.
        """
        outcomes = list(self._outcomes)
        if not outcomes:
            return
        now = database_now(self.using)
        with own_transaction(connections[self.using]):
            self._set_told([outcome for outcome in outcomes if not outcome.error])
            self._note(outcomes, now)
        for outcome in outcomes:
            self._outcomes.popleft()
            key = (outcome.sink, outcome.debt.notice.key)
            if outcome.error:
                attempt = self._failures.get(key, (0, 0.0))[0]
                wait = full_jitter(attempt, base=BACKOFF[0], cap=BACKOFF[1]).total_seconds()
                self._failures[key] = (attempt + 1, self._clock() + wait)

    def finish(self) -> None:
        """Wait for what is being told, five seconds at most, and write it down. Called at the end of the process."""
        self._join(SINKS, EXIT_SECONDS)
        try:
            if can_begin(self.using):
                self.settle()
        except Exception as error:  # noqa: BLE001 - a border
            # Whoever evaluates next tells it again, by the same key.
            logger.warning("What was told of alerts could not be written down: %s", one_line(error))

    def _is_due(self, sink: Sink, debt: Debt) -> bool:
        _, retry_at = self._failures.get((sink.name, debt.notice.key), (0, float("-inf")))
        return self._clock() >= retry_at

    def _is_busy(self, sink: Sink) -> bool:
        thread = self._threads.get(sink.name)
        return thread is not None and thread.is_alive()

    def _join(self, sinks: Iterable[Sink], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        for sink in sinks:
            if sink.name in self._threads:
                self._threads[sink.name].join(max(0.0, deadline - time.monotonic()))

    def _begin(self, sink: Sink, debts: Sequence[Debt]) -> None:
        # At the end of a command nobody waits for an answer any more, and no thread can be begun.
        if not threading.main_thread().is_alive():
            self._run(sink, debts)
            return
        name = f"clean-timestamps-alerts-{sink.name}"
        thread = threading.Thread(target=self._run_and_close, args=(sink, debts), name=name, daemon=True)
        thread.start()
        self._threads[sink.name] = thread

    def _run_and_close(self, sink: Sink, debts: Sequence[Debt]) -> None:
        try:
            self._run(sink, debts)
        finally:
            # What a receiver has opened in this thread.
            connections.close_all()

    def _run(self, sink: Sink, debts: Sequence[Debt]) -> None:
        recipients = ", ".join(get_settings().alert_mail_to) if sink.name == "mail" else ""
        with translation.override(settings.LANGUAGE_CODE):
            for first in range(0, len(debts), sink.size):
                parcel = debts[first : first + sink.size]
                error = _told(sink, [debt.message for debt in parcel])
                self._outcomes.extend(_Outcome(sink.name, debt, error, recipients) for debt in parcel)

    # In the transaction of ``settle``.

    def _set_told(self, outcomes: Sequence[_Outcome]) -> None:
        keys = sorted({outcome.debt.pk for outcome in outcomes})
        rows: Any = AlertState.objects.using(self.using).filter(pk__in=keys).select_for_update().order_by("pk")
        states = {row.pk: row for row in rows} if keys else {}
        for outcome in outcomes:
            row, told = states[outcome.debt.pk], outcome.debt.notice.told
            before = told_of(row, outcome.sink)
            # Another process may have told what came after.
            if before is None or _order_of(before) < _order_of(told):
                row.told[outcome.sink] = dataclasses.asdict(told)
        AlertState.objects.using(self.using).bulk_update(list(states.values()), ["told"], batch_size=100)

    def _note(self, outcomes: Sequence[_Outcome], now: datetime) -> None:
        keys = {outcome.debt.notice.key for outcome in outcomes}
        found = AlertNotice.objects.using(self.using).filter(key__in=keys)
        notices = {(notice.sink, notice.key): notice for notice in found}
        for sink, debt, error, recipients in outcomes:
            at = (sink, debt.notice.key)
            notice = notices.setdefault(at, _new_notice(sink, debt.notice, now))
            notice.attempts += 1
            notice.error = error
            notice.recipients = recipients
            if not error and notice.told_at is None:
                notice.told_at = now
        # In one order for all processes.
        rows = [notices[at] for at in sorted({(outcome.sink, outcome.debt.notice.key) for outcome in outcomes})]
        update = ["told_at", "attempts", "error", "recipients"]
        upsert(self.using, rows, unique=["sink", "key"], update=update)


def _told(sink: Sink, messages: Sequence[Message]) -> str:
    """Tell messages, and return why that failed, "" where it did not."""
    try:
        sink.send(messages)
    except Exception as error:  # noqa: BLE001 - a border
        reason = one_line(error)[:ERROR_LENGTH]
        logger.warning("Alerts could not be told by %s, and are tried again: %s", sink.name, reason)
        return reason
    return ""


def _order_of(told: Told) -> tuple[int, int, int]:
    return told.number, told.episode, told.version


def _new_notice(sink: str, notice: Notice, now: datetime) -> AlertNotice:
    return AlertNotice(
        sink=sink,
        key=notice.key,
        rule=notice.rule,
        subject=notice.subject,
        episode=notice.episode,
        version=notice.version,
        state="silenced" if notice.is_silenced else notice.state,
        level=notice.level,
        tried_at=now,
    )
