"""What stands for COMMIT in a ``TestCase``, whose own blocks never commit."""

from __future__ import annotations

from typing import Any

from django.db.transaction import Atomic

__all__ = ["WriteAtomic", "is_in_testcase", "only_testcase_is_open"]


class WriteAtomic(Atomic):
    """The block of a single write."""


def is_in_testcase(blocks: list[Any]) -> bool:
    """Say whether the outermost of a connection's open blocks is that of a ``TestCase``."""
    return bool(blocks) and blocks[0]._from_testcase


def only_testcase_is_open(blocks: list[Any]) -> bool:
    """
    Say whether a ``TestCase``'s own blocks are all that is open: the others have ended, as a transaction does.

    A block without a savepoint ends unseen and does not count, unless it is that of a write, which tells its end.
    """
    return is_in_testcase(blocks) and not any(
        not block._from_testcase and (block.savepoint or isinstance(block, WriteAtomic)) for block in blocks
    )
