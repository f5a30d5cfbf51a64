"""The thread that publishes what was rung, so that nobody who commits waits for the broker."""

from __future__ import annotations

import atexit
import logging
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from django_clean_timestamps.delivery.doorbell.breaker import Breaker

__all__ = ["DoorbellThread"]

WINDOW_SECONDS: Final = 0.02
"""How far apart two messages about one log are at least."""

FLUSH_SECONDS: Final = 1.0
"""How long the end of the process may wait for what was rung last."""

Publish = Callable[[Any, str], object]

logger = logging.getLogger("django_clean_timestamps.delivery.doorbell")


class DoorbellThread:
    """
    Publishes, in one daemon thread, for each log that was rung at least one message after its last ring.

    The first ring goes out at once. Those within the window after it make one more message, at the window's end, since
    the drain that the first one started may have looked too early. While the broker does not take them they wait, one
    for each log.

    Args:
        publish: Called in the thread with the Celery app and the alias. Whatever it raises is an outage.
        at_end: Called in the thread when it ends.
        breaker: Says how long to wait then.
        wait: Called with how many seconds the thread should sleep; by default until the process ends.
    """

    def __init__(
        self,
        publish: Publish,
        *,
        at_end: Callable[[], object] = lambda: None,
        breaker: Breaker | None = None,
        wait: Callable[[float], object] | None = None,
    ) -> None:
        self.pid = os.getpid()
        self._publish = publish
        self._at_end = at_end
        self._breaker = breaker or Breaker()
        self._closing = threading.Event()
        self._wait = wait or self._closing.wait
        self._rung: dict[str, Any] = {}
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._has_warned = False
        # Held while nobody has rung: to release it wakes the thread and, unlike an Event, takes no lock of its own.
        self._silence = threading.Lock()
        self._silence.acquire()

    def ring(self, app: Any, using: str) -> None:
        """Have a message about the log published; costs less than a microsecond and waits for nobody."""
        # Each step is one operation of the interpreter's own and leaves things right if it is the last one.
        self._rung[using] = app
        if self._thread is None:
            self._start()
        if self._silence.locked():
            with suppress(RuntimeError):
                # Another ring was quicker.
                self._silence.release()

    def close(self) -> None:
        """Publish what was rung last and end the thread; waits for a second at most."""
        if self._thread is None or self.pid != os.getpid():
            return
        self._closing.set()
        with suppress(RuntimeError):
            self._silence.release()
        self._thread.join(FLUSH_SECONDS)

    def _start(self) -> None:
        # Whoever is turned away goes on to wake the thread that another one starts.
        if not self._starting.acquire(blocking=False):
            return
        try:
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="clean_timestamps doorbell", daemon=True)
                thread.start()
                self._thread = thread
                atexit.register(self.close)
        except RuntimeError as error:
            # There are too many, or the interpreter is ending. The next ring tries again.
            if not self._has_warned:
                self._has_warned = True
                logger.warning("The doorbell's thread cannot be started (%s); events wait for the sweep", error)
        finally:
            self._starting.release()

    def _run(self) -> None:
        while not self._closing.is_set():
            self._silence.acquire()
            # A broker that does not take it keeps no process from ending.
            while self._rung and not (self._breaker.is_open and self._closing.is_set()):
                self._wait(self.publish_rung())
        self._at_end()

    def publish_rung(self) -> float:
        """Publish a message for each log that was rung, and return how many seconds to wait before the next."""
        for using in list(self._rung):
            app = self._rung.pop(using)
            try:
                self._publish(app, using)
            except Exception as error:  # noqa: BLE001 - the border: a broker's library may raise anything
                self._rung.setdefault(using, app)
                return self._breaker.note_failure(error)
            self._breaker.note_success()
        return WINDOW_SECONDS
