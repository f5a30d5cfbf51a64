"""``manage.py timestamps_prune``."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from datetime import timedelta
from typing import Any

from django_clean_timestamps.eventlog.retention import prune, retention
from django_clean_timestamps.management.log_command import ExitCode, LogCommand, Result, Row
from django_clean_timestamps.management.progress import ProgressLine

__all__ = ["Command"]

SECONDS_A_DAY = timedelta(days=1).total_seconds()


class Command(LogCommand):
    help = (
        "Delete the events that were recorded longer ago than they are kept (RETENTION_DAYS), oldest position first, "
        "and never what a cursor still needs. Of a partitioned log whole partitions are dropped."
    )
    keys = ("pruned", "older_than_days", "is_dry_run")

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--older-than",
            type=_days,
            metavar="DAYS",
            help="The age from which events go, by when they were recorded. RETENTION_DAYS by default.",
        )
        parser.add_argument("--dry-run", action="store_true", help="Count the events and delete nothing.")

    def handle(self, *args: Any, **options: Any) -> None:
        age: timedelta = retention() if options["older_than"] is None else options["older_than"]

        line = ProgressLine(self.stderr)

        def work(alias: str) -> Result:
            def show(count: int) -> None:
                line.show(f"{alias}: {count:,} events …")

            count = prune(alias, older_than=age, progress=show, dry_run=options["dry_run"])
            return {
                "pruned": count,
                "older_than_days": age.total_seconds() / SECONDS_A_DAY,
                "is_dry_run": options["dry_run"],
            }, ExitCode.WELL

        self.go_through(options, work)

    def describe(self, row: Row) -> str:
        done = "would be deleted" if row["is_dry_run"] else "deleted"
        limit = f"recorded more than {row['older_than_days']:g} days ago"
        return f"{row['database']}: {row['pruned']:,} events {done}, {limit}"


def _days(text: str) -> timedelta:
    try:
        days = timedelta(days=float(text))
    except (ValueError, OverflowError):
        days = timedelta(-1)
    if days < timedelta(0):
        raise ArgumentTypeError(f"{text!r} is no number of days, 0 or more")
    return days
