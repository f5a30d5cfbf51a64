"""When this process writes its metrics: by a thread of its own, or, on SQLite, at the end of what it does anyway."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, Final

from django.core import mail
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, InterfaceError, connections
from django.utils.connection import ConnectionDoesNotExist

from django_clean_timestamps.conf import get_settings
from django_clean_timestamps.delivery.failures import one_line
from django_clean_timestamps.eventlog.transactions import can_begin
from django_clean_timestamps.exceptions import InvalidSettingError
from django_clean_timestamps.metrics.busy import is_busy
from django_clean_timestamps.metrics.keeping import Keeper
from django_clean_timestamps.metrics.process import describe_process
from django_clean_timestamps.metrics.recorder import Recorder
from django_clean_timestamps.metrics.store import Store, TooLate

__all__ = ["Flusher", "is_testing"]

FOLD_SECONDS: Final = 1.0

FLUSH_SECONDS: Final = 10.0
"""How often a process writes where there are few of them."""

WRITERS_AT_ONCE: Final = 16
"""With more processes each writes less often."""

FLUSH_SECONDS_AT_MOST: Final = 60.0

BEAT_SECONDS: Final = 60.0

EXIT_SECONDS: Final = 1.0
"""How long the end of a process waits for its last flush."""

BUSY_SECONDS: Final = 1.0
"""How long after SQLite was found busy it is tried again; at the end of a process without a pause to speak of."""

BUSY_AT_EXIT_SECONDS: Final = 0.01

FAILURES: Final = (DatabaseError, InterfaceError, ImproperlyConfigured, ConnectionDoesNotExist, OSError, TooLate)
"""What a flush may meet that a later one will not; everything that was counted is kept."""

logger = logging.getLogger("django_clean_timestamps.metrics")


_has_tested = False


def is_testing() -> bool:
    """
    Say whether Django's test environment is set up, or was: connections of our own would keep test databases open.

    What tests have done and did not write must not go into the project's own database afterwards.
    """
    global _has_tested
    _has_tested = _has_tested or hasattr(mail, "outbox")
    return _has_tested


class Flusher:
    """
    Writes what a recorder keeps, and does what falls to the holder of the lease.

    Nothing it meets is raised into the process.

    Args:
        recorder: The recorder.
    """

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder
        self.begin()

    def begin(self) -> None:
        """Begin as another process; also after a fork, which leaves the parent's thread behind."""
        self._starting = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._flushing = threading.Lock()
        self._store: Store | None = None
        self._keeper: Keeper | None = None
        self._beaten_at = self._folded_at = self._due_at = float("-inf")
        self._interval = FLUSH_SECONDS
        self._is_busy = False
        self._told: type[BaseException] | None = None

    # By a thread.

    def start(self) -> None:
        """Start the thread, where there is to be one and none runs. Called with the first observation."""
        with self._starting:
            if self._thread is None and not is_testing() and not self._is_sqlite():
                self._thread = threading.Thread(target=self._run, name="clean-timestamps-metrics", daemon=True)
                self._thread.start()

    def finish(self) -> None:
        """Write what is left, for a second at most. Called at the end of the process, by some of them twice."""
        deadline = time.monotonic() + EXIT_SECONDS
        if self._thread is not None:
            self._stop.set()
            self._thread.join(EXIT_SECONDS)
            if self._thread.is_alive():
                return
        if self.recorder.has_news:
            self.flush_now()
        while self._is_busy and time.monotonic() < deadline:
            time.sleep(BUSY_AT_EXIT_SECONDS)
            self.flush_now()

    def _run(self) -> None:
        wait = self._wait_seconds()
        due = time.monotonic() + min(wait, FLUSH_SECONDS)
        while not self._stop.wait(FOLD_SECONDS):
            self.recorder.fold()
            if time.monotonic() >= due:
                self._flush_and_close()
                due = time.monotonic() + self._wait_seconds()
        self._flush_and_close()

    def _wait_seconds(self) -> float:
        """Return how long to wait for the next flush, up to a tenth less by chance: not all at the same moment."""
        return self._interval * random.uniform(0.9, 1.0)  # noqa: S311 - nothing secret

    def _flush_and_close(self) -> None:
        self._guard(self._flush_by_thread)

    def _flush_by_thread(self) -> None:
        if is_testing():
            return
        try:
            self._flush()
        finally:
            # Held by hundreds of processes they would exhaust what a server allows.
            connections.close_all()

    # On the thread of whoever works anyway.

    def flush_here(self, **_: Any) -> None:
        """
        Fold each second and flush each minute, on the caller's thread and connection; a receiver of signals.

        Does nothing where a thread does it.
        """
        recorder, now = self.recorder, time.monotonic()
        if self._thread is not None or not recorder.is_awake:
            return
        if now - self._folded_at >= FOLD_SECONDS:
            self._folded_at = now
            recorder.fold()
        if now >= self._due_at and self._is_sqlite():
            self.flush_now()

    def flush_now(self) -> None:
        """
        Flush on the caller's thread and connection, and leave that as it was found.

        Does nothing inside a transaction, nor under a test runner. Others who use SQLite at this moment are not waited
        for, and do not notice.
        """
        if not is_testing():
            self._guard(self._flush_by_caller)

    def _flush_by_caller(self) -> None:
        using = get_settings().metrics_database
        if not _is_known(using) or _is_gone(connections[using]):
            return
        connection = connections[using]
        was_open = connection.connection is not None
        try:
            if can_begin(using):
                self._due_at = time.monotonic() + BEAT_SECONDS
                with _unnoticed(connection) if connection.vendor == "sqlite" else nullcontext():
                    self._flush()
        finally:
            if not was_open:
                connection.close()

    # Either way.

    def flush(self) -> None:
        """Write what is new, say that this process lives, and do the lease holder's work; log what fails."""
        self._guard(self._flush)

    def _guard(self, work: Callable[[], None]) -> None:
        """Do one flush at a time, and raise nothing."""
        if not self._flushing.acquire(blocking=False):
            return
        self._is_busy = False
        try:
            work()
        except FAILURES as error:
            self._is_busy = is_busy(error)
            if self._is_busy:
                self._due_at = time.monotonic() + BUSY_SECONDS
            else:
                self._tell(error)
        except Exception:
            logger.exception("Metrics could not be written; they are kept, and tried again")
        else:
            self._told = None
        finally:
            self._flushing.release()

    def _flush(self) -> None:
        using = get_settings().metrics_database
        if self._store is None or self._store.using != using:
            self._store = Store(self.recorder, using, describe_process())
            self._keeper = Keeper(self.recorder.writer, using)
        self._store.flush()
        now = time.monotonic()
        if now - self._beaten_at >= BEAT_SECONDS:
            self._store.beat()
            self._beaten_at = now
            self._interval = _interval_of(_living(using))
        if not self._stop.is_set():
            self._keeper.keep()  # type: ignore[union-attr]

    def _tell(self, error: BaseException) -> None:
        """Log a failure once, not each ten seconds: those of one kind may each say something else."""
        if type(error) is not self._told:
            logger.warning("Metrics could not be written; they are kept, and tried again: %s", one_line(error))
            self._told = type(error)

    def _is_sqlite(self) -> bool:
        try:
            using = get_settings().metrics_database
        except InvalidSettingError:
            # Whoever ends a request here is not to blame; a system check tells of it.
            return False
        return _is_known(using) and connections[using].vendor == "sqlite"


def _is_gone(connection: Any) -> bool:
    """Say whether the file of a SQLite database was deleted: to open it would make an empty one."""
    if connection.vendor != "sqlite" or connection.is_in_memory_db():
        return False
    name = str(connection.settings_dict["NAME"])
    return not name.startswith("file:") and not Path(name).exists()


def _is_known(using: str) -> bool:
    return using in connections.settings


def _living(using: str) -> int:
    from django_clean_timestamps.metrics.queries.processes import count_living

    return count_living(using)


def _interval_of(writers: int) -> float:
    return min(FLUSH_SECONDS * max(1.0, writers / WRITERS_AT_ONCE), FLUSH_SECONDS_AT_MOST)


@contextmanager
def _unnoticed(connection: Any) -> Iterator[None]:
    """
    Let SQLite give up at once where anybody else reads or writes, and write only while nobody does.

    Whoever has read in a transaction and goes on to write is not made to wait for another writer but fails at once, so
    no transaction of ours may begin beside one. With a write-ahead log SQLite cannot see who reads.
    """
    mode = connection.transaction_mode
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout")
        (milliseconds,) = cursor.fetchone()
        cursor.execute("PRAGMA busy_timeout = 0")
    connection.transaction_mode = "EXCLUSIVE"
    try:
        yield
    finally:
        connection.transaction_mode = mode
        with connection.cursor() as cursor:
            cursor.execute(f"PRAGMA busy_timeout = {int(milliseconds)}")
