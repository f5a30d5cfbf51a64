"""A transaction in a thread of its own that waits for the locks of the test's."""

import threading
import time
from contextlib import nullcontext

from django.db import connections, transaction

from django_clean_timestamps.context import timestamp_context
from django_clean_timestamps.testing import capture_events
from tests.stamping.waiting import is_waiting, session_id
from tests.testapp.models import Note

WAITS_SECONDS = 20
RIVAL = "rival"


class Rival(threading.Thread):
    """
    Runs a function in a transaction, and keeps what it raised.

    Args:
        work: Given the alias.
        database: Of SQLite the database that both have opened.
        level: The isolation level of the session.
        captures: Whether a capture is open.
    """

    def __init__(self, work, *, database=None, level=None, captures=False):
        super().__init__(daemon=True)
        self.work, self.database, self.level, self.captures = work, database, level, captures
        self.using = "default" if database is None else database.alias
        self.session = self.error = None
        self.events = []

    def run(self):
        try:
            with nullcontext() if self.database is None else self.database.opened():
                self._run()
        except BaseException as error:  # noqa: BLE001 - the test's thread looks at it
            self.error = error
        finally:
            if self.database is None:
                connections[self.using].close()

    def _run(self):
        if self.level is not None:
            set_level(self.level)
        with capture_events() if self.captures else nullcontext([]) as events, transaction.atomic(self.using):
            # The snapshot of REPEATABLE READ is of now.
            Note.objects.using(self.using).exists()
            if self.database is None:
                self.session = session_id()
            with timestamp_context(reason=RIVAL):
                self.work(self.using)
        self.events = events

    def start_and_wait_for_a_lock(self):
        self.start()
        if self.database is not None:
            # SQLite tells nobody who waits: it is at BEGIN at the latest then, or this proves less than it could.
            self.join(0.1)
            assert self.is_alive(), self.error
            return
        deadline = time.monotonic() + WAITS_SECONDS
        while self.session is None or not is_waiting(self.session):
            assert self.is_alive(), self.error
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def finish(self):
        """Wait for the end and return what was raised."""
        self.join(WAITS_SECONDS)
        assert not self.is_alive()
        return self.error


def set_level(level, using="default"):
    """Set the isolation level of this thread's session."""
    with connections[using].cursor() as cursor:
        if connections[using].vendor == "postgresql":
            cursor.execute(f"SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL {level}")
        else:
            cursor.execute(f"SET SESSION TRANSACTION ISOLATION LEVEL {level}")
