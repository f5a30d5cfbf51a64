"""The command that replays a history."""

import sys
from argparse import ArgumentParser, ArgumentTypeError
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DEFAULT_DB_ALIAS
from django.utils import timezone

from codebase.history.edits import Commit, History, HistoryError
from codebase.history.git import GitHistory
from codebase.history.pace import Pace, ProgressBar
from codebase.history.replay import COMMITS_PER_TRANSACTION, Replay, forget_replay, repository_slug
from codebase.history.report import ReplayReport
from codebase.history.tsv import BUNDLED_HISTORY, TsvHistory


class Command(BaseCommand):
    """Replays an edit history through the entities."""

    help = (
        "Replay an edit history: one edit, one write, each at its own historical time and with "
        "its commit as the reason. A replay that was stopped goes on where it stopped."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        source = parser.add_mutually_exclusive_group()
        source.add_argument(
            "--tsv",
            type=Path,
            metavar="FILE",
            help="Lines of commit number, UTC time, author number, A/M/D and path, separated by "
            "tabs; may be gzipped. Without --tsv and --git, the bundled history of Celery.",
        )
        source.add_argument("--git", type=Path, metavar="PATH", help="The mainline of a local git repository.")
        parser.add_argument("--name", help="What to call the repository.")
        parser.add_argument("--rate", type=_positive(float), metavar="N", help="At most N edits a second.")
        parser.add_argument("--limit", type=_positive(int), metavar="N", help="At most N commits in this run.")
        parser.add_argument(
            "--batch",
            type=_positive(int),
            metavar="N",
            help=f"N commits a transaction, with one touch of the repository for them all (default "
            f"{COMMITS_PER_TRANSACTION}, and 1 with --rate).",
        )
        parser.add_argument("--restart", action="store_true", help="Delete what was replayed, and begin anew.")
        parser.add_argument("--database", default=DEFAULT_DB_ALIAS, help="The database to fill.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Replay, and print what was done."""
        try:
            history = _history(options)
            if options["restart"]:
                forget_replay(repository_slug(history), using=options["database"])
            report = self._replay(history, options)
        except HistoryError as error:
            raise CommandError(str(error)) from error
        for line in report.lines():
            self.stdout.write(line)

    def _replay(self, history: History, options: dict[str, Any]) -> ReplayReport:
        bar = ProgressBar(self._terminal(), last_commit_number=history.last_commit_number)
        pace = Pace(options["rate"])

        def after_transaction(commit: Commit, edit_count: int) -> None:
            bar.show(commit.number, edit_count)
            pace.wait(edit_count)

        replay = Replay(
            history,
            now=timezone.now(),
            using=options["database"],
            commits_per_transaction=options["batch"] or (1 if options["rate"] else COMMITS_PER_TRANSACTION),
        )
        try:
            return replay.run(limit=options["limit"], after_transaction=after_transaction)
        except KeyboardInterrupt:
            raise CommandError("stopped; the next run goes on from here", returncode=130) from None
        finally:
            bar.close()

    def _terminal(self) -> Any:
        # Django's wrapper puts a line end after each write, which a bar cannot have.
        return getattr(self.stderr, "_out", sys.stderr)


def _history(options: dict[str, Any]) -> History:
    name = options["name"] or ""
    if options["git"]:
        return GitHistory(options["git"], name=name)
    if options["tsv"]:
        return TsvHistory(options["tsv"], name=name)
    return TsvHistory(BUNDLED_HISTORY, name=name or "celery")


def _positive(kind: type[int] | type[float]) -> Any:
    def parsed(text: str) -> int | float:
        try:
            number = kind(text)
        except ValueError as error:
            raise ArgumentTypeError(f"{text!r} is no number") from error
        if not 0 < number < float("inf"):
            raise ArgumentTypeError(f"{text} is not above 0")
        return number

    return parsed
