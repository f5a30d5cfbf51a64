"""``manage.py timestamps_retry``."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Collection, Mapping
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID

from django.core.management.base import CommandError

from django_clean_timestamps.delivery.models import ParkedEvent
from django_clean_timestamps.delivery.operations import retry
from django_clean_timestamps.delivery.places import Place
from django_clean_timestamps.management.handler_command import PlacesCommand
from django_clean_timestamps.management.handler_places import Databases, find_databases, find_places
from django_clean_timestamps.management.log_command import ExitCode, Result, Row
from django_clean_timestamps.management.parked import (
    event_argument,
    find_parked,
    parked_handlers,
    place_of,
    refuse_followers,
)
from django_clean_timestamps.management.progress import ProgressLine
from django_clean_timestamps.management.words import count_of

__all__ = ["Command"]


class Chosen(NamedTuple):
    """A handler's parked events in one place: all that can be retried, or one."""

    handler: str
    place: Place
    row: ParkedEvent | None = None


class Command(PlacesCommand):
    help = (
        "Let parked events be tried at once, dead ones with all their attempts again: those of a handler, one, or all. "
        "Of each entity the first is due and the others follow it."
    )
    keys = ("retried",)
    makes_due = True

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("handler", nargs="?", metavar="HANDLER", help="Those of this handler.")
        parser.add_argument(
            "--event",
            type=event_argument,
            metavar="ID",
            help="One: the number of the parked event or the event's UUID, as timestamps_explain shows them.",
        )
        parser.add_argument("--all", action="store_true", dest="everything", help="Those of every handler.")
        super().add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        handler, logs = options["handler"], self.chosen_logs(options)
        _refuse_combinations(options)
        databases = find_databases(logs)
        if options["event"] is not None:
            chosen = _choose_event(options["event"], handler, databases, logs)
        elif handler is not None:
            chosen = [Chosen(handler, place) for place in find_places(handler, databases, logs)]
        else:
            chosen = [Chosen(*found) for found in parked_handlers(databases.aliases, logs)]
        results = [self.attempt_at(each.handler, each.place, partial(self._retry, each)) for each in chosen]
        results += self.not_asked(handler, databases)
        if not results and options["format"] == "text":
            self.stdout.write("Nothing is parked.")
        elif not results:
            self.print_rows([], "json")
        else:
            self.finish(results, options["format"])

    def describe_done(self, row: Row) -> str:
        return f"{count_of(row['retried'], 'parked event')} to be tried at once"

    def _retry(self, chosen: Chosen) -> Result:
        using, log_alias = chosen.place
        rows = ParkedEvent.objects.using(using).filter(handler=chosen.handler, log_alias=log_alias)
        if chosen.row is not None:
            refuse_followers(chosen.row)
            rows = rows.filter(pk=chosen.row.pk)
        line = ProgressLine(self.stderr)
        count = retry(rows, progress=lambda so_far: line.show(f"{log_alias}: {chosen.handler}: {so_far:,} events …"))
        line.clear()
        return {"retried": count}, ExitCode.WELL


def _refuse_combinations(options: Mapping[str, Any]) -> None:
    ways = [options["handler"] is not None or options["event"] is not None, options["everything"]]
    if sum(ways) != 1:
        found = "Nothing was named" if not any(ways) else "--all goes with nothing else"
        raise CommandError(
            f"{found}: say HANDLER for its parked events, --event ID for one, or --all for those of every handler.",
            returncode=ExitCode.UNKNOWN,
        )


def _choose_event(
    wanted: int | UUID, handler: str | None, databases: Databases, logs: Collection[str] | None
) -> list[Chosen]:
    if handler is not None:
        find_places(handler, databases, logs)
    rows = find_parked(wanted, databases.aliases, handler=handler, logs=logs)
    if not rows:
        told = "".join(f" {alias!r} could not be asked: {error}" for alias, error in databases.failed.items())
        raise CommandError(
            f"No parked event has the {'number' if isinstance(wanted, int) else 'event id'} {wanted}"
            f"{'' if handler is None else f' and is of {handler!r}'}; one that was handled is parked no more.{told}",
            returncode=ExitCode.UNKNOWN,
        )
    if isinstance(wanted, int) and len(rows) > 1:
        found = ", ".join(f"one of {row.handler} (log of {row.log_alias}, in {row._state.db})" for row in rows)
        raise CommandError(
            f"Several parked events have the number {wanted}: {found}. Name the handler or the --database as well, or "
            "the event's UUID.",
            returncode=ExitCode.UNKNOWN,
        )
    return [Chosen(row.handler, place_of(row), row) for row in rows]
