"""``manage.py timestamps_status``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django_clean_timestamps.eventlog.status import LogStatus, read_status
from django_clean_timestamps.management.ages import in_words
from django_clean_timestamps.management.deliveries import Deliveries, read_deliveries
from django_clean_timestamps.management.handler_places import find_databases
from django_clean_timestamps.management.log_command import ExitCode, LogCommand, Result, Row
from django_clean_timestamps.management.subscription_lines import subscription_as_json, subscription_lines

__all__ = ["Command"]

LOG_KEYS = (
    "missing_tables",
    "pending_count",
    "has_more_pending",
    "oldest_pending_age_seconds",
    "head",
    "sequenced_at",
    "sequenced_age_seconds",
    "oldest_position",
    "oldest_age_seconds",
    "oldest_transaction_age_seconds",
    "is_oldest_transaction_known",
    "is_stalled",
)


class Command(LogCommand):
    help = (
        "Show how the event log of each database stands: what waits for a position, the last position given, when "
        "that was, what is retained; and how far each handler is. Ends with 1 where something is wrong (tables are "
        "missing, nobody sequences, an event is dead, a handler is gone or fails on everything), with 2 where a "
        "database could not be asked."
    )
    writes = False
    keys = (*LOG_KEYS, "subscriptions", "unborn", "dead", "findings", "is_well")

    def handle(self, *args: Any, **options: Any) -> None:
        named = options["databases"]
        databases = find_databases(named if named is None else self.chosen(named))
        self.told: dict[str, str] = {}

        def work(alias: str) -> Result:
            log = read_status(alias)
            deliveries = Deliveries() if log.missing_tables else read_deliveries(log, databases)
            code = max(deliveries.code, ExitCode.WELL if log.is_well else ExitCode.WRONG)
            self.told[alias] = "\n".join([alias, *(f"  {line}" for line in _lines(log, deliveries))])
            return _row(log, deliveries) | {"is_well": code is ExitCode.WELL}, code

        self.go_through(options, work)

    def describe(self, row: Row) -> str:
        return self.told[row["database"]]


def _row(log: LogStatus, deliveries: Deliveries) -> Row:
    return {
        **{key: getattr(log, key) for key in LOG_KEYS},
        "sequenced_at": log.sequenced_at and log.sequenced_at.isoformat(),
        "subscriptions": [subscription_as_json(each) for each in deliveries.subscriptions],
        "unborn": list(deliveries.unborn),
        "dead": deliveries.dead_count,
        "findings": [finding.text for finding in deliveries.findings],
    }


def _lines(log: LogStatus, deliveries: Deliveries) -> Iterator[str]:
    yield from _log_lines(log)
    if deliveries.subscriptions:
        yield "subscriptions"
        yield from (f"  {line}" for line in subscription_lines(deliveries.subscriptions))
    yield from (finding.text for finding in deliveries.findings)


def _log_lines(status: LogStatus) -> Iterator[str]:
    if status.missing_tables:
        yield f"missing tables      {', '.join(status.missing_tables)}"
        yield f"Run 'manage.py migrate clean_timestamps --database {status.using}'."
        return
    count = f"{status.pending_count:,}{' or more' if status.has_more_pending else ''}"
    waiting = status.oldest_pending_age_seconds
    yield f"pending             {count}" + ("" if waiting is None else f", the oldest for {in_words(waiting)}")
    yield f"head                {status.head:,}"
    sequenced_at, age = status.sequenced_at, status.sequenced_age_seconds
    passed = "none yet" if sequenced_at is None or age is None else f"{sequenced_at:%Y-%m-%d %H:%M:%S} UTC, {_ago(age)}"
    yield f"last pass           {passed}"
    kept, age = status.oldest_position, status.oldest_age_seconds
    yield f"oldest retained     {'none' if kept is None or age is None else f'{kept:,}, recorded {_ago(age)}'}"
    yield f"oldest transaction  {_transaction(status)}"
    if status.is_stalled:
        yield "Nobody has sequenced for a day. Run 'manage.py timestamps_relay', and keep one running with --watch."


def _transaction(status: LogStatus) -> str:
    age = status.oldest_transaction_age_seconds
    if status.is_oldest_transaction_known:
        return "none open" if age is None else f"open for {in_words(age)}"
    return "unknown" if age is None else f"open for {in_words(age)}, of those that may be seen"


def _ago(seconds: float) -> str:
    return f"{in_words(seconds)} ago"
