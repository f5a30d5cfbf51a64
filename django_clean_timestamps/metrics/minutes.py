"""What one process has counted in each minute, and how much of that is known to be written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple, Self

from django_clean_timestamps.metrics.sketch import Sketch
from django_clean_timestamps.probes import Series

__all__ = ["MINUTE", "WRITABLE_SECONDS", "Counted", "MinuteRow", "Minutes"]

MINUTE: Final = 60

WRITABLE_SECONDS: Final = 120
"""How long after its end a minute may still be written; a minute later it is closed, and its rows are summed up."""


ENTRIES_AT_MOST: Final = 1_000
"""Past so many minutes and series, those that wait for a database that is gone are put together."""


class Counted:
    """
    A sketch, and the rows that its operations wrote.

    Args:
        sketch: An empty one, which knows the thresholds of the series.
    """

    __slots__ = ("rows", "sketch")

    def __init__(self, sketch: Sketch, rows: int = 0) -> None:
        self.sketch = sketch
        self.rows = rows

    def add(self, seconds: Sequence[float], rows: int) -> None:
        """Add operations."""
        self.sketch.extend(seconds)
        self.rows += rows

    def plus(self, other: Counted) -> None:
        """Add what another one has counted."""
        self.sketch.merge(other.sketch)
        self.rows += other.rows

    def minus(self, earlier: Counted) -> Counted:
        """Return what was counted since an earlier copy."""
        return Counted(self.sketch.minus(earlier.sketch), self.rows - earlier.rows)

    def copy(self) -> Self:
        """Return one that goes its own way."""
        return type(self)(self.sketch.copy(), self.rows)


class MinuteRow(NamedTuple):
    """What is to stand in the database of one series and minute."""

    start: int
    series: Series
    counted: Counted


ReadBack = Callable[[Sequence[tuple[int, Series]]], Mapping[tuple[int, Series], Counted]]
"""Returns what stands in the database of some minutes, where anything does."""


class _Entry:
    __slots__ = ("counted", "is_in_doubt", "written")

    def __init__(self, counted: Counted) -> None:
        self.counted = counted
        self.written: Counted | None = None
        self.is_in_doubt = False
        """Whether a write was tried of which nobody knows what became."""

    @property
    def has_news(self) -> bool:
        written = 0 if self.written is None else self.written.sketch.count
        return self.is_in_doubt or self.counted.sketch.count != written


class Minutes:
    """
    Counts by minute and series; not safe for threads by itself.

    Rows are written anew with all that their minute holds, so that a repeated write changes nothing. What could not be
    written before its minute was closed moves to the current one, once.

    Args:
        new_sketch: Makes an empty sketch for a series.
    """

    def __init__(self, new_sketch: Callable[[Series], Sketch]) -> None:
        self._new_sketch = new_sketch
        self._entries: dict[tuple[int, Series], _Entry] = {}

    def add(self, start: int, series: Series, seconds: Sequence[float], rows: int) -> None:
        """Count operations in the minute that begins at ``start``."""
        self._counted(start, series).add(seconds, rows)

    def _counted(self, start: int, series: Series) -> Counted:
        entry = self._entries.get((start, series))
        if entry is None:
            entry = self._entries[start, series] = _Entry(Counted(self._new_sketch(series)))
        return entry.counted

    @property
    def has_news(self) -> bool:
        """Whether anything is to be written."""
        return any(entry.has_news for entry in self._entries.values())

    def compact(self, start: int) -> None:
        """
        Let old minutes of which no write was tried wait in a later one: the database may be gone for hours.

        Args:
            start: Where the minute begins that they are added to.
        """
        if len(self._entries) <= ENTRIES_AT_MOST:
            return
        for key, entry in list(self._entries.items()):
            if key[0] < start and entry.written is None and not entry.is_in_doubt:
                del self._entries[key]
                self._counted(start, key[1]).plus(entry.counted)

    @property
    def count(self) -> int:
        """How many operations are kept, those that are written already among them."""
        return sum(entry.counted.sketch.count for entry in self._entries.values())

    def due(self, now: int, read_back: ReadBack) -> list[MinuteRow]:
        """
        Return what is to be written now, in one order for all processes.

        Args:
            now: The database's time, in seconds since 1970.
            read_back: Asked about minutes that are closed, where a write of them may or may not have succeeded.
        """
        self._move_late(now, read_back)
        return [
            MinuteRow(start, series, entry.counted.copy())
            for (start, series), entry in sorted(self._entries.items())
            if entry.has_news
        ]

    def _move_late(self, now: int, read_back: ReadBack) -> None:
        """Move what can no longer be written to the current minute, and forget the minutes that are past."""
        current = now - now % MINUTE
        # A minute that has not begun is one by a clock that was set back since.
        late = [key for key in self._entries if key[0] > current or now >= key[0] + MINUTE + WRITABLE_SECONDS]
        doubtful = [key for key in late if self._entries[key].is_in_doubt]
        found = read_back(doubtful) if doubtful else {}
        for key in late:
            entry = self._entries.pop(key)
            written = found.get(key) if entry.is_in_doubt else entry.written
            rest = entry.counted if written is None else entry.counted.minus(written)
            if rest.sketch.count:
                self._counted(current, key[1]).plus(rest)

    def trying(self, rows: Iterable[MinuteRow]) -> None:
        """Note that a write of these begins."""
        for row in rows:
            self._entries[row.start, row.series].is_in_doubt = True

    def confirm(self, rows: Iterable[MinuteRow]) -> None:
        """Note that the write of these is committed."""
        for row in rows:
            entry = self._entries[row.start, row.series]
            entry.written, entry.is_in_doubt = row.counted, False
