"""A database that is locked, full or out of reach."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from django.db import DatabaseError, OperationalError, connection

from django_clean_timestamps.eventlog.sequencer import sequence
from tests.faults.stories import say, story, writer_of


@story
def write_in_spite_of(ways: Sequence[str] = ("save_several", "update_flock", "create_in_bulk")) -> dict[str, Any]:
    """Return what each way of writing raised, how long it took, and whether it left everything as it was."""
    outcomes = {}
    for name in ways:
        writer, started, raised = writer_of(), time.monotonic(), None
        say("ready")
        try:
            getattr(writer, name)()
        except DatabaseError as error:
            raised = f"{type(error).__name__}: {error}"
        outcomes[name] = {"raised": raised, "seconds": time.monotonic() - started}
    return outcomes


@story
def fill(file_size: int | None = None, pages: int | None = None, large: int = 200) -> dict[str, Any]:
    """
    Write until the database is full, then make room and write on.

    Args:
        file_size: By how many bytes the files may grow, by a limit of this process; for SQLite.
        pages: By how many pages the database may grow; for SQLite.
        large: How many rows the greatest write makes.
    """

    writer = writer_of()
    lift = _limit_files(file_size) if file_size else _limit_pages(pages) if pages else lambda: None
    raised: dict[str, str] = {}
    committed = []
    ways = [writer.save_several, writer.update_flock, lambda: writer.create_many(large), writer.upsert_flock]
    for turn in range(5_000):
        way = ways[turn % len(ways)]
        try:
            committed += way()
        except DatabaseError as error:
            raised[f"way {turn % len(ways)}"] = f"{type(error).__name__}: {error}"
            if len(raised) == len(ways):
                break
    stayed = connection.is_usable()
    lift()
    for way in ways:
        committed += way()
    return {"raised": raised, "usable": stayed, "committed": committed[-5_000:]}


def _limit_files(growth: int) -> Callable[[], None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    limit = Path(connection.settings_dict["NAME"]).stat().st_size + growth
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def _limit_pages(growth: int) -> Callable[[], None]:
    def pragma(text: str) -> Any:
        with connection.cursor() as cursor:
            cursor.execute(f"PRAGMA {text}")
            return cursor.fetchone()[0]

    pragma(f"max_page_count = {pragma('page_count') + growth}")
    return lambda: pragma("max_page_count = 1073741823")


@story
def fill_server() -> dict[str, Any]:
    """Write until the server finds no more room, try to sequence, and return what was committed."""
    writer, committed = writer_of(), []
    try:
        for _ in range(5_000):
            committed += writer.save_several() + writer.update_flock() + writer.create_many(200)
    except DatabaseError as error:
        return {"raised": str(error), "sequencing": sequence_in_spite_of(), "committed": committed[-5_000:]}
    return {"raised": None, "sequencing": None, "committed": []}


@story
def sequence_in_spite_of(pages: int | None = None) -> str | None:
    """Return what sequencing raised; with ``pages``, while SQLite's database may grow by no more than that."""
    lift = _limit_pages(pages) if pages else lambda: None
    try:
        sequence()
    except DatabaseError as error:
        return f"{type(error).__name__}: {error}"
    finally:
        lift()
    return None


@story
def retry_until_written() -> int:
    """Say that a write failed, try it again until it is through, and return how often it failed."""
    writer, failed = writer_of(), 0
    while failed < 50:
        try:
            writer.save_several()
        except OperationalError:
            failed += 1
            say("failed")
        else:
            break
    return failed
