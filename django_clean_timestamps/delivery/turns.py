"""A subscription's turn in a drain: one batch of what is new, and what is due of its parked events."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from typing import Final, NamedTuple

from django.db import Error

from django_clean_timestamps.conf import get_settings
from django_clean_timestamps.delivery.failures import HandlerFailed
from django_clean_timestamps.delivery.handlers import Handler
from django_clean_timestamps.delivery.leases import (
    OUTAGE_AFTER,
    Deaths,
    Lease,
    Overtaken,
    deaths_of,
    owner_name,
    skip_window,
    take_lease,
    tell_problem,
)
from django_clean_timestamps.delivery.models import ParkedEvent, Subscription
from django_clean_timestamps.delivery.parking import Parking
from django_clean_timestamps.delivery.running import Interrupted, Runner
from django_clean_timestamps.delivery.runs import Runs
from django_clean_timestamps.delivery.sending import BrokerFailed, Sender
from django_clean_timestamps.delivery.sources import (
    RetrySource,
    Source,
    WindowSource,
    Withdrawn,
    Work,
    outage_seconds,
    work_of,
)
from django_clean_timestamps.delivery.subscriptions import Shard
from django_clean_timestamps.delivery.windows import Window, read_window
from django_clean_timestamps.eventlog.transactions import own_transaction
from django_clean_timestamps.events import TimestampEvent

__all__ = ["Progress", "Turn"]

State = Subscription.State

SECONDS_UNTIL_READABLE: Final = 60.0
NOTHING: Final = Work((), (), 0)

logger = logging.getLogger("django_clean_timestamps.delivery")


class Progress(NamedTuple):
    """What a turn did: events handled, events parked, and whether anything moved."""

    delivered: int = 0
    parked: int = 0
    moved: bool = False


class Turn:
    """
    One turn of one subscription.

    Args:
        handler: Its handler.
        shard: The subscription, as it was just read.
        log_alias: The log's database alias.
        head: The last position given.
        should_stop: Asked between batches.
    """

    def __init__(
        self, handler: Handler, shard: Shard, log_alias: str, head: int, should_stop: Callable[[], bool]
    ) -> None:
        self.handler = handler
        self.shard = shard
        self.log_alias = log_alias
        self.head = head
        self.should_stop = should_stop
        self.using = handler.alias_for(log_alias)
        self.parking = Parking(handler, log_alias)
        self.window = Window((), shard.cursor)
        self.is_alone = False
        self.delivered = 0
        self.parked = 0

    def take(self) -> Progress:
        """
        Handle what is due, if nobody else does.

        Raises:
            Error: The database cannot be reached.
        """
        shard = self.shard
        if shard.state == State.PAUSED or not shard.is_due or (shard.is_leased and shard.owner != owner_name()):
            return Progress()
        self.window = read_window(self.handler, shard, self.log_alias, self.head)
        if not self.window.events and not shard.has_retries:
            return Progress(moved=self._pass_over())
        return self._with_lease(deaths_of(shard, self.window.end))

    def _pass_over(self) -> bool:
        moved = self.window.end > self.shard.cursor and skip_window(self.shard, self.using, self.window.end)
        if self.window.problem:
            tell_problem(self.shard, self.using, self.window.problem)
        return moved

    def _with_lease(self, deaths: Deaths) -> Progress:
        self.is_alone = self.shard.cursor < deaths.alone_until
        work = self._work(has_parked=self.shard.has_parked)
        seconds, running = self.handler.lease_length, self._running(work)
        lease = take_lease(self.shard, self.using, seconds=seconds, deaths=deaths, running=running)
        if lease is None:
            return Progress()
        try:
            self._handle(lease, work)
        except Overtaken:
            logger.warning(
                "%s was overtaken at position %d of the log of %r, and what it did was rolled back: its lease of %g s "
                "ended while it ran, or the answer to its COMMIT was lost. A slow handler wants "
                "on_timestamp(lease_seconds=...)",
                self.handler.name,
                lease.cursor,
                self.log_alias,
                lease.seconds,
            )
        except Interrupted as interrupted:
            logger.warning("%s goes on later: %s", self.handler.name, interrupted)
            with suppress(Overtaken):
                lease.back_off(seconds=outage_seconds(0), problem=str(interrupted))
        except SystemExit:
            lease.abandon()
            raise
        finally:
            self._give_back(lease)
        if self.window.problem:
            tell_problem(self.shard, self.using, self.window.problem)
        return Progress(self.delivered, self.parked, moved=True)

    def _handle(self, lease: Lease, work: Work) -> None:
        is_odd = bool(self.shard.failures % 2)
        if self.shard.has_retries and not (self._is_probing and work.events and is_odd):
            self._retry(lease, limit=1 if self._is_probing else get_settings().batch_size)
            # What waited behind these may wait no more. A probe was that one event.
            work = self._work(has_parked=True) if not self._is_probing else NOTHING
            if lease.is_held and (running := self._running(work)) is not None:
                lease.step(running=running)
        if lease.is_held and (work.events or work.behind) and not self.should_stop():
            self._work_through(WindowSource(lease, self.parking, work))
        if lease.is_held:
            lease.leave()

    def _work(self, *, has_parked: bool) -> Work:
        work = work_of(self.window, self.parking, has_parked=has_parked)
        return work.first if self.is_alone or self._is_probing else work

    def _running(self, work: Work) -> int | None:
        """Return the position of the event that runs alone."""
        is_single = not (self.handler.atomic or self.handler.batch or self.handler.send)
        return work.events[0].position if work.events and (self.is_alone or is_single) else None

    @property
    def _is_probing(self) -> bool:
        return self.shard.failures >= OUTAGE_AFTER

    # What is new.

    def _work_through(self, source: WindowSource) -> None:
        lease = source.lease
        if not source.events:
            # All of them wait behind parked ones.
            with own_transaction(lease.connection), lease.undone_on_error():
                source.settle(0, leave=True)
        elif lease.unfinished >= get_settings().crash_limit and source.events[0].position == self.shard.running:
            with own_transaction(lease.connection), lease.undone_on_error():
                source.bury(f"Its process ended {lease.unfinished} times while it ran alone")
        elif self.handler.send:
            self._send(source)
        else:
            self._work_off(source)
        self.parked += source.parked_count

    def _work_off(self, source: Source) -> None:
        """
        Handle a source's events as far as time allows.

        After a failure those before it run again, then it runs alone, and on it goes with the rest. Of a list that
        failed only the whole is known: it is halved until the one is found.
        """
        runner = Runner(self.handler, self.using, source.lease.seconds)
        is_single = not (self.handler.atomic or self.handler.batch)
        size, failing = len(source.events), 0
        while (
            source.events and source.lease.is_held and not (runner.is_over and source.lease.cursor > self.shard.cursor)
        ):
            part = source.events[: 1 if is_single else size]
            try:
                done = self._run(runner, source, part)
            except HandlerFailed as failed:
                if len(part) == 1:
                    self._put_aside(runner, source, failed)
                    size, failing = len(source.events), 0
                else:
                    # Somewhere among the first ``failing`` events is the one.
                    failing = len(part) if failed.index is None else failed.index + 1
                    size = max(1, failing // 2 if failed.index is None else failed.index)
                continue
            failing = max(0, failing - done)
            size = len(source.events)
            if failing:
                size = max(1, failing // 2 if self.handler.batch else failing - 1)

    def _run(self, runner: Runner, source: Source, part: Sequence[TimestampEvent]) -> int:
        def settle(count: int) -> None:
            source.settle(count, leave=runner.is_over or count == len(source.events))

        with source.lease.undone_on_error():
            if self.handler.atomic:
                done = runner.run(part, settle, source.lease.undone_on_error)
            else:
                runner.run_outside(part)
                done = len(part)
                with own_transaction(source.lease.connection):
                    settle(done)
        source.drop(done)
        self.delivered += done
        return done

    def _put_aside(self, runner: Runner, source: Source, failed: HandlerFailed) -> None:
        logger.warning(
            "%s failed on %s",
            self.handler.name,
            _described(source.events[0]),
            exc_info=(type(failed.error), failed.error, failed.error.__traceback__),
        )
        runner.runs.tell_failed()
        with own_transaction(source.lease.connection), source.lease.undone_on_error():
            source.fail(failed, leave=runner.is_over or len(source.events) == 1)
        source.drop(1)

    def _send(self, source: WindowSource) -> None:
        runner = Runner(self.handler, self.using, source.lease.seconds)
        count, problem = 0, ""
        with closing(Sender(self.handler)) as sender:
            for event in source.events:
                try:
                    sender.send(event)
                except BrokerFailed as error:
                    problem = str(error)
                    logger.warning("%s could not be sent: %s", self.handler.name, problem)
                    break
                count += 1
                runner.runs.end()
                if runner.is_over:
                    break
        with own_transaction(source.lease.connection), source.lease.undone_on_error():
            if problem:
                source.lease.back_off(source.park_behind(count), seconds=outage_seconds(0), problem=problem)
            else:
                source.settle(count, leave=True)
        runner.runs.tell_done()
        self.delivered += count

    # What was parked.

    def _retry(self, lease: Lease, limit: int) -> None:
        runner = Runner(self.handler, self.using, lease.seconds)
        retried = 0
        while lease.is_held and retried < limit and not (runner.is_over and retried):
            rows = self.parking.due(self.shard, limit - retried)
            if not rows:
                break
            for row in rows:
                if lease.is_held and not (runner.is_over and retried):
                    self._retry_one(runner, lease, row)
                retried += 1

    def _retry_one(self, runner: Runner, lease: Lease, row: ParkedEvent) -> None:
        try:
            source = RetrySource(lease, self.parking, row)
        except ValueError as error:
            self._put_off(row, f"This release cannot read it: {error}")
            return
        if row.attempts >= self.handler.attempts_allowed:
            with own_transaction(lease.connection), lease.undone_on_error():
                source.give_up()
                lease.step()
            return
        with own_transaction(lease.connection), lease.undone_on_error():
            lease.step(running=row.position)
            is_claimed = self.parking.claim(row)
        if is_claimed:
            self._try_again(runner, source)
            self.parked += source.parked_count

    def _put_off(self, row: ParkedEvent, problem: str) -> None:
        self.parking.postpone(
            row, state=row.state, attempts=row.attempts, seconds=SECONDS_UNTIL_READABLE, error=problem
        )

    def _try_again(self, runner: Runner, source: RetrySource) -> None:
        try:
            if self.handler.send:
                self._send_again(source)
            else:
                self._run(runner, source, source.events)
        except Withdrawn:
            logger.info("%s: event %d was skipped while it ran", self.handler.name, source.row.position)
        except HandlerFailed as failed:
            self._put_aside(runner, source, failed)

    def _send_again(self, source: RetrySource) -> None:
        runs = Runs(self.handler.name, self.using)
        with closing(Sender(self.handler)) as sender:
            try:
                sender.send(source.events[0])
            except BrokerFailed as error:
                raise Interrupted(str(error)) from error
        runs.end()
        with own_transaction(source.lease.connection), source.lease.undone_on_error():
            source.settle(1, leave=False)
        runs.tell_done()
        self.delivered += 1

    def _give_back(self, lease: Lease) -> None:
        """A clean end gives the lease back, whatever ended it; where the database is gone it runs out."""
        if lease.is_held:
            with suppress(Error):
                lease.release()


def _described(event: TimestampEvent) -> str:
    return f"event {event.position} ({event.event_id}: {event.event_type} of {event.entity_type} {event.entity_id})"
