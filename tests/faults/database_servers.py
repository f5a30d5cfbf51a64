"""
Private database servers.

What makes a commit last is as in production (``fsync`` and its like are on), so that what a client was told is there
after a crash.
"""

from __future__ import annotations

import contextlib
import signal
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

from tests.faults.processes import find_program
from tests.faults.servers import Server

__all__ = ["DATABASE_NAME", "DatabaseServer", "MariaDB", "PostgreSQL"]

DATABASE_NAME = "faults"
LOG_FILE_BYTES = 8 << 20


class DatabaseServer(Server):
    """A database server with one empty database."""

    driver: ClassVar[str]

    @abstractmethod
    def connect(self, database: str = DATABASE_NAME) -> Any:
        """Return a connection of the driver, in autocommit, past Django."""

    def _answers(self) -> bool:
        with contextlib.suppress(self._driver_error()):
            self.connect("").close()
            return True
        return False

    @classmethod
    def _driver_error(cls) -> type[Exception]:
        return __import__(cls.driver).Error  # type: ignore[no-any-return]


class PostgreSQL(DatabaseServer):
    """A private PostgreSQL."""

    title = "PostgreSQL"
    driver = "psycopg"
    # "Fast": open transactions are rolled back.
    _clean_stop_signal = signal.SIGINT

    def connect(self, database: str = DATABASE_NAME) -> Any:
        import psycopg

        return psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            user="postgres",
            dbname=database or "postgres",
            autocommit=True,
            connect_timeout=5,
        )

    def terminate_clients(self) -> int:
        with contextlib.closing(self.connect("")) as connection:
            return connection.execute(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
            ).fetchone()[0]

    def restart_immediately(self) -> None:
        """Restart without a shutdown checkpoint, as ``pg_ctl restart -m immediate`` does."""
        self._end(signal.SIGQUIT)
        self.start()

    def _initialise(self) -> None:
        self._run(
            find_program("initdb", self.title),
            *("--pgdata", str(self.folder / "data"), "--username=postgres", "--auth=trust", "--encoding=UTF8"),
            # Small segments, so that a small disk is full soon; they say nothing about what lasts.
            *("--locale=C", "--wal-segsize=1", "--no-sync"),
        )

    def _prepare(self) -> None:
        with contextlib.closing(self.connect("")) as connection:
            connection.execute(f"CREATE DATABASE {DATABASE_NAME}")

    def _command(self) -> Sequence[str]:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": "",
            "fsync": "on",
            "synchronous_commit": "on",
            "full_page_writes": "on",
            "shared_buffers": "16MB",
            "max_connections": 50,
            "min_wal_size": "2MB",
            "max_wal_size": "16MB",
            "max_parallel_workers": 0,
            "log_min_messages": "warning",
        }
        options = [argument for name, value in settings.items() for argument in ("-c", f"{name}={value}")]
        return [find_program("postgres", self.title), "-D", str(self.folder / "data"), *options]


class MariaDB(DatabaseServer):
    """A private MariaDB."""

    title = "MariaDB"
    driver = "MySQLdb"

    def connect(self, database: str = DATABASE_NAME) -> Any:
        import MySQLdb

        return MySQLdb.connect(
            host="127.0.0.1",
            port=self.port,
            user="root",
            database=database,
            charset="utf8mb4",
            autocommit=True,
            connect_timeout=5,
        )

    def terminate_clients(self) -> int:
        with contextlib.closing(self.connect("")) as connection, contextlib.closing(connection.cursor()) as cursor:
            cursor.execute(
                "SELECT id FROM information_schema.processlist "
                "WHERE user = 'root' AND id <> CONNECTION_ID() AND command <> 'Killed'"
            )
            clients = [client for (client,) in cursor.fetchall()]
            for client in clients:
                # It may be gone by now.
                with contextlib.suppress(self._driver_error()):
                    cursor.execute(f"KILL {client}")
            return len(clients)

    def _initialise(self) -> None:
        find_program("mariadbd", self.title)
        self._run(
            find_program("mariadb-install-db", self.title),
            *("--no-defaults", f"--datadir={self.folder / 'data'}", "--auth-root-authentication-method=normal"),
            *("--skip-test-db", "--skip-name-resolve", f"--innodb-log-file-size={LOG_FILE_BYTES}"),
        )

    def _prepare(self) -> None:
        with contextlib.closing(self.connect("")) as connection, contextlib.closing(connection.cursor()) as cursor:
            cursor.execute(f"CREATE DATABASE {DATABASE_NAME} CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci")

    def _command(self) -> Sequence[str]:
        data = self.folder / "data"
        return [
            find_program("mariadbd", self.title),
            "--no-defaults",
            f"--datadir={data}",
            f"--port={self.port}",
            "--bind-address=127.0.0.1",
            f"--socket={self.folder / 'socket'}",
            f"--pid-file={data / 'pid'}",
            f"--tmpdir={data}",
            "--skip-name-resolve",
            "--innodb-flush-log-at-trx-commit=1",
            "--innodb-doublewrite=1",
            "--innodb-buffer-pool-size=32M",
            f"--innodb-log-file-size={LOG_FILE_BYTES}",
            "--innodb-lock-wait-timeout=10",
        ]
