"""
When things happened: the monotonic clock, which is one for all processes of a Linux machine.

Each process appends to the file of its environment, once the transaction in question has committed.
"""

import os
import time
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path

from django.db import transaction

from benchmarks.models import Effect

EFFECTS_FILE = "BENCHMARK_EFFECTS"

_opened: tuple[str, int] | None = None


def effect(key: object) -> None:
    """Write one row, the effect of every side, and note when it had committed."""
    Effect.objects.create(entity_id=str(key))
    transaction.on_commit(partial(note, (key,)))


def effects(keys: Iterable[object]) -> None:
    """The same for many, by one statement."""
    given = tuple(keys)
    Effect.objects.bulk_create([Effect(entity_id=str(key)) for key in given])
    transaction.on_commit(partial(note, given))


def note(keys: Iterable[object]) -> None:
    now = time.monotonic_ns()
    # To the end of the file, in one call, so that the lines of several processes do not mix.
    os.write(_file(os.environ[EFFECTS_FILE]), "".join(f"{key} {now}\n" for key in keys).encode())


def read(path: Path) -> list[tuple[str, int]]:
    """Return the keys with their moments in nanoseconds, in the order in which they were noted."""
    lines = path.read_text().splitlines() if path.exists() else []
    return [(key, int(moment)) for key, moment in (line.split() for line in lines)]


def write(path: Path, moments: Mapping[str, int]) -> None:
    """Write a whole file, which is there once it is complete."""
    other = path.with_suffix(".part")
    other.write_text("".join(f"{key} {moment}\n" for key, moment in moments.items()))
    other.rename(path)


def count(path: Path) -> int:
    """Return how many there are."""
    return path.read_bytes().count(b"\n") if path.exists() else 0


def _file(path: str) -> int:
    global _opened
    if _opened is None or _opened[0] != path:
        _opened = path, os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    return _opened[1]
