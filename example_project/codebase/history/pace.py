"""How a replay shows its progress, and how it is slowed down."""

import time
from collections.abc import Callable
from typing import TextIO

_BAR_WIDTH = 28
_REDRAW_SECONDS = 0.1
_LINE_SECONDS = 5.0


class ProgressBar:
    """
    A bar that redraws itself on a terminal, and one line every few seconds elsewhere.

    Args:
        stream: Where to draw, usually standard error.
        last_commit_number: The commit at which the bar is full.
        clock: Seconds that only go forward.
    """

    def __init__(
        self,
        stream: TextIO,
        *,
        last_commit_number: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.stream = stream
        self.last_commit_number = last_commit_number
        self._clock = clock
        self._is_terminal = stream.isatty()
        self._started = self._drawn = clock()
        self._width = 0

    def show(self, commit_number: int, edit_count: int) -> None:
        """Draw how far the replay has come, if it is time to."""
        now = self._clock()
        if now - self._drawn < (_REDRAW_SECONDS if self._is_terminal else _LINE_SECONDS):
            return
        self._drawn = now
        rate = edit_count / (now - self._started)
        text = f"commit {commit_number:,} of {self.last_commit_number:,}, {edit_count:,} edits, {rate:,.0f} a second"
        if self._is_terminal:
            self._redraw(f"{self._bar(commit_number)} {text}")
        else:
            self.stream.write(f"{text}\n")
        self.stream.flush()

    def close(self) -> None:
        """Take the bar off the terminal."""
        if self._is_terminal and self._width:
            self._redraw("")
            self.stream.write("\r")
            self.stream.flush()

    def _bar(self, commit_number: int) -> str:
        share = min(1.0, commit_number / self.last_commit_number)
        filled = int(share * _BAR_WIDTH)
        return f"[{'#' * filled}{'.' * (_BAR_WIDTH - filled)}] {share:4.0%}"

    def _redraw(self, text: str) -> None:
        self.stream.write(f"\r{text.ljust(self._width)}")
        self._width = len(text)


class Pace:
    """
    Holds a replay back to a number of edits a second.

    Args:
        edits_per_second: The limit; None for none.
        clock: Seconds that only go forward.
        sleep: Waits for as many seconds as it is told.
    """

    def __init__(
        self,
        edits_per_second: float | None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.edits_per_second = edits_per_second
        self._clock = clock
        self._sleep = sleep
        self._started = clock()

    def wait(self, edit_count: int) -> None:
        """Wait until ``edit_count`` edits since the start are not too many."""
        if self.edits_per_second is None:
            return
        due = self._started + edit_count / self.edits_per_second
        if (seconds := due - self._clock()) > 0:
            self._sleep(seconds)
