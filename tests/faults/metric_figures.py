"""What stands in the tables of the metrics, seen from outside, and what the processes say that they have observed."""

from __future__ import annotations

import dataclasses
import struct
from collections import Counter
from pathlib import Path
from typing import Any

from django_clean_timestamps.metrics.series import ALL
from django_clean_timestamps.metrics.sketch import Sketch
from tests.faults.databases import Database

__all__ = ["Observed", "rolled_up", "stored", "stored_by_writer", "totals"]

Names = tuple[str, str]
MINUTE, DAY = 60, 86_400


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """
    What a process has left in its file; see ``tests.faults.stories.metrics.Tally``.

    Attributes:
        writer: Its number.
    """

    begun: int
    made: int
    flushed: int
    writer: int

    @classmethod
    def of(cls, path: Path) -> Observed:
        begun, made, flushed, writer = struct.unpack("4q", path.read_bytes())
        return cls(begun=begun, made=made, flushed=flushed, writer=writer)


def stored_by_writer(database: Database) -> Counter[int]:
    """Return how many observations of each process stand in the minutes."""
    found: Counter[int] = Counter()
    for writer, sketch in database.query("SELECT writer_id, sketch FROM clean_timestamps_metricminute"):
        found[writer] += Sketch.from_bytes(sketch).count
    return found


def stored(database: Database) -> Counter[Names]:
    """Return how many observations stand in the minutes, by model and operation."""
    return _by_names(database, "SELECT series_id, sketch FROM clean_timestamps_metricminute")


def totals(database: Database) -> Counter[Names]:
    """Return what the totals say."""
    return _by_names(database, "SELECT series_id, sketch FROM clean_timestamps_metrictotal")


def rolled_up(database: Database, tier: int, *, with_sums: bool = False) -> Counter[Names]:
    """Return what the rollups of a tier say, without the sums of several series, or these alone."""
    found = _by_names(database, f"SELECT series_id, sketch FROM clean_timestamps_metricrollup WHERE tier = {tier}")
    return Counter({names: count for names, count in found.items() if (names[0] == ALL) == with_sums})


def _by_names(database: Database, sql: str) -> Counter[Names]:
    figures = database.query(sql)
    # The names last: a series is made before what is counted by it.
    rows: list[Any] = database.query("SELECT id, model, operation FROM clean_timestamps_metricseries")
    names = {number: (model, operation) for number, model, operation in rows}
    found: Counter[Names] = Counter()
    for number, sketch in figures:
        found[names[number]] += Sketch.from_bytes(sketch).count
    return found
