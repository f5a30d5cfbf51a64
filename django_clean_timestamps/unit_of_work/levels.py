"""What was recorded under one savepoint, and the marker that Django keeps for it."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from django_clean_timestamps.events import TimestampEvent

__all__ = ["Entry", "Errand", "Level", "Marker", "take_errands"]

Errand = Callable[[BaseDatabaseWrapper, Sequence[Any]], None]
"""Work to be done once before COMMIT, given all the items that were enlisted for it."""


class Entry:
    """
    One recorded event.

    ``written_under`` is the number of the innermost savepoint when it was written, None while it is pending.
    """

    __slots__ = ("captures", "event", "level", "written_under")

    def __init__(self, event: TimestampEvent, level: Level, captures: tuple[list[TimestampEvent], ...]) -> None:
        self.event = event
        self.level = level
        self.captures = captures
        self.written_under: int | None = None
        for captured in captures:
            captured.append(event)

    @property
    def stands(self) -> bool:
        """Whether no rollback has taken the event back."""
        level = self.level
        while level.merged_into is not None:
            level = level.merged_into
        self.level = level
        return level.alive

    def leave_captures(self) -> None:
        """Take the event out of the lists that collected it."""
        for captured in self.captures:
            for index in range(len(captured) - 1, -1, -1):
                if captured[index] is self.event:
                    del captured[index]
                    break


class Level:
    """
    What was recorded while one savepoint was the innermost; number 0 is the transaction itself.

    Attributes:
        pending: Events that are not written, in order.
        written: Events that are written and may become pending again, in order; all before the pending ones.
        errands: The latest item of each errand and key.
    """

    __slots__ = ("alive", "errands", "marker", "merged_into", "number", "pending", "written")

    def __init__(self, number: int, marker: Marker) -> None:
        self.number = number
        self.marker = marker
        self.alive = True
        self.merged_into: Level | None = None
        self.pending: list[Entry] = []
        self.written: list[Entry] = []
        self.errands: dict[tuple[Errand, Hashable], Any] = {}
        marker.levels.append(self)

    def merge_into(self, outer: Level) -> None:
        """Hand everything to the level around, when the savepoint ends well."""
        self.merged_into = outer
        self.marker.levels.remove(self)
        outer.written += self.written
        outer.pending += self.pending
        outer.errands.update(self.errands)
        self.pending, self.written, self.errands = [], [], {}

    def drop(self) -> None:
        """Take everything back, after a rollback."""
        self.lose()
        self.marker.levels.remove(self)

    def lose(self) -> None:
        """
        Take everything back, as it seems: the connection's callbacks were replaced while the seam was gone.

        The marker keeps what is pending. If that was a COMMIT and not the end of the connection, Django will call it.
        """
        self.alive = False
        # The newest first: it stands at the end of the lists that are searched from there.
        for entry in reversed((*self.written, *self.pending)):
            entry.leave_captures()

    def mark_written(self, number: int) -> None:
        """Note that the pending events were written under a savepoint, and forget what no rollback can undo alone."""
        for entry in self.pending:
            entry.written_under = number
        self.written += self.pending
        self.pending = []
        self.forget_settled()

    def release_written(self, outer: int) -> None:
        """Note that the savepoints after ``outer`` have ended."""
        for entry in self.written:
            if entry.written_under > outer:  # type: ignore[operator]
                entry.written_under = outer
        self.forget_settled()

    def forget_settled(self) -> None:
        """
        Let go of events that were written under their own level.

        A rollback that undoes such a write takes the event back as well, so it cannot become pending again. What a
        capture holds is kept, to leave it then.
        """
        if self.written:
            self.written = [entry for entry in self.written if entry.captures or entry.written_under != self.number]

    def unwrite(self, number: int) -> None:
        """Make pending again what was written after a savepoint that was rolled back to."""
        undone = [entry for entry in self.written if entry.written_under >= number]  # type: ignore[operator]
        if undone:
            for entry in undone:
                entry.written_under = None
            self.written = [entry for entry in self.written if entry.written_under is not None]
            self.pending = undone + self.pending


class Marker:
    """
    What stands on the connection's ``run_on_commit``, one for each savepoint level.

    Django drops it together with its savepoint, and calls it after COMMIT: it has been removed by then, unless the
    seam was taken away.
    """

    __slots__ = ("__qualname__", "_call", "levels")

    def __init__(self, call: Callable[[Marker], None]) -> None:
        self._call = call
        self.levels: list[Level] = []
        # Django names a callback that failed by its __qualname__.
        self.__qualname__ = "django_clean_timestamps.unit_of_work.Marker"

    def __call__(self) -> None:
        self._call(self)


def take_errands(levels: Sequence[Level]) -> dict[Errand, dict[Hashable, Any]]:
    """Return the items of each errand by key, the latest of each, and leave the levels without."""
    due: dict[Errand, dict[Hashable, Any]] = {}
    for level in levels:
        for (errand, key), item in level.errands.items():
            due.setdefault(errand, {})[key] = item
        level.errands = {}
    return due
