"""Commands that do something to the subscriptions of handlers, wherever they live."""

from __future__ import annotations

from abc import abstractmethod
from argparse import ArgumentParser
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any, ClassVar

from django_clean_timestamps.delivery.doorbell import ring
from django_clean_timestamps.delivery.places import Place
from django_clean_timestamps.management.handler_places import Databases, find_databases, find_places
from django_clean_timestamps.management.log_command import ExitCode, LogCommand, Result, Row

__all__ = ["HandlerCommand", "PlacesCommand"]


class PlacesCommand(LogCommand):
    """
    Makes a row for each place that a handler's subscription is in.

    Attributes:
        makes_due: Whether workers have something to do afterwards, so that the doorbell is rung.
    """

    makes_due: ClassVar[bool] = False

    def chosen_logs(self, options: Mapping[str, Any]) -> Collection[str] | None:
        """
        Return the logs that were named, None for all.

        Raises:
            CommandError: One is not in ``DATABASES``.
        """
        return None if options["databases"] is None else self.chosen(options["databases"])

    def attempt_at(self, handler: str, place: Place, work: Callable[[], Result]) -> Result:
        """Return the row of some work on one place and its exit code, and ring where it made something due."""
        row, code = self.attempt(work, **_names(handler, place))
        if self.makes_due and row["error"] is None:
            ring(place.log_alias)
        return row, code

    def not_asked(self, handler: str | None, databases: Databases) -> list[Result]:
        """Return a row for each database that could not be asked whether it has the subscription."""
        return [
            (_names(handler, Place(alias, alias)) | dict.fromkeys(self.keys) | {"error": error}, ExitCode.UNKNOWN)
            for alias, error in databases.failed.items()
        ]

    def describe(self, row: Row) -> str:
        place = row["database"] if row["using"] == row["database"] else f"{row['database']}, in {row['using']}"
        return f"{place}: {row['handler']}: {self.describe_done(row)}"

    @abstractmethod
    def describe_done(self, row: Row) -> str:
        """Return what was done, in words."""


class HandlerCommand(PlacesCommand):
    """Does something to the subscription of the handler that is named, in each of its places."""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("handler", metavar="HANDLER", help="The handler's name, as timestamps_status shows it.")
        super().add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        handler, logs = options["handler"], self.chosen_logs(options)
        databases = find_databases(logs)
        places = find_places(handler, databases, logs)
        results = [self.attempt_at(handler, place, partial(self.operate, handler, place, options)) for place in places]
        self.finish([*results, *self.not_asked(handler, databases)], options["format"])

    @abstractmethod
    def operate(self, handler: str, place: Place, options: Mapping[str, Any]) -> Result:
        """Do to the subscription what the command is for, and return the row and the exit code."""


def _names(handler: str | None, place: Place) -> dict[str, Any]:
    return {"database": place.log_alias, "using": place.using, "handler": handler}
