"""The unit of work of one connection."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, Final

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from django_clean_timestamps.events import TimestampEvent
from django_clean_timestamps.exceptions import UnitOfWorkError
from django_clean_timestamps.unit_of_work import seam
from django_clean_timestamps.unit_of_work.bell import ring
from django_clean_timestamps.unit_of_work.capture import open_captures
from django_clean_timestamps.unit_of_work.late import write_entries, write_late
from django_clean_timestamps.unit_of_work.levels import Entry, Errand, Level, Marker, take_errands
from django_clean_timestamps.unit_of_work.testcase import only_testcase_is_open

__all__ = ["UnitOfWork", "get_unit", "peek_unit", "write_pending"]

EARLY_WRITE_AT: Final = 5_000
"""How many events may be pending before they are written inside the transaction, to bound memory."""

MAX_ROUNDS: Final = 100
"""How often the end of a transaction may bring new events or errands before that is taken for an endless loop."""


def get_unit(connection: BaseDatabaseWrapper) -> UnitOfWork:
    """Return the connection's unit of work, made and its seam installed at the first call."""
    connection = seam.behind_proxy(connection)
    seam.install(connection)
    unit: UnitOfWork | None = connection.__dict__.get(seam.UNIT_ATTRIBUTE)
    if unit is None:
        unit = connection.__dict__[seam.UNIT_ATTRIBUTE] = UnitOfWork(connection)
    return unit


def peek_unit(connection: BaseDatabaseWrapper) -> UnitOfWork | None:
    """Return the connection's unit of work if it has one."""
    return seam.behind_proxy(connection).__dict__.get(seam.UNIT_ATTRIBUTE)


def write_pending(connection: BaseDatabaseWrapper) -> None:
    """Write what is pending on the connection now, inside its transaction."""
    if (unit := peek_unit(connection)) is not None:
        unit.write_events()


class UnitOfWork:
    """
    What one connection's open transaction has recorded.

    A stack of levels follows the savepoints. Django numbers these in the order in which they are set, so whatever
    belongs to a level with the number of a savepoint that is rolled back to, or a greater one, came after it. The
    savepoints in ``savepoint_ids`` are not enough: those set by ``transaction.savepoint()`` are not among them.
    """

    __slots__ = (
        "_base",
        "_callbacks",
        "_failed_under",
        "_is_finishing",
        "_levels",
        "_markers",
        "_open",
        "_seen_state",
        "_wrote_after",
        "connection",
        "generation",
    )

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self.connection: Any = connection
        self._is_finishing = False
        self.generation = 0
        self._begin()

    def _begin(self) -> None:
        self.generation += 1
        self._callbacks: list[Any] = self.connection.run_on_commit
        self._levels: list[Level] = []
        self._markers: dict[tuple[str, ...], Marker] = {}
        self._open: list[int] = []
        self._base: int = self.connection.savepoint_state
        self._seen_state = self._base
        self._failed_under: int | None = None
        # How many savepoints had been set when the first write into the log was made that still stands.
        self._wrote_after: int | None = None

    # What is recorded.

    def record(self, event: TimestampEvent) -> Entry:
        """Keep an event until just before COMMIT; past 5,000 pending ones they are written at once."""
        level = self._current_level()
        entry = Entry(event, level, open_captures())
        level.pending.append(entry)
        if len(level.pending) >= EARLY_WRITE_AT or sum(len(each.pending) for each in self._levels) >= EARLY_WRITE_AT:
            self.write_events()
        return entry

    def enlist(self, errand: Errand, key: Hashable, item: Any) -> None:
        """Have ``errand(connection, items)`` run before COMMIT; a later item of the same key replaces an earlier."""
        self._current_level().errands[errand, key] = item

    def is_enlisted(self, errand: Errand, key: Hashable) -> bool:
        """Say whether an item of that key waits for the errand."""
        self.notice_rollback()
        return any((errand, key) in level.errands for level in self._levels)

    def is_current(self, generation: int) -> bool:
        """Say whether the transaction of that generation is still open."""
        self.notice_rollback()
        return generation == self.generation

    def has_pending(self) -> bool:
        """Say whether anything waits for COMMIT."""
        self.notice_rollback()
        return any(level.pending or level.errands for level in self._levels)

    def has_events(self) -> bool:
        """Say whether anything was recorded or written into the log."""
        self.notice_rollback()
        return bool(self._levels) or self._wrote_after is not None

    def _current_level(self) -> Level:
        self.notice_rollback()
        self._notice_savepoints()
        number = self._open[-1] if self._open else 0
        if self._levels and self._levels[-1].number == number:
            return self._levels[-1]
        return self._push_level(number)

    def _push_level(self, number: int) -> Level:
        ids = tuple(filter(None, self.connection.savepoint_ids))
        marker = self._markers.get(ids)
        if marker is None:
            marker = self._markers[ids] = Marker(self._called_by_django)
            self._callbacks.append((set(ids), marker, False))
        level = Level(number, marker)
        self._levels.append(level)
        return level

    # What the seam tells.

    def finish(self) -> None:
        """
        Run the errands and write the events until nothing is pending, just before COMMIT.

        Receivers and errands may bring new ones.

        Raises:
            UnitOfWorkError: They did so a hundred times over, or marked the transaction for rollback; or the writer
                failed earlier.
        """
        has_pending = self.has_pending()
        self._refuse_after_failure()
        if self._is_finishing or not has_pending:
            return
        self._is_finishing = True
        try:
            with transaction.atomic(using=self.connection.alias, savepoint=False):
                self._finish()
        finally:
            self._is_finishing = False

    def _finish(self) -> None:
        for _ in range(MAX_ROUNDS):
            self.run_errands()
            self.write_events()
            if self.connection.needs_rollback:
                # Django looks at the flag when a block ends, and that is past.
                raise UnitOfWorkError(
                    f"The transaction on {self.connection.alias!r} was marked for rollback while its events were "
                    "written; look for a receiver or a writer that swallows a database error without an atomic() "
                    "of its own"
                )
            if not self.has_pending():
                return
        raise UnitOfWorkError(
            f"The transaction on {self.connection.alias!r} still brought new events after {MAX_ROUNDS} rounds "
            "before COMMIT; look for a receiver or a writer that writes entities each time it is called"
        )

    def committed(self) -> None:
        """Forget the transaction and ring; Django keeps callbacks after a manual commit, so the markers are removed."""
        has_written = self._wrote_after is not None
        if self._markers:
            self._callbacks[:] = [entry for entry in self._callbacks if not isinstance(entry[1], Marker)]
        self._begin()
        if has_written:
            ring(self.connection.alias)

    def rolled_back(self) -> None:
        """Drop everything."""
        for level in reversed(self._levels):
            level.drop()
        self._begin()

    def savepoint_released(self, number: int) -> None:
        """Hand what was recorded under an ended savepoint to the level around it."""
        self.notice_rollback()
        self._notice_savepoints()
        while self._open and self._open[-1] >= number:
            self._open.pop()
        outer = self._open[-1] if self._open else 0
        ended = [level for level in self._levels if level.number > outer]
        if ended:
            del self._levels[-len(ended) :]
            self._retire_markers({level.marker for level in ended} - {level.marker for level in self._levels})
            target = self._current_level()
            for level in ended:
                level.merge_into(target)
        for level in self._levels:
            level.release_written(outer)
        self.end_block()

    def savepoint_rolled_back(self, number: int) -> None:
        """Drop what was recorded since a savepoint, and make pending again what was written since."""
        self._notice_savepoints()
        while self._open and self._open[-1] > number:
            self._open.pop()
        # A savepoint that was set before the first event takes all of them back, those of level 0 too.
        everything = number <= self._base
        while self._levels and (everything or self._levels[-1].number >= number):
            self._levels.pop().drop()
        for level in self._levels:
            level.unwrite(number)
        if self._failed_under is not None and self._failed_under >= number:
            self._failed_under = None
        wrote_after = self._wrote_after
        self.notice_rollback()
        # Set-based writes leave no level behind, so that what stands looks like a transaction that has just begun.
        self._wrote_after = None if wrote_after is None or wrote_after >= number else wrote_after

    def end_block(self) -> None:
        """
        Run the errands where only a ``TestCase``'s own block is open.

        It never commits, so the end of the outermost other block stands for COMMIT there.
        """
        if only_testcase_is_open(self.connection.atomic_blocks):
            self.run_errands()

    # What is written.

    def note_written(self) -> None:
        """Note that the transaction has written into the log; a rollback of the write takes the note along."""
        self.notice_rollback()
        self._notice_savepoints()
        if self._wrote_after is None:
            self._wrote_after = self._seen_state

    def run_errands(self) -> None:
        """Run every errand with its items; those that come of it too."""
        self.notice_rollback()
        for _ in range(MAX_ROUNDS):
            due = take_errands(self._levels)
            if not due:
                return
            for errand, items in due.items():
                errand(self.connection, list(items.values()))

    def write_events(self) -> None:
        """
        Hand the pending events to the writer, in order, inside the transaction.

        Raises:
            UnitOfWorkError: The writer failed earlier, and that was not rolled back.
        """
        self.notice_rollback()
        self._notice_savepoints()
        pending = [entry for level in self._levels for entry in level.pending]
        if not pending:
            return
        self._refuse_after_failure()
        innermost = self._open[-1] if self._open else 0
        # Marked first: what the writer itself records is not among them.
        for level in self._levels:
            level.mark_written(innermost)
        try:
            write_entries(self.connection, pending)
        except BaseException:
            self._failed_under = innermost
            raise

    def _refuse_after_failure(self) -> None:
        """A writer that failed may have written some of its events."""
        if self._failed_under is not None:
            raise UnitOfWorkError(
                f"The writer failed in the transaction on {self.connection.alias!r} and the error was caught; "
                "roll back, or back to a savepoint that was set before"
            )

    # What happened meanwhile.

    def _notice_savepoints(self) -> None:
        """Learn of savepoints that were set since the last look."""
        state = self.connection.savepoint_state
        if state < self._seen_state:
            # transaction.clean_savepoints() counts anew.
            self._base = self._seen_state = 0
            self._wrote_after = None if self._wrote_after is None else 0
        if state != self._seen_state:
            self._open.extend(range(self._seen_state + 1, state + 1))
            self._seen_state = state

    def notice_rollback(self) -> None:
        """Learn of a rollback that the seam did not see (``close()``, say): Django then replaces its list."""
        if self._callbacks is not self.connection.run_on_commit:
            alive = {id(call) for _, call, _ in self.connection.run_on_commit}
            for level in self._levels:
                if id(level.marker) not in alive:
                    level.lose()
            self._levels = [level for level in self._levels if level.alive]
            self._adopt_callbacks()
            if not self._levels:
                self._begin()

    def _adopt_callbacks(self) -> None:
        self._callbacks = self.connection.run_on_commit
        alive = {id(call) for _, call, _ in self._callbacks}
        self._markers = {ids: marker for ids, marker in self._markers.items() if id(marker) in alive}

    def _retire_markers(self, retired: set[Marker]) -> None:
        """Take markers whose savepoints have ended off the end of the list; further up they do no harm."""
        callbacks = self._callbacks
        while callbacks and callbacks[-1][1] in retired:
            callbacks.pop()
        self._markers = {ids: marker for ids, marker in self._markers.items() if marker not in retired}

    def _called_by_django(self, marker: Marker) -> None:
        """
        Write what is still pending when Django calls a marker.

        Inside a block that is ``captureOnCommitCallbacks(execute=True)``. After COMMIT it means that the seam was
        taken away from the connection: the events come late, in a transaction of their own, but they come.
        """
        if self.connection.in_atomic_block:
            self.run_errands()
            self.write_events()
            return
        write_late(self.connection, marker)
        if self._wrote_after is not None:
            # No seam has told of that COMMIT.
            self._wrote_after = None
            ring(self.connection.alias)
