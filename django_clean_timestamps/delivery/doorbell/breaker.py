"""The circuit breaker: how long to leave a broker alone that does not take messages."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from typing import Final

from django_clean_timestamps.delivery.failures import one_line

__all__ = ["Breaker"]

FIRST_SECONDS: Final = 1.0
LONGEST_SECONDS: Final = 60.0

logger = logging.getLogger("django_clean_timestamps.delivery.doorbell")


class Breaker:
    """
    Says how long to wait after each failure in a row, and logs the beginning and the end of an outage, once each.

    The wait doubles from 1 to 60 seconds, and is shortened by up to a half, so that the processes of a site do not all
    come back at the same moment.

    Args:
        draw: Returns a random number of ``[0, 1)``.
    """

    def __init__(self, draw: Callable[[], float] = random.random) -> None:
        self._draw = draw
        self._failures = 0

    @property
    def is_open(self) -> bool:
        """Whether the last attempt failed."""
        return self._failures > 0

    def note_failure(self, error: Exception) -> float:
        """Return for how many seconds nothing should be tried."""
        if not self._failures:
            logger.warning(
                "The broker does not take the doorbell, which is tried again; until then events wait for the sweep: %s",
                one_line(error),
            )
        # 2**6 is past the longest.
        longest = min(LONGEST_SECONDS, FIRST_SECONDS * 2.0 ** min(self._failures, 6))
        self._failures += 1
        return longest * (1 - self._draw() / 2)

    def note_success(self) -> None:
        """End the outage, if there was one."""
        if self._failures:
            logger.warning("The broker takes the doorbell again, after %d failed attempts", self._failures)
            self._failures = 0
