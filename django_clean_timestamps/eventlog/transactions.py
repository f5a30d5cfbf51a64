"""Short transactions of the log's own, beside those of the project."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from django.db import DatabaseError, connections, transaction

from django_clean_timestamps.conf import get_settings
from django_clean_timestamps.unit_of_work import write_block

__all__ = ["can_begin", "own_transaction"]


def can_begin(using: str) -> bool:
    """Say whether a transaction of its own can be begun now: not inside another one, save that of a ``TestCase``."""
    connection = connections[using]
    return _only_testcases(connection) if connection.in_atomic_block else connection.get_autocommit()


@contextmanager
def own_transaction(
    connection: Any, *, idle_seconds: float | None = None, read_committed: bool = True
) -> Iterator[None]:
    """
    Open a transaction that reads what is committed, whatever isolation level the project chose.

    It also limits how long it may sit idle: a process that is stopped in here would hold the head, and so everybody.

    Args:
        connection: Where.
        idle_seconds: That limit; ``LEASE_SECONDS`` by default.
        read_committed: False where the level is to be that of the project, as for a project's own code.
    """
    if connection.in_atomic_block:
        # A TestCase's: it has its level already.
        with transaction.atomic(using=connection.alias):
            yield
        return
    seconds = idle_seconds or get_settings().lease_seconds
    if connection.vendor == "postgresql":
        with write_block(connection.alias):
            if read_committed:
                _run(connection, "SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
            _run(connection, f"SET LOCAL idle_in_transaction_session_timeout = {int(seconds * 1000)}")
            yield
    elif connection.vendor == "mysql":
        variable = "idle_transaction_timeout" if connection.mysql_is_mariadb else "wait_timeout"
        _run(connection, f"SET @clean_timestamps_idle = @@{variable}, SESSION {variable} = {int(seconds) + 1}")
        try:
            if read_committed:
                _run(connection, "SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
            with write_block(connection.alias):
                yield
        finally:
            # A connection that is gone took its variables along.
            with suppress(DatabaseError):
                _run(connection, f"SET SESSION {variable} = @clean_timestamps_idle")
    else:
        # Begins with the write lock, so that what was read stays so.
        with write_block(connection.alias):
            yield


def _run(connection: Any, statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def _only_testcases(connection: Any) -> bool:
    return all(block._from_testcase for block in connection.atomic_blocks)
