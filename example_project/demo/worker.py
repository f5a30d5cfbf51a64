"""
The demo's worker: ``celery worker`` with beat in it, as a child process that ends with the demo, however that ends.

The child watches a pipe that only the demo holds the other end of. Run as ``python -m demo.worker``, it is the child.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from django.conf import settings

# A worker ends what it is at, a drain within moments; after this it is killed.
STOP_SECONDS = 20
LINES_SHOWN = 15
# One process for everything, so the worker and what it works on end together. Gossip is for many of them.
ARGUMENTS = ("worker", "--beat", "--pool", "solo", "--loglevel", "INFO", "--without-gossip", "--without-mingle")


class Worker:
    """
    A worker that was started.

    Args:
        process: Its process, the first of a group of its own.
        log: Where it writes what it says.
    """

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self.log = log

    @property
    def has_ended(self) -> bool:
        """Whether it has ended by itself."""
        return self.process.poll() is not None

    def last_lines(self) -> str:
        """Return the end of what it has said."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-LINES_SHOWN:])

    def stop(self) -> None:
        """End it, and whatever it may have left running."""
        try:
            # The first process alone: told all at once, they wait for each other.
            self.process.terminate()
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            pass
        finally:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


@contextmanager
def running_worker(*, log: Path, environment: Mapping[str, str]) -> Iterator[Worker]:
    """
    Let a worker run while the block does, and yield it; it may need some seconds until it is ready.

    Args:
        log: The file for what it says, begun anew.
        environment: Its environment.
    """
    with log.open("wb") as file:
        process = _start(file, environment)
    worker = Worker(process, log)
    try:
        yield worker
    finally:
        worker.stop()
        if process.stdin:
            process.stdin.close()


def main() -> None:
    """Be the worker, until told to stop or until the demo is gone."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    from config.celery import app

    threading.Thread(target=_end_with_the_demo, name="end with the demo", daemon=True).start()
    app.worker_main(ARGUMENTS)


def _start(log: IO[bytes], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "demo.worker"],
        cwd=settings.BASE_DIR,
        env={**environment, "DJANGO_SETTINGS_MODULE": settings.SETTINGS_MODULE},
        stdin=subprocess.PIPE,
        stdout=log,
        stderr=subprocess.STDOUT,
        # Not of the terminal's group, or Ctrl-C would reach it beside us, and beat in it too.
        start_new_session=True,
    )


def _end_with_the_demo() -> None:
    # Not through sys.stdin, whose lock a process that is forked off meanwhile would find locked for ever.
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(STOP_SECONDS)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()
