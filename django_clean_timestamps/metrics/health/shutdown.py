"""That this process is about to end, told by whoever knows it."""

from __future__ import annotations

import os
import signal
from types import FrameType

__all__ = ["begin_shutdown", "begin_shutdown_at_sigterm", "is_shutting_down"]

# No threading.Event: a signal that came within its set() would wait for itself.
_has_begun = False


def begin_shutdown() -> None:
    """Let ``/ready`` answer no from now on; everything else goes on as before. For a server's own hooks."""
    global _has_begun
    _has_begun = True


def is_shutting_down() -> bool:
    """Say whether the shutdown has begun."""
    return _has_begun


def begin_shutdown_at_sigterm() -> None:
    """
    Let SIGTERM begin the shutdown, and then do what it did before.

    To be called once the server has its own handler in place, in gunicorn by ``post_worker_init``. Nothing calls it by
    itself: a handler that a library puts in the way of a server's is one too many.

    Raises:
        ValueError: This is not the main thread.
    """
    before = signal.getsignal(signal.SIGTERM)

    def begin(number: int, frame: FrameType | None) -> None:
        begin_shutdown()
        if callable(before):
            before(number, frame)
        elif before is signal.SIG_DFL:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    signal.signal(signal.SIGTERM, begin)
