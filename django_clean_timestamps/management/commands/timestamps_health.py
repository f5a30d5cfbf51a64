"""``manage.py timestamps_health``."""

from __future__ import annotations

import json
import sys
from typing import Any, Final

from django.utils import translation

from django_clean_timestamps.management.log_command import ExitCode, LogCommand, Row
from django_clean_timestamps.metrics.health.reading import read_health
from django_clean_timestamps.metrics.health.values import Health, Level

__all__ = ["Command"]

WIDTH: Final = max(map(len, Level))


class Command(LogCommand):
    help = (
        "Show whether stamping, delivery and metrics are well, what is wrong, and what to do: databases and their "
        "tables, the sequencer, each handler, dead events, whether anybody delivers and keeps house, clocks, alerts. "
        "Ends with 1 where a check warns or is critical, with 2 where something could not be asked. Changes nothing."
    )
    writes = False

    def handle(self, *args: Any, **options: Any) -> None:
        named = options["databases"]
        with translation.override("en"):
            health = read_health(named if named is None else self.chosen(named))
        self.print_report(health.to_dict(with_detail=True), options["format"])
        code = _code_of(health)
        if code is not ExitCode.WELL:
            sys.exit(code)

    def print_report(self, report: dict[str, Any], form: str) -> None:
        """Print the report as one JSON object, or as text."""
        if form == "json":
            self.stdout.write(json.dumps(report, indent=2))
            return
        for row in report["checks"]:
            self.stdout.write(self.describe(row))
        self.stdout.write(f"{report['level']:<{WIDTH}}  in all")

    def describe(self, row: Row) -> str:
        what = f"{row['name']} {row['subject']}".strip()
        more = (row["detail"], row["remedy"]) if row["level"] != Level.OK else ()
        lines = [f"{row['level']:<{WIDTH}}  {what}: {row['text']}", *filter(None, more)]
        return f"\n{' ' * (WIDTH + 2)}".join(lines)


def _code_of(health: Health) -> ExitCode:
    if not health.is_complete:
        return ExitCode.UNKNOWN
    return ExitCode.WELL if health.level is Level.OK else ExitCode.WRONG
