"""Counts, lists and near words, for people."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Final

__all__ = ["count_of", "near_words", "times"]

NAMED_AT_MOST: Final = 20


def count_of(count: int, noun: str) -> str:
    """Return a number of things: ``"1 shard"``, ``"1,200 shards"``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def times(count: int) -> str:
    """Return how often: ``"once"``, ``"twice"``, ``"3 times"``."""
    return {1: "once", 2: "twice"}.get(count, f"{count:,} times")


def near_words(word: str, known: Sequence[str]) -> str:
    """Return a sentence of the names that are near one which is not known, and one of those that are, 20 at most."""
    near = _near_last_parts(word, known) or difflib.get_close_matches(word, known)
    rest = len(known) - NAMED_AT_MOST
    listed = ", ".join(known[:NAMED_AT_MOST]) + (f" and {rest} more" if rest > 0 else "")
    return (f"did you mean {' or '.join(map(repr, near))}? " if near else "") + f"Known are {listed}."


def _near_last_parts(word: str, known: Sequence[str]) -> list[str]:
    """Of two names of one app half is the same anyway, and the app's may have been left out."""
    last_parts = {each: each.rpartition(".")[2] for each in known}
    near = difflib.get_close_matches(word.rpartition(".")[2], last_parts.values())
    return [each for each, last in last_parts.items() if last in near]
