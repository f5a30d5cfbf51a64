"""
What lower floors tell of their work to whoever records it: to nobody, until a recorder is connected.

Nothing here raises into the work that is observed.
"""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter
from types import TracebackType
from typing import Any, Final, Protocol, Self

from django.core.exceptions import ValidationError

from django_clean_timestamps.exceptions import ImmutableTimestampError

__all__ = ["FAILED", "INVALID", "OK", "Observed", "Recorder", "Series", "connect", "recorder"]

Series = tuple[str, str, str, str]
"""
What an observation is one of: the label of the model (``""`` for none), the operation, its outcome, the database alias.
"""

OK: Final = "ok"
INVALID: Final = "invalid"
"""The input broke a rule or was refused; nothing was written."""
FAILED: Final = "failed"


class Recorder(Protocol):
    """Whoever is told; its methods never raise."""

    def observe(self, series: Series, seconds: float, rows: int = 1, key: object = None, reason: str = "") -> None:
        """
        Take note of one operation.

        Args:
            series: What it is one of.
            seconds: How long it took.
            rows: How many rows or events it wrote or handled.
            key: The primary key of its row, where it is about a single one.
            reason: Why, where a reason was given.
        """
        ...

    def observe_many(self, series: Series, seconds: Sequence[float]) -> None:
        """Take note of several operations of a series, a row or event each."""
        ...


recorder: Recorder | None = None
"""Whoever is told now; read it anew for each operation."""


def connect(new: Recorder | None) -> None:
    """Tell that recorder from now on; None for nobody, as it is at the start."""
    global recorder
    recorder = new


class Observed:
    """
    Times its block and tells of it, by the outcome that the block's end shows.

    Args:
        operation: What is done.
        model: The label of whose rows, ``""`` for none.
        database: The alias where.

    Attributes:
        operation: May be replaced in the block where only its end shows what was done; None for nothing.
        rows: See :meth:`Recorder.observe`, like the next two; may be set in the block.
        key: The row's key.
        reason: The reason that was given.
    """

    __slots__ = ("_recorder", "_started", "database", "key", "model", "operation", "reason", "rows")

    def __init__(self, operation: str, model: str, database: str) -> None:
        self._recorder = recorder
        self.operation: str | None = operation
        self.model = model
        self.database = database
        self.rows = 1
        self.key: Any = None
        self.reason = ""

    def __enter__(self) -> Self:
        self._started = perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        seconds = perf_counter() - self._started
        if self._recorder is not None and self.operation is not None:
            series = (self.model, self.operation, OK if error is None else outcome_of(error), self.database)
            self._recorder.observe(series, seconds, self.rows, self.key, self.reason)


def outcome_of(error: BaseException) -> str:
    """Return the outcome of an operation that raised."""
    return INVALID if isinstance(error, ValidationError | ImmutableTimestampError) else FAILED
