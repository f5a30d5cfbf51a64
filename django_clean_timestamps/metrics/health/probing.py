"""Whether a database answers, known within a second whatever it does."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any, Final

from django.db import connections

__all__ = ["ANSWER_SECONDS", "Answer", "Asker", "close_fully", "select_one"]

ANSWER_SECONDS: Final = 1.0
"""How long a database has to answer."""

Work = Callable[[Any], Any]
"""What is asked over an open connection that is its own."""

# What a driver can bound by itself; 2 seconds are the least that libpq takes.
_OPTIONS: Final[Mapping[str, Mapping[str, Any]]] = {
    "postgresql": {"connect_timeout": 2},
    "mysql": {"connect_timeout": 1, "read_timeout": 1, "write_timeout": 1},
    "sqlite": {"timeout": 1},
}


class Answer:
    """
    What came of a question.

    Attributes:
        value: What the work returned, None where it did not.
        error: What went wrong, None where nothing did; ``TimeoutError`` where it took too long.
    """

    def __init__(self, value: Any = None, error: Exception | None = None) -> None:
        self.value = value
        self.error = error


class Asker:
    """
    Asks databases, each by a thread and over a connection of its own, which is closed with the answer.

    A driver can wait for minutes for a server that is gone, so nobody waits for the driver, but for the thread, and for
    a second. Of one question to one database one thread at most is under way: whoever asks meanwhile gets its answer.
    One that is late is cut off, so that neither threads nor connections pile up.
    """

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Begin as another process: after a fork the threads are the parent's."""
        self._lock = threading.Lock()
        self._under_way: dict[tuple[str, Work], _Question] = {}

    def ask(self, alias: str, work: Work) -> Answer:
        """Return what comes of some work on a database, after a second at most."""
        return self.ask_all([alias], work)[alias]

    def ask_all(self, aliases: Iterable[str], work: Work) -> dict[str, Answer]:
        """Return what comes of the same work on several, after a second at most for all together."""
        deadline = time.monotonic() + ANSWER_SECONDS
        questions = {alias: self._question(alias, work) for alias in aliases}
        return {alias: question.wait_until(deadline) for alias, question in questions.items()}

    def _question(self, alias: str, work: Work) -> _Question:
        with self._lock:
            question = self._under_way.get((alias, work))
            if question is None or question.is_over.is_set():
                question = self._under_way[alias, work] = _Question(alias, work)
                question.start()
            return question


class _Question(threading.Thread):
    def __init__(self, alias: str, work: Work) -> None:
        super().__init__(name=f"clean-timestamps-asks-{alias}", daemon=True)
        self.alias = alias
        self.work = work
        self.is_over = threading.Event()
        self.answer = Answer()
        self._connection: Any = None
        self._closing = threading.Lock()

    def run(self) -> None:
        try:
            self._connection = _own_connection(self.alias)
            self.answer = Answer(self.work(self._connection))
        except Exception as error:  # noqa: BLE001 - the border: whatever it is, the database has not answered
            self.answer = Answer(error=error)
        finally:
            with self._closing:
                if self._connection is not None:
                    close_fully(self._connection)
                self._connection = None
            self.is_over.set()

    def wait_until(self, deadline: float) -> Answer:
        if self.is_over.wait(max(0.0, deadline - time.monotonic())):
            return self.answer
        self._cut_off()
        return Answer(error=TimeoutError(f"no answer within {ANSWER_SECONDS:g} s"))

    def _cut_off(self) -> None:
        """End the waiting for a server that is connected and silent; the other drivers have a timeout for that."""
        # Under the lock, or the number of its socket could be that of another one by now.
        with self._closing:
            raw = None if self._connection is None else self._connection.connection
            if raw is not None and self._connection.vendor == "postgresql":
                # Whatever the driver says of a connection that is gone by now.
                with suppress(Exception), socket.socket(fileno=os.dup(raw.fileno())) as end:
                    end.shutdown(socket.SHUT_RDWR)


def select_one(connection: Any) -> None:
    """Ask for next to nothing; of SQLite something that lies in the file."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM sqlite_master LIMIT 1" if connection.vendor == "sqlite" else "SELECT 1")
        cursor.fetchone()


def close_fully(connection: Any) -> None:
    """Close a connection, also one to a database of SQLite's in memory, which Django leaves open."""
    connection.close()
    if connection.connection is not None:
        connection.connection.close()
        connection.connection = None


def _own_connection(alias: str) -> Any:
    connection: Any = connections[alias].copy()
    options = connection.settings_dict["OPTIONS"]
    # It would be made with our timeouts, and be that of the whole process.
    options.pop("pool", None)
    options.update(_OPTIONS.get(connection.vendor, {}))
    return connection
