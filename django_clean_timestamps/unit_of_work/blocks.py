"""The transaction block around a single write."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

from django.db import connections
from django.db.transaction import Atomic

from django_clean_timestamps.unit_of_work.testcase import WriteAtomic, is_in_testcase
from django_clean_timestamps.unit_of_work.unit import get_unit

__all__ = ["write_block"]


class write_block:  # noqa: N801 - used as a verb
    """
    ``atomic(savepoint=False)`` for one write, so that the row and its events commit together.

    On SQLite a block of its own takes the write lock at once: a stamp taken before the lock can become visible after
    a later one. Inside a block that is open already this cannot be mended, see the check ``clean_timestamps.I001``.
    """

    __slots__ = ("_atomic", "_in_testcase", "_unit", "connection")

    def __init__(self, using: str) -> None:
        self.connection: Any = connections[using]
        # Also for a write that records nothing here, whose events are written set-based: the seam rolls back where
        # COMMIT fails with an error that is no DatabaseError, and Django does not.
        self._unit = get_unit(self.connection)
        blocks: list[Any] = self.connection.atomic_blocks
        # Inside a block of the caller's there is nothing to open: it is enough that an error breaks that one. The
        # blocks of a TestCase do not count, the end of a lone write stands for COMMIT there.
        inside = bool(blocks) and not blocks[-1]._from_testcase
        self._in_testcase = is_in_testcase(blocks)
        self._atomic = None if inside else WriteAtomic(using, savepoint=False, durable=False)

    def __enter__(self) -> Self:
        connection = self.connection
        if self._atomic is None:
            return self
        if connection.vendor == "sqlite" and not connection.in_atomic_block and connection.get_autocommit():
            _enter_immediate(connection, self._atomic)
        else:
            self._atomic.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._atomic is not None:
            self._atomic.__exit__(kind, error, trace)
        elif error is not None:
            self.connection.needs_rollback = True
            self.connection.rollback_exc = error
        if error is None and self._in_testcase:
            self._unit.end_block()


def _enter_immediate(connection: Any, atomic: Atomic) -> None:
    """Open the block with BEGIN IMMEDIATE; the mode that the project chose holds again afterwards."""
    chosen = connection.transaction_mode
    connection.transaction_mode = chosen or "IMMEDIATE"
    try:
        atomic.__enter__()
    finally:
        connection.transaction_mode = chosen
