"""The databases that the faults happen to, seen from outside: raw SQL in this process, Django in processes of its own."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from tests.faults.database_servers import DATABASE_NAME, DatabaseServer, MariaDB, PostgreSQL
from tests.faults.oracle import Event, Row, State, Verdict, judge

__all__ = ["KILLED", "Database", "SQLite", "ServerDatabase", "difference"]

ROOT = Path(__file__).resolve().parents[2]
KILLED = -signal.SIGKILL
CHILD_SECONDS = 120
TABLES = (
    "clean_timestamps_pending",
    "clean_timestamps_event",
    "clean_timestamps_loghead",
    "clean_timestamps_subscription",
    "clean_timestamps_parkedevent",
    "faults_effect",
    "faults_tally",
    "faults_page",
    "faults_book",
    "faults_counter",
)
# They change by themselves, so nobody compares them.
METRICS_TABLES = (
    "clean_timestamps_metricseries",
    "clean_timestamps_metricwriter",
    "clean_timestamps_metricminute",
    "clean_timestamps_metricrollup",
    "clean_timestamps_metrictotal",
    "clean_timestamps_metricsample",
    "clean_timestamps_metricreason",
    "clean_timestamps_metricexample",
    "clean_timestamps_metriclease",
)


class Database(ABC):
    """One database with the log's tables and the counters'."""

    name: str

    @property
    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """The database's entry in Django's ``DATABASES``."""

    @abstractmethod
    def connect(self) -> Any:
        """Return a connection of the driver, in autocommit."""

    @abstractmethod
    def settle(self) -> None:
        """Return once nobody is connected, so that no transaction of a dead process is still under way."""

    # Past Django.

    def query(self, sql: str) -> list[Any]:
        """Return the rows of a query, or nothing of another statement, committed."""
        with contextlib.closing(self.connect()) as connection, contextlib.closing(connection.cursor()) as cursor:
            cursor.execute(sql)
            return list(cursor.fetchall()) if cursor.description else []

    def value(self, sql: str) -> Any:
        [[value]] = self.query(sql)
        return value

    def migrate(self) -> None:
        self._check(self.start_module("django", "migrate", "--run-syncdb", "--verbosity=0"))

    def empty(self) -> None:
        """Empty the tables; the head goes too and is made again, as after any flush."""
        self.settle()
        for table in (*TABLES, *METRICS_TABLES):
            self.query(f"DELETE FROM {table}")

    def state(self) -> State:
        self.settle()
        counters = self.query("SELECT id, number, updated_at FROM faults_counter")
        events = self.query(
            "SELECT position, event_id, kind, entity_id, occurred_at, previous_at, reason FROM clean_timestamps_event "
            "WHERE entity_type = 'faults.counter' ORDER BY position"
        )
        heads = self.query("SELECT position FROM clean_timestamps_loghead")
        return State(
            rows={str(key): Row(number=number, updated_at=updated_at) for key, number, updated_at in counters},
            events=[
                Event(
                    position=position,
                    event_id=event_id,
                    kind=kind,
                    entity=entity,
                    occurred_at=occurred_at,
                    previous_at=previous_at,
                    reason=reason,
                )
                for position, event_id, kind, entity, occurred_at, previous_at, reason in events
            ],
            pending=self.pending(),
            head=heads[0][0] if heads else None,
        )

    def pending(self) -> int:
        return self.value("SELECT count(*) FROM clean_timestamps_pending")

    def everything(self) -> dict[str, list[Any]]:
        """Return every row there is, to see that nothing has changed."""
        self.settle()
        return {table: sorted(self.query(f"SELECT * FROM {table}"), key=repr) for table in TABLES}

    def judge(self, acknowledged: Iterable[tuple[str, int]] = ()) -> Verdict:
        """Sequence what is pending, and hold the log against the rows."""
        self.settle()
        self.run("sequence")
        return judge(self.state(), acknowledged=acknowledged)

    # Django, in a process of its own.

    def run(self, story: str, *, environment: Mapping[str, str] | None = None, **arguments: Any) -> Any:
        """Return what a story returned; it must end well."""
        return self.result(self.start(story, environment=environment, **arguments))

    def run_to_death(self, story: str, *points: str, nth: int = 1, **arguments: Any) -> None:
        """Run a story that is killed at a point, and say so if it is not."""
        process = self.start_with_fault(story, *points, action="kill", nth=nth, **arguments)
        output, errors = process.communicate(timeout=CHILD_SECONDS)
        assert process.returncode == KILLED, f"{story} ended with {process.returncode}:\n{output}\n{errors}"

    def start_with_fault(
        self,
        story: str,
        *points: str,
        action: str,
        nth: int = 1,
        settings: Mapping[str, Any] | None = None,
        **arguments: Any,
    ) -> subprocess.Popen[str]:
        """Start a story to which something happens at a point."""
        fault = json.dumps({"points": points, "nth": nth, "action": action})
        return self.start(
            story, environment={"FAULT": fault, "FAULTS_SETTINGS": json.dumps(settings or {})}, **arguments
        )

    def start(
        self, story: str, *, environment: Mapping[str, str] | None = None, **arguments: Any
    ) -> subprocess.Popen[str]:
        """Start a story and return at once."""
        return self.start_module("tests.faults.stories", story, json.dumps(arguments), environment=environment)

    def result(self, process: subprocess.Popen[str], *, seconds: float = CHILD_SECONDS) -> Any:
        """Wait for a story that was started, and return what it returned."""
        return json.loads(self._check(process, seconds=seconds).splitlines()[-1])

    def start_module(
        self,
        module: str,
        *arguments: str,
        environment: Mapping[str, str] | None = None,
        errors: int | IO[str] = subprocess.PIPE,
    ) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-W", "error", "-m", module, *arguments],
            cwd=ROOT,
            env={**os.environ, **self.environment(), **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )

    def environment(self) -> dict[str, str]:
        return {
            "DJANGO_SETTINGS_MODULE": "tests.faults.settings",
            "FAULTS_DATABASE": json.dumps(self.settings),
            "PYTHONPATH": str(ROOT),
        }

    @staticmethod
    def _check(process: subprocess.Popen[str], *, seconds: float = CHILD_SECONDS) -> str:
        try:
            output, errors = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            output, errors = process.communicate()
            raise AssertionError(f"{process.args} did not end within {seconds} s:\n{output}\n{errors}") from None
        assert process.returncode == 0, f"{process.args} ended with {process.returncode}:\n{output}\n{errors}"
        return output


class SQLite(Database):
    """A database in a file."""

    name = "sqlite"

    def __init__(self, path: Path) -> None:
        self.path = path
        self.timeout = 60.0
        self.mode: str | None = "IMMEDIATE"

    @property
    def settings(self) -> dict[str, Any]:
        options = {"timeout": self.timeout, **({"transaction_mode": self.mode} if self.mode else {})}
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": str(self.path), "OPTIONS": options}

    def connect(self) -> Any:
        return sqlite3.connect(self.path, timeout=60, isolation_level=None)

    def settle(self) -> None:
        # A dead process holds no lock, and the next reader rolls back what it left in the journal.
        pass

    def copy(self, path: Path) -> SQLite:
        shutil.copy(self.path, path)
        return SQLite(path)


class ServerDatabase(Database):
    """The database of a private server."""

    def __init__(self, server: DatabaseServer) -> None:
        self.server = server
        self.name = server.title.lower()

    @property
    def settings(self) -> dict[str, Any]:
        common = {"NAME": DATABASE_NAME, "HOST": "127.0.0.1", "PORT": str(self.server.port)}
        if isinstance(self.server, PostgreSQL):
            return {"ENGINE": "django.db.backends.postgresql", "USER": "postgres", **common}
        options = {"charset": "utf8mb4"}
        return {"ENGINE": "django.db.backends.mysql", "USER": "root", "PASSWORD": "", "OPTIONS": options, **common}

    def connect(self) -> Any:
        return self.server.connect()

    def settle(self) -> None:
        deadline = time.monotonic() + 30
        while self.server.terminate_clients() or self._open_transactions():
            assert time.monotonic() < deadline, "a transaction of a dead client does not end"
            time.sleep(0.02)

    def _open_transactions(self) -> int:
        if isinstance(self.server, MariaDB):
            return self.value("SELECT count(*) FROM information_schema.innodb_trx WHERE trx_mysql_thread_id > 0")
        return 0


def difference(before: Mapping[str, Sequence[Any]], after: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
    """Return what is in one picture of the tables alone, to be shown when it should be empty."""
    return {
        table: [
            *(row for row in before[table] if row not in after[table]),
            *(r for r in after[table] if r not in before[table]),
        ]
        for table in before
        if before[table] != after[table]
    }
