"""
A log whose table a project has partitioned by ranges of ``position``; PostgreSQL only.

Old events then go by dropping whole partitions, and the next ones are made ahead of the head, as large as the last. A
default partition takes what comes when nobody makes them, so that no event is ever refused; it is then made a range of
its own and a new one takes its place.
"""

from __future__ import annotations

import dataclasses
import logging
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from typing import Any, Final, TypeVar

from django.db import DatabaseError, OperationalError, ProgrammingError, connections

from django_clean_timestamps.eventlog.models import Event
from django_clean_timestamps.eventlog.transactions import own_transaction

__all__ = ["Partition", "drop_partitions", "extend_partitions", "partitions_of"]

T = TypeVar("T")

TABLE: Final = Event._meta.db_table

AHEAD: Final = 2
"""How many partitions are kept ready behind the one that the head is in."""

LOCK_MILLISECONDS: Final = 800
"""How long a partition waits for the table's readers and writers, who wait behind it in turn."""

LOCK_TIMEOUT: Final = "55P03"
UNDEFINED_TABLE: Final = "42P01"

_LOGGER: Final = logging.getLogger(__name__)
_BOUNDS: Final = re.compile(r"FROM \('?(MINVALUE|-?\d+)'?\) TO \('?(MAXVALUE|-?\d+)'?\)")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """
    A partition of the log.

    Attributes:
        name: Its table, quoted, with the schema where that is not on the search path.
        lower: The first position that belongs into it; 0 where it has no lower bound, None of the default partition.
        upper: The first position behind it; None where it has no upper bound, and of the default partition.
    """

    name: str
    lower: int | None
    upper: int | None

    @property
    def is_default(self) -> bool:
        """Whether it takes what belongs into no other."""
        return self.lower is None


def partitions_of(using: str) -> tuple[Partition, ...]:
    """Return the log's partitions in order of position, the default one last; none where it is not partitioned."""
    connection = connections[using]
    if connection.vendor != "postgresql":
        return ()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT child.oid::regclass::text, pg_get_expr(child.relpartbound, child.oid) "
            "FROM pg_partitioned_table AS parent JOIN pg_attribute AS key "
            "ON key.attrelid = parent.partrelid AND key.attnum = parent.partattrs[0] "
            "JOIN pg_inherits ON inhparent = parent.partrelid JOIN pg_class AS child ON child.oid = inhrelid "
            "WHERE parent.partrelid = to_regclass(%s) AND partstrat = 'r' AND partnatts = 1 AND attname = 'position'",
            [TABLE],
        )
        # One that is being dropped has no bounds any more.
        found = [_read_bounds(name, bounds) for name, bounds in cursor.fetchall() if bounds is not None]
    return tuple(sorted(found, key=lambda part: (part.is_default, part.lower or 0)))


def extend_partitions(using: str) -> int:
    """
    Make the partitions that are needed soon, and return how many were made.

    As many positions wide as the last one, until two lie wholly behind the head. What the default partition took
    becomes a partition of its own, without a row being moved; a missing default partition is made. The user of the
    connection must own the table. Waits at most 0.8 s for the table, and leaves it to the next time otherwise.
    """
    if not _must_extend(using, partitions_of(using)):
        return 0

    def change(cursor: Any) -> int:
        # Somebody else may have made them meanwhile.
        parts = partitions_of(using)
        return _extend(using, cursor, parts) if _must_extend(using, parts) else 0

    return _changing(using, change) or 0


def drop_partitions(using: str, *, before: datetime, last: Callable[[str], int]) -> Iterator[int]:
    """
    Drop partitions from the beginning of the log on, and yield after each how many events it held.

    Ends at one that holds an event which is young enough or still needed. The user of the connection must own the
    table. Waits at most 0.8 s for the table's readers, and leaves the rest to the next time otherwise.

    Args:
        using: The log's database alias.
        before: Events that were recorded earlier go.
        last: Called with the alias; returns the last position that may go.
    """
    for part in partitions_of(using):
        if part.upper is None or part.upper - 1 > last(using):
            return
        if (found := _count_if_old(using, part, before)) is None:
            return
        if (count := _changing(using, partial(_drop, using, part, *found))) is None:
            return
        if count:
            yield count


def _drop(using: str, part: Partition, count: int, first: int | None, cursor: Any) -> int:
    if part not in partitions_of(using):
        # Somebody else dropped it meanwhile, and counted its events.
        return 0
    cursor.execute(f"SELECT min(position) FROM {part.name}")
    if cursor.fetchone() != (first,):
        # Or deleted the first of them.
        cursor.execute(f"SELECT count(*) FROM {part.name}")
        (count,) = cursor.fetchone()
    cursor.execute(f"DROP TABLE {part.name}")
    return count


def _read_bounds(name: str, bounds: str) -> Partition:
    found = _BOUNDS.search(bounds)
    if found is None:
        return Partition(name=name, lower=None, upper=None)
    lower, upper = found.groups()
    return Partition(
        name=name, lower=0 if lower == "MINVALUE" else int(lower), upper=None if upper == "MAXVALUE" else int(upper)
    )


def _ranges(parts: tuple[Partition, ...]) -> list[Partition]:
    return [part for part in parts if not part.is_default]


def _must_extend(using: str, parts: tuple[Partition, ...]) -> bool:
    ranges = _ranges(parts)
    if not ranges or (upper := ranges[-1].upper) is None:
        # Nothing says how large they are to be, or the last one has no end.
        return False
    return len(ranges) == len(parts) or upper <= _head(using) + AHEAD * _size(ranges[-1])


def _size(part: Partition) -> int:
    return (part.upper or 0) - (part.lower or 0)


def _head(using: str) -> int:
    last: int | None = Event.objects.using(using).order_by("-position").values_list("position", flat=True).first()
    return last or 0


def _extend(using: str, cursor: Any, parts: tuple[Partition, ...]) -> int:
    ranges = _ranges(parts)
    upper, size, made = ranges[-1].upper or 0, _size(ranges[-1]), 0
    head = _head(using)
    has_default = len(parts) > len(ranges)
    if has_default and head >= upper:
        end = upper + -(-(head + 1 - upper) // size) * size
        _make_range(cursor, parts[-1].name, upper, end)
        upper, made, has_default = end, 1, False
    if not has_default:
        cursor.execute(f"CREATE TABLE {TABLE}_default PARTITION OF {TABLE} DEFAULT")
    while upper <= head + AHEAD * size:
        # As a table of its own first: PARTITION OF would wait for every reader of the log.
        cursor.execute(f"CREATE TABLE {_name(upper)} (LIKE {TABLE} INCLUDING ALL EXCLUDING INDEXES)")
        _attach(cursor, upper, upper + size)
        upper, made = upper + size, made + 1
    return made


def _make_range(cursor: Any, name: str, lower: int, upper: int) -> None:
    """Give the default partition bounds; its rows stay where they are, and are read once."""
    cursor.execute(f"ALTER TABLE {TABLE} DETACH PARTITION {name}")
    cursor.execute(f"ALTER TABLE {name} RENAME TO {_name(lower)}")
    _attach(cursor, lower, upper)


def _attach(cursor: Any, lower: int, upper: int) -> None:
    cursor.execute(
        f"ALTER TABLE {TABLE} ATTACH PARTITION {_name(lower)} FOR VALUES FROM ({int(lower)}) TO ({int(upper)})"
    )


def _name(lower: int) -> str:
    return f"{TABLE}_p{int(lower)}"


def _count_if_old(using: str, part: Partition, before: datetime) -> tuple[int, int | None] | None:
    """Return how many events a partition holds and the first position, None where one is young enough to stay."""
    try:
        with connections[using].cursor() as cursor:
            # The last is the youngest nearly always, and found at once.
            cursor.execute(f"SELECT recorded_at < %s FROM {part.name} ORDER BY position DESC LIMIT 1", [before])
            if cursor.fetchone() == (False,):
                return None
            cursor.execute(
                f"SELECT count(*), min(position), coalesce(bool_and(recorded_at < %s), true) FROM {part.name}", [before]
            )
            count, first, are_old = cursor.fetchone()
            return (count, first) if are_old else None
    except ProgrammingError as error:
        if _state(error) != UNDEFINED_TABLE:
            raise
        # Somebody else has dropped it, and counted its events.
        return 0, None


def _changing(using: str, change: Callable[[Any], T]) -> T | None:
    """
    Return what the change did, in a transaction of its own in which nothing is sequenced.

    None where the table was not to be had within the time: everybody who came later waits behind us meanwhile.
    """
    connection = connections[using]
    try:
        with own_transaction(connection), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL lock_timeout = {LOCK_MILLISECONDS}")
            # Readers go on. Without it the sequencer could put an event into the default partition that belongs into
            # the one that is being made.
            cursor.execute(f"LOCK TABLE {TABLE} IN SHARE ROW EXCLUSIVE MODE")
            return change(cursor)
    except OperationalError as error:
        if _state(error) != LOCK_TIMEOUT:
            raise
        _LOGGER.warning(
            "The partitions of %s in %r were left as they are: the table was in use for %d ms. The next prune tries "
            "again",
            TABLE,
            using,
            LOCK_MILLISECONDS,
        )
        return None


def _state(error: DatabaseError) -> Any:
    return getattr(error.__cause__, "sqlstate", None)
