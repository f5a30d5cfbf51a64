"""How far long work is, on a terminal."""

from __future__ import annotations

from django.core.management.base import OutputWrapper

__all__ = ["ProgressLine"]


class ProgressLine:
    """
    A line on the standard error that is written over again and again; nothing at all where that is no terminal.

    Args:
        stderr: The command's standard error.
    """

    def __init__(self, stderr: OutputWrapper) -> None:
        self._stderr = stderr
        self._is_shown = stderr.isatty()
        self._length = 0

    def show(self, text: str) -> None:
        """Put a text in place of the last one."""
        if self._is_shown:
            # Spaces over what is left of a longer one.
            self._stderr.write(f"\r{text.ljust(self._length)}\r", style_func=str, ending="")
            self._stderr.flush()
            self._length = len(text)

    def clear(self) -> None:
        """Leave the line empty, for what is printed next."""
        if self._length:
            self.show("")
