"""The command behind ``make demo``."""

import os
import signal
import threading
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.urls import reverse
from django.utils import timezone

from codebase.history.edits import HistoryError
from codebase.history.tsv import BUNDLED_HISTORY, TsvHistory
from demo.account import ensure_superuser
from demo.databases import temporary_place
from demo.delivery import DeliveryError, report, wait_until_nothing_lacks
from demo.handler_verification import verify_handlers
from demo.made_history import HOST, make_history
from demo.site import free_port, is_loopback, running_site
from demo.traffic import running_traffic
from demo.verification import VerificationError, replay_and_verify
from demo.visits import unheard_visit, visit_all, visit_what_was_heard
from demo.worker import Worker, running_worker


class Command(BaseCommand):
    """Shows the example with one command, or checks that it works."""

    help = (
        "Migrate, make a superuser, fill the tracker, replay a real history, start a Celery worker with beat that "
        "delivers its events, and serve the site until Ctrl-C. With --check: all that in a temporary place, compared "
        "with git, with the history and with what the event log's feed tells, without staying."
    )
    requires_migrations_checks = False
    # Since Django 6.1 they ask the database, and --check has to exchange it first.
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--check", action="store_true", help="Check, and do not stay.")
        parser.add_argument("--address", default="127.0.0.1", help="A loopback address.")
        parser.add_argument("--port", type=int, default=8000, help="The first port to try (default 8000).")
        parser.add_argument("--limit", type=int, metavar="N", help="Replay N commits at most.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Serve the demo, or check it."""
        if not settings.DEBUG:
            raise CommandError("DEBUG is off: the demo's password is known to everybody")
        if not is_loopback(options["address"]):
            raise CommandError(
                f"{options['address']} is no loopback address: the demo's password is known to everybody"
            )
        try:
            with _interrupted_by_signals():
                if options["check"]:
                    self._check(options["limit"])
                else:
                    self._serve(options["address"], options["port"], options["limit"])
        except KeyboardInterrupt:
            raise CommandError("stopped", returncode=130) from None

    def _serve(self, host: str, port: int, limit: int | None) -> None:
        self.check()
        sentence = self._prepare()
        call_command("replay_history", limit=limit, stdout=self.stdout, stderr=self.stderr)
        call_command("follow_activity", stdout=self.stdout)
        if minutes := make_history():
            self.stdout.write(
                f"The dashboard begins with {minutes} minutes of figures that nobody measured; its page about health "
                f"shows them as a process called '{HOST}'."
            )
        try:
            port = free_port(host, port)
        except OSError as error:
            raise CommandError(f"no free port at {host} from {port} on: {error}") from error
        address = f"{f'[{host}]' if ':' in host else host}:{port}"
        log = settings.DATA_DIR / "worker.log"
        self.stdout.write(
            f"\nhttp://{address}/       the task tracker"
            f"\nhttp://{address}{reverse('codebase:repository_list')}  the replayed history"
            f"\nhttp://{address}{reverse('tracker:activity')}  the activity, read from the feed"
            f"\nhttp://{address}{reverse('tracker:delivery')}  how far the handlers have come"
            f"\nhttp://{address}{reverse('admin:clean_timestamps_dashboard')}?range=1h  how it performs"
            f"\nhttp://{address}{reverse('admin:index')} the admin"
            f"\n{sentence} A Celery worker delivers; {log} is what it says. Stop both with Ctrl-C.\n"
        )
        with running_worker(log=log, environment=os.environ) as worker, self._reporting(worker), running_traffic():
            call_command("runserver", address, use_reloader=False)

    @contextmanager
    def _reporting(self, worker: Worker) -> Iterator[None]:
        is_stopping = threading.Event()
        thread = threading.Thread(target=report, args=(worker, self.stdout.write, is_stopping), daemon=True)
        thread.start()
        try:
            yield
        finally:
            is_stopping.set()
            self.stdout.write("Stopping the worker.")

    def _check(self, limit: int | None) -> None:
        try:
            with temporary_place() as place:
                self.check()
                with running_worker(log=place.folder / "worker.log", environment=place.environment) as worker:
                    self._check_with(worker, limit)
        except (HistoryError, VerificationError) as error:
            raise CommandError(f"The replay went wrong: {error}") from error
        except DeliveryError as error:
            raise CommandError(f"The delivery went wrong: {error}") from error
        self.stdout.write(self.style.SUCCESS("The demo works."))

    def _check_with(self, worker: Worker, limit: int | None) -> None:
        self._prepare()
        history = TsvHistory(BUNDLED_HISTORY, name="celery")
        verified = replay_and_verify(history, now=timezone.now(), last_commit_number=limit)
        for line in verified.lines():
            self.stdout.write(line)
        seconds = wait_until_nothing_lacks(worker)
        self.stdout.write(
            f"A Celery worker has delivered every event, the last of them {seconds:.1f} seconds after that."
        )
        call_command("follow_activity", stdout=self.stdout)
        with running_site() as address:
            faults = visit_all(address)
            wait_until_nothing_lacks(worker, unheard_visit)
            wait_until_nothing_lacks(worker)
            faults += visit_what_was_heard(address)
        if faults:
            raise CommandError("The site does not work: " + "; ".join(faults))
        for line in verify_handlers(history, last_commit_number=limit).lines():
            self.stdout.write(line)
        self.stdout.write(
            "The site's pages answer, demo can log in to the admin, and the handlers hear what demo does."
        )

    def _prepare(self) -> str:
        call_command("migrate", verbosity=0)
        call_command("seed", stdout=self.stdout)
        sentence = ensure_superuser()
        self.stdout.write(sentence)
        return sentence


@contextmanager
def _interrupted_by_signals() -> Iterator[None]:
    """Let the ways to be told to end be those of Ctrl-C, so that what was started is stopped."""

    def interrupt(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    # What is ignored, as under nohup, stays so.
    names = [name for name in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(name) is not signal.SIG_IGN]
    before = {name: signal.signal(name, interrupt) for name in names}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)
