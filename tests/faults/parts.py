"""The tests in parts, which several runs take side by side."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["part_of"]


def part_of(names: Iterable[str], part: int, parts: int) -> set[str]:
    """
    Return one part of the tests, by their names alone: each run of ``pytest-randomly`` has an order of its own.

    Neighbours go to different parts, so that no part has a slow module, or a slow database, to itself.
    """
    return set(sorted(names)[part - 1 :: parts])
