"""The command behind ``make demo``."""

import tempfile
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import DEFAULT_DB_ALIAS, connections
from django.urls import reverse
from django.utils import timezone

from codebase.history.edits import HistoryError
from codebase.history.tsv import BUNDLED_HISTORY, TsvHistory
from demo.account import ensure_superuser
from demo.site import free_port, is_loopback, running_site
from demo.verification import VerificationError, replay_and_verify
from demo.visits import visit_all


class Command(BaseCommand):
    """Shows the example with one command, or checks that it works."""

    help = (
        "Migrate, make a superuser, fill the tracker, replay a real history, and serve the site "
        "until Ctrl-C. With --check: all that in a temporary folder, compared with git and with "
        "the history, without staying."
    )
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--check", action="store_true", help="Check, and do not stay.")
        parser.add_argument("--address", default="127.0.0.1", help="A loopback address.")
        parser.add_argument("--port", type=int, default=8000, help="The first port to try (default 8000).")
        parser.add_argument("--limit", type=int, metavar="N", help="With --check: only the first N commits.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Serve the demo, or check it."""
        if not settings.DEBUG:
            raise CommandError("DEBUG is off: the demo's password is known to everybody")
        if not is_loopback(options["address"]):
            raise CommandError(
                f"{options['address']} is no loopback address: the demo's password is known to everybody"
            )
        try:
            if options["check"]:
                self._check(options["limit"])
            else:
                self._serve(options["address"], options["port"])
        except KeyboardInterrupt:
            raise CommandError("stopped", returncode=130) from None

    def _serve(self, host: str, port: int) -> None:
        sentence = self._prepare()
        call_command("replay_history", stdout=self.stdout, stderr=self.stderr)
        try:
            port = free_port(host, port)
        except OSError as error:
            raise CommandError(f"no free port at {host} from {port} on: {error}") from error
        address = f"{f'[{host}]' if ':' in host else host}:{port}"
        self.stdout.write(
            f"\nhttp://{address}/       the task tracker"
            f"\nhttp://{address}{reverse('codebase:repository_list')}  the replayed history"
            f"\nhttp://{address}{reverse('admin:index')} the admin"
            f"\n{sentence} Stop with Ctrl-C.\n"
        )
        call_command("runserver", address, use_reloader=False)

    def _check(self, limit: int | None) -> None:
        with _temporary_database():
            self._prepare()
            try:
                history = TsvHistory(BUNDLED_HISTORY, name="celery")
                verified = replay_and_verify(history, now=timezone.now(), last_commit_number=limit)
            except (HistoryError, VerificationError) as error:
                raise CommandError(f"The replay went wrong: {error}") from error
            for line in verified.report.lines():
                self.stdout.write(line)
            self.stdout.write(
                f"{verified.checkpoint_count} checkpoints agree with git.\n"
                f"{verified.file_count:,} files: created_at, updated_at, the number of changes and "
                "of events agree with their own edits."
            )
            with running_site() as address:
                faults = visit_all(address)
            if faults:
                raise CommandError("The site does not work: " + "; ".join(faults))
            self.stdout.write("The site's pages answer, and demo can log in to the admin.")
        self.stdout.write(self.style.SUCCESS("The demo works."))

    def _prepare(self) -> str:
        call_command("migrate", verbosity=0)
        call_command("seed", stdout=self.stdout)
        sentence = ensure_superuser()
        self.stdout.write(sentence)
        return sentence


@contextmanager
def _temporary_database() -> Iterator[None]:
    """Let the default database be a new file in a temporary folder while the block runs."""
    entry = connections.settings[DEFAULT_DB_ALIAS]
    if entry["ENGINE"] != "django.db.backends.sqlite3":
        raise CommandError("The check brings its own SQLite file: unset EXAMPLE_DATABASE")
    usual_name = entry["NAME"]
    with tempfile.TemporaryDirectory(prefix="clean-timestamps-demo-") as folder:
        connections.close_all()
        # As Django's own test runner does: each thread's connection takes the name from here.
        entry["NAME"] = Path(folder) / "check.sqlite3"
        try:
            yield
        finally:
            connections.close_all()
            entry["NAME"] = usual_name
