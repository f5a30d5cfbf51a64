"""Ages in words."""

from __future__ import annotations

from typing import Final

__all__ = ["in_words"]

UNITS: Final = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))


def in_words(seconds: float) -> str:
    """Return an age in the largest unit that it fills: ``"1 second"``, ``"36 hours"`` is ``"1 day"``."""
    for unit, length in UNITS:
        if seconds >= length:
            count = int(seconds // length)
            return f"{count:,} {unit}{'' if count == 1 else 's'}"
    return "less than a second"
