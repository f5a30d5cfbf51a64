"""Files that are whole or not there: what a queue's folder holds, and how it gets there."""

from __future__ import annotations

import os
import shutil
import time
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Final
from urllib.parse import quote

__all__ = [
    "MESSAGE",
    "REDELIVERED",
    "WRITING",
    "listed",
    "listed_without_gaps",
    "move",
    "new_id",
    "queue_folder",
    "sweep_unfinished",
    "write_whole",
]

WRITING: Final = ".writing"
"""The folder of what is not whole yet, in each data folder and control folder."""

SECONDS_UNFINISHED: Final = 3_600
"""What has been in it for longer was left there by a process that was killed."""

MESSAGE: Final = ".msg"
REDELIVERED: Final = ".re"
"""The suffix of a message that was taken before; shorter than the other, so that no name becomes too long by it."""

_latest = 0


def queue_folder(queue: str) -> str:
    """Return the name of a queue's folder: no other queue has it, and none of the folders that begin with a dot."""
    return f"{quote(queue, safe='@')}.queue"


def new_id() -> str:
    """Return an id that no other process makes, and that sorts after those that this one has made."""
    global _latest
    # The clock may be set back. Without a lock, which another thread could hold while this process forks: two threads
    # may then get ids of one time, and their order is open anyway.
    now = _latest = max(time.time_ns(), _latest + 1)
    return f"{now:020d}-{uuid.uuid4().hex}"


def write_whole(root: Path, target: Path, data: bytes) -> None:
    """
    Write a file below ``root``, so that whoever sees it sees all of it.

    Raises:
        OSError: It cannot be written; nothing is left of it.
    """
    half = root / WRITING / new_id()
    try:
        half.parent.mkdir(parents=True, exist_ok=True)
        half.write_bytes(data)
        move(half, target)
    except OSError:
        half.unlink(missing_ok=True)
        raise


def move(source: Path, target: Path) -> None:
    """
    Rename a file or folder, and make the folder that it goes to where that is missing.

    Raises:
        FileNotFoundError: It is not there, or no more.
        OSError: It cannot be renamed.
    """
    while True:
        try:
            source.rename(target)
        except FileNotFoundError:
            if not os.path.lexists(source):
                raise
            # Again and again, as a queue may be deleted at any time.
            target.parent.mkdir(parents=True, exist_ok=True)
        else:
            return


def sweep_unfinished(root: Path) -> None:
    """Delete what processes that were killed have left half-written below ``root``."""
    for name in listed(root / WRITING):
        path = root / WRITING / name
        # FileNotFoundError: it was finished just now.
        with suppress(FileNotFoundError):
            if time.time() - path.lstat().st_mtime > SECONDS_UNFINISHED:
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def listed(folder: Path) -> list[str]:
    """Return the names in a folder in order, without those that begin with a dot; none where there is no folder."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if not entry.name.startswith("."))
    except FileNotFoundError:
        return []


def listed_without_gaps(folder: Path) -> list[str]:
    """
    Return names in order, such that none is missing which one publisher had put there before another that is there.

    A folder that changes while it is read may show a later file and not an earlier one. Whatever was there before the
    newest of them is there when the folder is read again, or has been taken.
    """
    names = listed(folder)
    if not names:
        return names
    return sorted({*names, *(name for name in listed(folder) if name <= names[-1])})
