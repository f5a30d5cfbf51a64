"""The right to roll up, sample, evaluate and prune: one process at a time has it, whichever comes first."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final

from django.db import connections

from django_clean_timestamps.delivery.clock import later_sql, now_sql
from django_clean_timestamps.eventlog.transactions import own_transaction
from django_clean_timestamps.metrics.models import LEASE_KEY, MetricLease

__all__ = ["LEASE_SECONDS", "LeaseLost", "MetricsLease", "take_lease"]

LEASE_SECONDS: Final = 90.0
"""How long the right lasts without being renewed; a process writes once a minute at least."""


IDLE_SECONDS: Final = 10.0
"""How long the server lets us hold the lease's row, for which all wait, and do nothing."""


class LeaseLost(Exception):  # noqa: N818 - a state
    """Another process has the lease; what was done in this transaction is rolled back."""


class MetricsLease:
    """
    A lease that was taken.

    Args:
        using: The metrics' database.
        epoch: What its row must still say.
        row: The row as it was read just after.
    """

    def __init__(self, using: str, epoch: int, row: MetricLease) -> None:
        self.using = using
        self.epoch = epoch
        self.closed_before: int = row.closed_before
        self.sampled_at: int = row.sampled_at
        self.evaluated_at: int = row.evaluated_at
        self.pruned_at: int = row.pruned_at

    def note(self, **values: int) -> None:
        """
        Keep what was done in the lease's row: the last statement of the transaction that did it.

        Args:
            values: Columns of the row, named; without any it is only seen whether the lease still holds.

        Raises:
            LeaseLost: The lease is somebody else's.
        """
        row = MetricLease.objects.using(self.using).filter(pk=LEASE_KEY, epoch=self.epoch)
        with _statement(connections[self.using]):
            updated = row.update(epoch=self.epoch, **values)
        if not updated:
            raise LeaseLost
        for name, value in values.items():
            setattr(self, name, value)


def take_lease(using: str, owner: int) -> MetricsLease | None:
    """
    Take the lease, or renew one's own; None where another process has it. One statement, by the database's clock.

    Args:
        using: The metrics' database.
        owner: The number of this process.
    """
    if not _take(using, owner):
        rows = MetricLease.objects.using(using)
        if rows.filter(pk=LEASE_KEY).exists():
            return None
        with _statement(connections[using]):
            rows.bulk_create([MetricLease(pk=LEASE_KEY)], ignore_conflicts=True)
        if not _take(using, owner):
            return None
    row = MetricLease.objects.using(using).get(pk=LEASE_KEY)
    return MetricsLease(using, row.epoch, row) if row.owner == owner else None


def _take(using: str, owner: int) -> bool:
    connection: Any = connections[using]
    table = connection.ops.quote_name(MetricLease._meta.db_table)
    with _statement(connection), connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {table} SET epoch = CASE WHEN owner = %s THEN epoch ELSE epoch + 1 END, owner = %s, "  # noqa: S608 - no value
            f"lease_until = {later_sql(connection, LEASE_SECONDS)} "
            f"WHERE id = %s AND (owner = %s OR lease_until IS NULL OR lease_until < {now_sql(connection)})",
            [owner, owner, LEASE_KEY, owner],
        )
        return bool(cursor.rowcount)


def _statement(connection: Any) -> AbstractContextManager[None]:
    """
    Return a block for one statement, a transaction of its own unless there is one.

    A lone statement has the isolation level of the project, under which PostgreSQL may refuse the row that somebody
    else has just updated; and on SQLite it reads before it locks, whatever transactions begin with.
    """
    return nullcontext() if connection.in_atomic_block else own_transaction(connection, idle_seconds=IDLE_SECONDS)
