"""
Whoever reads the log from a position of its own and needs what comes after.

The log knows nothing of its readers. Delivery answers here for its subscriptions; the feed's cursors are held by
others, and only they know them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

__all__ = ["answer_for_cursors", "forget_cursors", "highest_cursor", "lowest_cursor"]

Cursors = Callable[[str], Iterable[int]]

_answers: Final[list[Cursors]] = []


def answer_for_cursors(cursors: Cursors) -> None:
    """
    Let a function answer for readers of the log; one that does already is not asked twice.

    Args:
        cursors: Called with a database alias; returns the last position that each reader of that log has done with.
    """
    if cursors not in _answers:
        _answers.append(cursors)


def forget_cursors(cursors: Cursors) -> None:
    """Let a function no longer answer."""
    _answers.remove(cursors)


def lowest_cursor(using: str) -> int | None:
    """Return the position up to which every reader is done, None where there is no reader."""
    return min(_positions(using), default=None)


def highest_cursor(using: str) -> int | None:
    """Return the furthest position that a reader is done with, None where there is no reader."""
    return max(_positions(using), default=None)


def _positions(using: str) -> Iterable[int]:
    return [position for cursors in _answers for position in cursors(using)]
