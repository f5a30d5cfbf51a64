"""A command that does something to, or tells something of, the log of each database."""

from __future__ import annotations

import json
import sys
from abc import ABC, abstractmethod
from argparse import ArgumentParser
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from enum import IntEnum
from functools import partial
from typing import Any, ClassVar

from django.core.management.base import BaseCommand, CommandError
from django.db import Error, connections

from django_clean_timestamps.eventlog.aliases import entity_aliases, has_log, is_read_only
from django_clean_timestamps.exceptions import CleanTimestampsError, InvalidSettingError

__all__ = ["FAILURES", "ExitCode", "LogCommand", "NotMeant", "Result", "Row", "one_line"]

Row = dict[str, Any]

FAILURES = (Error, CleanTimestampsError)
"""What a database or its log can answer instead of doing what it was asked."""


class ExitCode(IntEnum):
    """How a command ends; of several databases the greatest counts."""

    WELL = 0
    WRONG = 1
    UNKNOWN = 2


Result = tuple[Row, ExitCode]


class NotMeant(Exception):  # noqa: N818 - no error
    """Raised by the work on a log that it is not for: there is no row of it."""


class LogCommand(BaseCommand, ABC):
    """
    Goes through the logs, one database after the other, and ends with an exit code.

    Attributes:
        writes: Whether databases that refuse writes are left out, unless they are named.
        keys: The keys of a row beside ``error`` and the names of what it is on, null where there is an error.
    """

    # An error in some other app is no reason to let the events wait.
    requires_system_checks = ()
    writes: ClassVar[bool] = True
    keys: ClassVar[tuple[str, ...]] = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--database",
            action="append",
            dest="databases",
            metavar="ALIAS",
            help="The alias of a database; may be given several times. By default every one that holds entities.",
        )
        parser.add_argument(
            "--format",
            choices=("text", "json"),
            default="text",
            help="What is printed: text for people (default) or JSON with documented keys.",
        )

    def execute(self, *args: Any, **options: Any) -> str | None:
        try:
            return super().execute(*args, **options)
        except InvalidSettingError as error:
            # No check has named it before.
            raise CommandError(f"{error}.", returncode=ExitCode.UNKNOWN) from error

    def chosen(self, databases: Iterable[str] | None) -> tuple[str, ...]:
        """
        Return the aliases that were named, or those that entities can be in.

        Raises:
            CommandError: One is not in ``DATABASES``.
        """
        if databases is None:
            return entity_aliases()
        for alias in databases:
            if alias not in connections:
                known = ", ".join(connections)
                raise CommandError(
                    f"There is no database {alias!r}; DATABASES has {known}.", returncode=ExitCode.UNKNOWN
                )
        return tuple(dict.fromkeys(databases))

    def is_meant(self, alias: str) -> bool:
        """Say whether a database that was not named has a log which this command is for."""
        return has_log(alias) and not (self.writes and is_read_only(alias))

    def go_through(self, options: Mapping[str, Any], work: Callable[[str], Result]) -> None:
        """
        Do the work on each log, print what came of it, and exit unless all is well.

        A database that fails does not keep the others from their turn.

        Raises:
            SystemExit: With the greatest of the exit codes, where that is not 0.
            CommandError: There is no log at all.
        """
        self.finish(self.results(options["databases"], work), options["format"])

    def results(self, databases: Iterable[str] | None, work: Callable[[str], Result]) -> list[Result]:
        """Return what came of the work on each log that was named, or that this command is for."""

        def work_if_meant(alias: str) -> Result:
            if databases is None and not self.is_meant(alias):
                raise NotMeant
            return work(alias)

        results = []
        for alias in self.chosen(databases):
            with suppress(NotMeant):
                results.append(self.attempt(partial(work_if_meant, alias), database=alias))
        return results

    def attempt(self, work: Callable[[], Result], **names: str) -> Result:
        """Return the row of some work, with the names of what it is on, and its exit code, whatever goes wrong."""
        try:
            row, code = work()
        except FAILURES as error:
            # What the package itself refuses was found out; what the database refuses may be anything.
            code = ExitCode.WRONG if isinstance(error, CleanTimestampsError) else ExitCode.UNKNOWN
            return {**names, **dict.fromkeys(self.keys), "error": one_line(error)}, code
        return {**names, **row, "error": None}, code

    def finish(self, results: Sequence[Result], form: str) -> None:
        """
        Print the rows, and exit unless all is well.

        Raises:
            SystemExit: With the greatest of the exit codes, where that is not 0.
            CommandError: There is no row at all.
        """
        if not results:
            raise CommandError(
                "No database holds the table of an entity; run 'manage.py migrate', or name one with --database.",
                returncode=ExitCode.UNKNOWN,
            )
        self.print_rows([row for row, _ in results], form)
        code = max(code for _, code in results)
        if code is not ExitCode.WELL:
            sys.exit(code)

    def print_rows(self, rows: list[Row], form: str) -> None:
        """Print the rows as one JSON object, or as text with the errors on the standard error."""
        if form == "json":
            self.stdout.write(json.dumps({"databases": rows}, indent=2))
            return
        for row in rows:
            if row["error"] is None:
                self.stdout.write(self.describe(row))
            else:
                self.stderr.write(f"{row['database']}: {row['error']}")

    @abstractmethod
    def describe(self, row: Row) -> str:
        """Return the text for a database's row that has no error."""


def one_line(error: BaseException) -> str:
    """Return what an error says, or its name where it says nothing, on one line."""
    return " ".join(str(error).split()) or type(error).__name__
