"""Subscriptions as a drain sees them: read in one statement, and born at the first drain."""

from __future__ import annotations

import itertools
import logging
import socket
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from django.db import IntegrityError, connections, transaction

from django_clean_timestamps.delivery.clock import now_sql
from django_clean_timestamps.delivery.handlers import Handler
from django_clean_timestamps.delivery.models import ParkedEvent, Subscription
from django_clean_timestamps.eventlog.insertion import naming_missing_tables

__all__ = ["SLOT_COUNT", "Shard", "bear", "ranges_of", "read_shards", "subscription_table"]

SLOT_COUNT: Final = 256

logger = logging.getLogger("django_clean_timestamps.delivery")

_COLUMNS: Final = (
    "id",
    "handler",
    "slot_from",
    "slot_to",
    "cursor",
    "until",
    "owner",
    "epoch",
    "running",
    "unfinished",
    "alone_until",
    "replay_until",
    "state",
    "failures",
    "shards_wanted",
)


class Shard(NamedTuple):
    """
    A row of ``Subscription`` as it was read.

    Attributes (beside the columns):
        is_leased: Whether a lease is running, by the database's clock.
        is_due: Whether it has not backed off till later.
        has_parked: Whether an event of its handler is parked, in whichever shard.
        has_retries: Whether one of its own slots is due to be retried.
    """

    id: int
    handler: str
    slot_from: int
    slot_to: int
    cursor: int
    until: int | None
    owner: str
    epoch: int
    running: int | None
    unfinished: int
    alone_until: int
    replay_until: int
    state: str
    failures: int
    shards_wanted: int | None
    is_leased: bool
    is_due: bool
    has_parked: bool
    has_retries: bool

    @property
    def is_whole(self) -> bool:
        """Whether it has all slots."""
        return self.slot_from == 0 and self.slot_to == SLOT_COUNT - 1

    def end(self, head: int) -> int:
        """Return the last position that it may go to now."""
        return head if self.until is None else min(head, self.until)


def read_shards(using: str, log_alias: str) -> list[Shard]:
    """
    Return the subscriptions to a log that live in a database, by one statement.

    Raises:
        EventLogMissingError: The tables are not there.
    """
    connection: Any = connections[using]
    quote = connection.ops.quote_name
    now, parked = now_sql(connection), quote(ParkedEvent._meta.db_table)
    columns = ", ".join(f"s.{quote(name)}" for name in _COLUMNS)
    of_handler = f"SELECT 1 FROM {parked} p WHERE p.handler = s.handler AND p.log_alias = s.log_alias"
    with naming_missing_tables(connection), connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {columns}, s.lease_until IS NOT NULL AND s.lease_until >= {now}, "
            f"s.resume_at IS NULL OR s.resume_at <= {now}, "
            f"EXISTS ({of_handler} AND p.state <> 'skipped'), "
            f"EXISTS ({of_handler} AND p.state = 'retry' AND p.available_at <= {now} "
            "AND p.slot BETWEEN s.slot_from AND s.slot_to) "
            f"FROM {subscription_table(connection)} s WHERE s.log_alias = %s ORDER BY s.id",
            [log_alias],
        )
        return [Shard(*row) for row in cursor.fetchall()]


def bear(handlers: Iterable[Handler], log_alias: str, *, head: int, oldest: int) -> None:
    """
    Make the subscriptions to a log that are not there yet, each where its handler writes.

    Called by a drain before it sequences: a handler that is new begins at the head as it stood then.

    Args:
        handlers: Those that hear the log and have no subscription.
        log_alias: The log's database alias.
        head: The last position given, before anything was sequenced.
        oldest: The oldest position that is retained.
    """
    for handler in handlers:
        cursor = min(head, oldest - 1) if handler.replay == "all" else head
        _bear(handler, log_alias, cursor, head if handler.replay == "all" else 0)


def ranges_of(count: int) -> list[tuple[int, int]]:
    """Return the first and last slot of each of ``count`` shards, which together have every slot once."""
    bounds = [number * SLOT_COUNT // count for number in range(count + 1)]
    return [(first, after - 1) for first, after in itertools.pairwise(bounds)]


def subscription_table(connection: Any) -> str:
    """Return the quoted name of the table."""
    return str(connection.ops.quote_name(Subscription._meta.db_table))


def _bear(handler: Handler, log_alias: str, cursor: int, replay_until: int) -> None:
    using = handler.alias_for(log_alias)
    shards = [
        Subscription(
            handler=handler.name,
            log_alias=log_alias,
            slot_from=first,
            slot_to=last,
            start=cursor,
            cursor=cursor,
            replay_until=replay_until,
        )
        for first, last in ranges_of(handler.shards)
    ]
    try:
        with transaction.atomic(using=using):
            # Every division begins with slot 0, so of two releases that divide differently one has all its rows.
            shards[0].save(using=using, force_insert=True)
            _insert(using, shards[1:])
    except IntegrityError:
        # Another drain was faster.
        return
    logger.info("%s begins at position %d of the log of %r (%s)", handler.name, cursor, log_alias, socket.gethostname())


def _insert(using: str, shards: Sequence[Subscription]) -> None:
    Subscription.objects.using(using).bulk_create(shards)
