"""SQLite lets nobody in while one writes; who asks without waiting may find it so, and asks again later."""

from __future__ import annotations

import sqlite3

__all__ = ["is_busy"]


def is_busy(error: BaseException) -> bool:
    """Say whether it is that somebody else used SQLite."""
    code = getattr(error.__cause__, "sqlite_errorcode", 0) & 0xFF
    return code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
