"""
The lease: a worker's time-limited right to move one subscription.

One UPDATE takes it, and its row count says who won. Whoever had it before can commit nothing any more: each statement
that moves a subscription asks for the epoch that the lease was taken with.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import socket
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

from django.db import connections

from django_clean_timestamps.delivery.clock import later_sql, now_sql
from django_clean_timestamps.delivery.models import Subscription
from django_clean_timestamps.delivery.subscriptions import Shard, subscription_table

__all__ = [
    "OUTAGE_AFTER",
    "Deaths",
    "Lease",
    "Overtaken",
    "deaths_of",
    "owner_name",
    "skip_window",
    "take_lease",
    "tell_problem",
]

OUTAGE_AFTER: Final = 20
"""How many events of as many entities must fail in a row before that is taken for an outage of what they all need."""

PROBLEM_LENGTH: Final = 500
_GIVEN_BACK: Final = "lease_until = NULL, owner = ''"
_WELL: Final = f"{_GIVEN_BACK}, problem = ''"
_RECOVERED: Final = f"{_WELL}, state = CASE WHEN state = 'paused' THEN state ELSE 'active' END, resume_at = NULL"
_owners: Final = threading.local()

logger = logging.getLogger("django_clean_timestamps.delivery")


class Overtaken(Exception):  # noqa: N818 - a state of the lease
    """Somebody else has the subscription by now; what was done since is to be rolled back."""


@dataclasses.dataclass(slots=True, kw_only=True)
class Lease:
    """
    A lease that was taken.

    Attributes:
        connection: To the database of the subscription.
        shard: The subscription as it was read before.
        seconds: For how long it was taken, and is again with each step.
        epoch: What the row must still say.
        cursor: Where its cursor stands by now.
        unfinished: How often the event after it ended its process while it ran alone.
        failures: How many events have failed in a row.
        is_held: Whether it has not been given back.
    """

    connection: Any
    shard: Shard
    seconds: float
    epoch: int
    cursor: int
    unfinished: int
    failures: int
    is_held: bool = True

    @contextmanager
    def undone_on_error(self) -> Iterator[None]:
        """Put the values back as they were where the transaction that the block is about is rolled back."""
        before = (self.cursor, self.unfinished, self.failures, self.is_held)
        try:
            yield
        except BaseException:
            self.cursor, self.unfinished, self.failures, self.is_held = before
            raise

    def step(self, cursor: int | None = None, *, running: int | None = None) -> None:
        """
        Move the cursor (None: it stays), renew the lease and keep it.

        Raises:
            Overtaken: The subscription is somebody else's.
        """
        self._update(f"lease_until = {later_sql(self.connection, self.seconds)}", cursor, running)

    def leave(self, cursor: int | None = None) -> None:
        """
        Move the cursor (None: it stays) and give the subscription back; in a batch the transaction's last statement.

        Raises:
            Overtaken: The subscription is somebody else's.
        """
        has_recovered = self.shard.state == Subscription.State.BACKING_OFF and self.failures < OUTAGE_AFTER
        self._update(_RECOVERED if has_recovered else _WELL, cursor, None)
        self.is_held = False

    def back_off(self, cursor: int | None = None, *, seconds: float, problem: str) -> None:
        """
        Move the cursor, give the subscription back, and let nobody have it for a while; people can read why.

        Raises:
            Overtaken: The subscription is somebody else's.
        """
        later = later_sql(self.connection, seconds)
        # One that was paused meanwhile stays so.
        state = "CASE WHEN state = 'paused' THEN state ELSE 'backing_off' END"
        self._update(
            f"{_GIVEN_BACK}, state = {state}, resume_at = {later}, problem = %s",
            cursor,
            None,
            problem[:PROBLEM_LENGTH],
        )
        self.is_held = False

    def release(self) -> None:
        """Give the subscription back where it is still ours, and change nothing else."""
        with self.connection.cursor() as cursor:
            cursor.execute(
                f"UPDATE {subscription_table(self.connection)} SET {_GIVEN_BACK}, running = NULL "
                "WHERE id = %s AND epoch = %s",
                [self.shard.id, self.epoch],
            )
        self.is_held = False

    def abandon(self) -> None:
        """Let the lease end at once without a word: what runs has asked for the end of its process."""
        with self.connection.cursor() as cursor:
            cursor.execute(
                f"UPDATE {subscription_table(self.connection)} SET lease_until = {now_sql(self.connection)} "
                "WHERE id = %s AND epoch = %s",
                [self.shard.id, self.epoch],
            )
        self.is_held = False

    def _update(self, assignments: str, cursor: int | None, running: int | None, *params: Any) -> None:
        quote = self.connection.ops.quote_name
        moved_to = self.cursor if cursor is None else cursor
        unfinished = 0 if moved_to > self.cursor else self.unfinished
        with self.connection.cursor() as database:
            database.execute(
                # The cursor is asked for too: a COMMIT whose answer was lost looks like a failure, and is tried again.
                f"UPDATE {subscription_table(self.connection)} SET {quote('cursor')} = %s, running = %s, "
                f"unfinished = %s, failures = %s, {assignments} "
                f"WHERE id = %s AND epoch = %s AND {quote('cursor')} = %s",
                [moved_to, running, unfinished, self.failures, *params, self.shard.id, self.epoch, self.cursor],
            )
            if database.rowcount != 1:
                raise Overtaken
        self.cursor, self.unfinished = moved_to, unfinished


def take_lease(shard: Shard, using: str, *, seconds: float, deaths: Deaths, running: int | None = None) -> Lease | None:
    """
    Take the lease of a subscription as it was read; return None where somebody else has it or has moved it since.

    Args:
        shard: The subscription.
        using: Where it lives.
        seconds: How long it may be had.
        deaths: What is known of those who had it before, see :func:`deaths_of`.
        running: The position of the event that is to run alone.
    """
    connection: Any = connections[using]
    me = owner_name()
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {subscription_table(connection)} SET owner = %s, epoch = epoch + 1, "
            f"lease_until = {later_sql(connection, seconds)}, running = %s, unfinished = %s, alone_until = %s "
            f"WHERE id = %s AND epoch = %s AND {connection.ops.quote_name('cursor')} = %s AND state <> 'paused' "
            f"AND (lease_until IS NULL OR lease_until < {now_sql(connection)} OR owner = %s)",
            [me, running, deaths.unfinished, deaths.alone_until, shard.id, shard.epoch, shard.cursor, me],
        )
        if cursor.rowcount != 1:
            return None
    return Lease(
        connection=connection,
        shard=shard,
        seconds=seconds,
        epoch=shard.epoch + 1,
        cursor=shard.cursor,
        unfinished=deaths.unfinished,
        failures=shard.failures,
    )


def skip_window(shard: Shard, using: str, cursor: int) -> bool:
    """Move the cursor over a window that holds nothing for it, unless somebody has the subscription; say if it did."""
    connection: Any = connections[using]
    column = connection.ops.quote_name("cursor")
    with connection.cursor() as database:
        database.execute(
            f"UPDATE {subscription_table(connection)} SET {column} = %s, problem = '' WHERE id = %s AND {column} = %s "
            f"AND epoch = %s AND (lease_until IS NULL OR lease_until < {now_sql(connection)})",
            [cursor, shard.id, shard.cursor, shard.epoch],
        )
        return bool(database.rowcount)


def tell_problem(shard: Shard, using: str, problem: str) -> None:
    """Keep on the subscription, for people, why it goes no further."""
    logger.warning("%s waits: %s", shard.handler, problem)
    Subscription.objects.using(using).filter(pk=shard.id).update(problem=problem[:PROBLEM_LENGTH])


class Deaths(NamedTuple):
    """
    What is known of those who died with a subscription.

    Attributes:
        unfinished: How many while the event after the cursor ran alone.
        alone_until: Up to where events are to run alone, to find out which one is deadly.
    """

    unfinished: int
    alone_until: int


def deaths_of(shard: Shard, window_end: int) -> Deaths:
    """
    Return what the row tells of those who had the subscription before.

    A lease that ended without a word is a process that died, or was stopped. If a batch ran, its events run alone from
    now on; if one ran alone, that death counts against it. A parked event's attempts are counted before it runs.

    Args:
        shard: The subscription as it was read.
        window_end: The last position of the batch that is due.
    """
    if not shard.owner or shard.owner == owner_name():
        return Deaths(shard.unfinished, shard.alone_until)
    if shard.running is None:
        return Deaths(0, max(shard.alone_until, window_end))
    if shard.running > shard.cursor:
        return Deaths(shard.unfinished + 1, shard.alone_until)
    return Deaths(shard.unfinished, shard.alone_until)


def owner_name() -> str:
    """Return the name under which this thread of this process takes leases: host, process and a part by chance."""
    pid = os.getpid()
    if getattr(_owners, "pid", None) != pid:
        _owners.pid, _owners.name = pid, f"{socket.gethostname()[:60]}:{pid}:{uuid.uuid4().hex[:8]}"
    return str(_owners.name)
