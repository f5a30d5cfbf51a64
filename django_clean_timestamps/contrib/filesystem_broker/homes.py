"""The homes of the consumers: where each process keeps what it has taken, and how others see that it lives."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from django_clean_timestamps.contrib.filesystem_broker.files import WRITING, listed, move, new_id

__all__ = ["TAKEN", "homes", "is_own", "locked_if_dead", "make_home"]

TAKEN: Final = ".taken"
"""
The folder of the homes, in each data folder.

The kernel says who lives: a home is locked by its process, and the lock ends with the process however that ends. It
belongs to the process alone, a child does not hold it; and it is lost as soon as the process closes that file for any
other reason, so no process ever opens the lock of a home of its own.
"""

LOCK: Final = ".lock"

_own: set[str] = set()


def make_home(folder: Path) -> Path:
    """
    Make this process a home in a data folder, which is its own until it ends.

    Raises:
        OSError: It cannot be made, or the file system has no locks.
    """
    half = folder / WRITING / new_id()
    home = folder / TAKEN / half.name
    half.mkdir(parents=True)
    # Never closed. And locked before others see it, or they would think that its process is dead.
    fcntl.lockf(os.open(half / LOCK, os.O_RDWR | os.O_CREAT), fcntl.LOCK_EX)
    _own.add(home.name)
    move(half, home)
    return home


def homes(folder: Path) -> list[Path]:
    """Return the homes in a data folder, of the living and the dead."""
    return [folder / TAKEN / name for name in listed(folder / TAKEN)]


def is_own(home: Path) -> bool:
    """Say whether a home is one of this process."""
    return home.name in _own


@contextmanager
def locked_if_dead(home: Path) -> Iterator[bool]:
    """
    Say whether the process that a home belongs to is dead; if so, nobody else is told so inside the block.

    Never call it with a home of this process, which would lose its lock.
    """
    try:
        # Made anew where whoever cleared the home was killed before the end of it.
        lock = os.open(home / LOCK, os.O_RDWR | os.O_CREAT)
    except OSError:
        # It was cleared just now.
        yield False
        return
    try:
        yield _lock(lock)
    finally:
        os.close(lock)


def _lock(lock: int) -> bool:
    try:
        fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


# In a child: the homes and their locks are its parent's.
os.register_at_fork(after_in_child=_own.clear)
