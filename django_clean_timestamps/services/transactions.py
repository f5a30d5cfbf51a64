"""The transaction that a repository and a service read and write in."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from django.db import connections, transaction

from django_clean_timestamps.unit_of_work import write_block

__all__ = ["locking_transaction"]


def locking_transaction(using: str) -> AbstractContextManager[Any]:
    """
    Return ``atomic()`` for a read that locks and the write that follows it.

    Inside another transaction it is a savepoint, so that a caller can catch what a rule raises and go on. The outermost
    block takes the write lock at once on SQLite, which has no row locks.
    """
    if connections[using].in_atomic_block:
        return transaction.atomic(using=using)
    return write_block(using)
