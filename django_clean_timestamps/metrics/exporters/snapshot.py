"""All that is exported, as it stood at one moment."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Final

from django.db import connections, transaction

from django_clean_timestamps.conf import get_settings
from django_clean_timestamps.delivery.failures import one_line
from django_clean_timestamps.metrics.exporters.alerts import AlertStanding, read_alerts
from django_clean_timestamps.metrics.flushing import FAILURES
from django_clean_timestamps.metrics.models import MetricWriter
from django_clean_timestamps.metrics.queries.backlog import Standing, read_standings
from django_clean_timestamps.metrics.queries.processes import Freshness, read_freshness, read_processes
from django_clean_timestamps.metrics.queries.totals import Totals, read_totals

__all__ = ["Snapshot", "borrowed", "read_snapshot", "read_snapshot_or_log"]

logger: Final = logging.getLogger("django_clean_timestamps.metrics")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """
    What is exported: sums alone, no key, reason, actor or error.

    Attributes:
        totals: What was ever counted.
        freshness: How old the samples are.
        standings: The last sample of every log and subscription.
        alerts: Every alert that was ever found.
        living: How many processes record, by kind; every kind is there.
        skew_seconds: How far the clock that is furthest off is from the database's; 0 where no process records.
    """

    totals: Totals
    freshness: Freshness
    standings: Sequence[Standing]
    alerts: Sequence[AlertStanding]
    living: Mapping[str, int]
    skew_seconds: float


def read_snapshot(using: str) -> Snapshot:
    """
    Return what is to be exported. Eight statements, each of them about the metrics' tables alone.

    Args:
        using: The metrics' database.

    Raises:
        Error: It cannot be read.
        ValueError: A sketch was written by a newer release.
    """
    totals = read_totals(using)
    freshness = read_freshness(using)
    processes = [process for process in read_processes(using) if process.is_living]
    living = dict.fromkeys(MetricWriter.Kind.values, 0)
    for process in processes:
        living[process.kind] += 1
    return Snapshot(
        totals=totals,
        freshness=freshness,
        standings=read_standings(using, freshness.sampled_at),
        alerts=read_alerts(using),
        living=living,
        skew_seconds=max((abs(process.skew_seconds) for process in processes), default=0.0),
    )


def read_snapshot_or_log(*, only_if: Callable[[str], bool] | None = None) -> Snapshot | None:
    """
    Return what is to be exported, None where it cannot be read; then the log tells why, and nothing is raised.

    For threads and transactions of others: a connection that was closed is closed again, and a transaction that is
    open goes on as if nothing had been read in it.

    Args:
        only_if: Asked first, with the alias of the metrics' database; where it says no, nothing is read.
    """
    try:
        using = get_settings().metrics_database
        with borrowed(using):
            return read_snapshot(using) if only_if is None or only_if(using) else None
    except FAILURES as error:
        logger.warning("Metrics cannot be exported now: %s", one_line(error))
    except Exception:
        logger.exception("Metrics cannot be exported now")
    return None


@contextmanager
def borrowed(using: str) -> Iterator[None]:
    """Leave the caller's connection and transaction as they were found, whatever the block meets."""
    connection = connections[using]
    was_open = connection.connection is not None
    try:
        # On PostgreSQL a statement that fails would end the transaction for whoever opened it.
        with transaction.atomic(using=using) if connection.in_atomic_block else nullcontext():
            yield
    finally:
        if not was_open:
            connection.close()
