"""Waiting for what processes do by themselves."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

__all__ = ["WAIT_SECONDS", "wait_until"]

WAIT_SECONDS = 60


def wait_until(condition: Callable[[], Any], what: str, seconds: float = WAIT_SECONDS) -> Any:
    """Return what a condition returns once that is true."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.02)
    return found
