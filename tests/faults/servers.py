"""
Servers of the tests' own, which may be killed, stopped, restarted and starved.

Each lives in a temporary folder and on a free port of the loopback interface, under a user without rights.
"""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import signal
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Self

from tests.faults.processes import (
    ServerMissing,
    descendants,
    free_port,
    hand_to_nobody,
    plain_environment,
    unprivileged,
    wait_until_gone,
)

__all__ = ["Server"]

START_SECONDS = 60
STOP_SECONDS = 30


class Server(ABC):
    """
    A server that nobody else uses.

    Args:
        folder: Where its data goes, for instance on a small file system; a new temporary folder unless given.
        file_size_limit: The greatest size of its files, in bytes, while it runs; for a disk that is full.
    """

    title: ClassVar[str]
    driver: ClassVar[str | None] = None
    _clean_stop_signal: ClassVar[signal.Signals] = signal.SIGTERM

    def __init__(self, *, folder: Path | None = None, file_size_limit: int | None = None) -> None:
        self.file_size_limit = file_size_limit
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix=f"{self.title.lower()}-")) if folder is None else folder
        self.log = self.folder / "server.log"
        self._process: subprocess.Popen[bytes] | None = None
        hand_to_nobody(self.folder)

    def __enter__(self) -> Self:
        """
        Make its data and start it.

        Raises:
            ServerMissing: It is not installed.
        """
        try:
            self._require_driver()
            self._initialise()
            self.start()
            self._prepare()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *unused: object) -> None:
        if self._process is not None:
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    @abstractmethod
    def terminate_clients(self) -> int:
        """Cut every connection but the one that asks, and return how many there were."""

    @abstractmethod
    def _answers(self) -> bool:
        """Say whether it takes connections and is ready to work."""

    @abstractmethod
    def _command(self) -> Sequence[str]:
        """Return the command that runs it in the foreground."""

    def _initialise(self) -> None:  # noqa: B027 - there may be nothing to make
        """Make what it starts from."""

    def _prepare(self) -> None:  # noqa: B027 - nor to do
        """Do what is to be done once, when it runs for the first time."""

    def _environment(self) -> Mapping[str, str]:
        """Return what is added to its environment."""
        return {}

    @property
    def pids(self) -> list[int]:
        """The ids of its processes."""
        return [self._process.pid, *descendants(self._process.pid)] if self._process is not None else []

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start, recover from a crash if need be, and return once it answers."""
        self._process = self._spawn(self._command())
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{self.title} did not start:\n{self.log_tail()}")
            time.sleep(0.02)

    def stop(self) -> None:
        """Shut down in good order; clients are cut."""
        self._end(self._clean_stop_signal)

    def kill(self) -> None:
        """Kill the server and its children as a power cut would, with SIGKILL."""
        assert self._process is not None
        children = descendants(self._process.pid)
        self._process.kill()
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        self._process.wait()
        self._process = None
        wait_until_gone(children)

    def freeze(self) -> None:
        """Stop it as a machine does that swaps: it takes connections and answers nobody, until ``thaw()``."""
        self._signal_all(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal_all(signal.SIGCONT)

    def restart(self, *, killed: bool = True) -> None:
        """Start anew, after SIGKILL or in good order."""
        if killed:
            self.kill()
        else:
            self.stop()
        self.start()

    def log_tail(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-30:]) if self.log.exists() else ""

    def _spawn(self, command: Sequence[str]) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env={**plain_environment(), **self._environment()},
                preexec_fn=self._limit_files,  # noqa: PLW1509 - this process has one thread
                # Python ignores SIGXFSZ, and so do its children then: a write that is too large fails and kills nobody.
                restore_signals=self.file_size_limit is None,
                **unprivileged(),
            )

    def _limit_files(self) -> None:
        if self.file_size_limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (self.file_size_limit, self.file_size_limit))

    def _signal_all(self, number: signal.Signals) -> None:
        for pid in self.pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def _end(self, number: signal.Signals) -> None:
        assert self._process is not None
        children = descendants(self._process.pid)
        self._process.send_signal(number)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        self._process = None
        wait_until_gone(children)

    @classmethod
    def _require_driver(cls) -> None:
        if cls.driver is not None:
            try:
                __import__(cls.driver)
            except ImportError as error:
                raise ServerMissing(f"{cls.title}'s driver {cls.driver} cannot be imported: {error}") from error

    def _run(self, *command: str) -> str:
        """Run a program of the server's to its end, and return what it printed."""
        result = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            cwd=self.folder,
            env={**plain_environment(), **self._environment()},
            check=False,
            **unprivileged(),
        )
        if result.returncode:
            raise RuntimeError(f"{command[0]} failed:\n{result.stdout}\n{result.stderr}")
        return result.stdout
