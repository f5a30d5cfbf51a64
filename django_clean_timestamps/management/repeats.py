"""Keeping a process that looks four times a second from saying the same four times a second."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

__all__ = ["without_repeats"]

SECONDS_BETWEEN: Final = 60.0
"""How long the same words are not said again."""

REMEMBERED: Final = 1_000


@contextmanager
def without_repeats(logger: logging.Logger, clock: Callable[[], float] = time.monotonic) -> Iterator[None]:
    """
    Let a logger say the same words once a minute at most, as long as the block runs.

    Args:
        logger: The logger; those below it go on as ever.
        clock: Returns seconds that only ever grow.
    """
    repeats = _Repeats(clock)
    logger.addFilter(repeats)
    try:
        yield
    finally:
        logger.removeFilter(repeats)


class _Repeats(logging.Filter):
    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__()
        self._clock = clock
        self._said_at: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        words, now = record.getMessage(), self._clock()
        if now - self._said_at.get(words, -math.inf) < SECONDS_BETWEEN:
            return False
        if len(self._said_at) >= REMEMBERED:
            self._said_at.clear()
        self._said_at[words] = now
        return True
