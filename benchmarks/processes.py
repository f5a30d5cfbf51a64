"""The processes that a benchmark starts: writers and workers, each stopped by its own id."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from django.db import connection

STOP_SECONDS = 20

__all__ = ["ProcessFailedError", "beside", "environment", "module", "run", "running", "tail"]


class ProcessFailedError(Exception):
    """A process ended with an error, or before it should."""


def environment(**more: str) -> dict[str, str]:
    """Return the environment of a process of the project, on the database that was made for this run."""
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "benchmarks.project.settings",
        "BENCHMARK_MADE_DATABASE": str(connection.settings_dict["NAME"]),
        **more,
    }


def module(name: str, *arguments: str) -> list[str]:
    return [sys.executable, "-W", "ignore", "-m", name, *arguments]


def run(command: Sequence[str], env: Mapping[str, str], log: Path) -> None:
    """Run a process to its end."""
    with log.open("ab") as output:
        done = subprocess.run(command, env=dict(env), stdout=output, stderr=output, check=False)
    if done.returncode:
        raise ProcessFailedError(f"{' '.join(command[3:])} ended with {done.returncode}:\n{tail(log)}")


@contextmanager
def beside(command: Sequence[str], env: Mapping[str, str], log: Path) -> Iterator[Callable[[], bool]]:
    """Run a process beside the block, which is given a function that says whether it has ended, and waits for that."""
    with log.open("ab") as output:
        process = subprocess.Popen(command, env=dict(env), stdout=output, stderr=output, start_new_session=True)
        try:
            yield lambda: process.poll() is not None
        finally:
            _stop([process])
    if process.returncode:
        raise ProcessFailedError(f"{' '.join(command[3:])} ended with {process.returncode}:\n{tail(log)}")


@contextmanager
def running(commands: Sequence[Sequence[str]], env: Mapping[str, str], log: Path) -> Iterator[list[int]]:
    """
    Run processes side by side for the block, and yield their ids.

    Each is asked to stop, those that they started by themselves; what has not ended after 20 seconds is killed.
    """
    started: list[subprocess.Popen[bytes]] = []
    with log.open("ab") as output:
        try:
            started += [
                # A session of its own, so that what it started can be killed with it.
                subprocess.Popen(command, env=dict(env), stdout=output, stderr=output, start_new_session=True)
                for command in commands
            ]
            yield [process.pid for process in started]
            ended = [process for process in started if process.poll() is not None]
            if ended:
                raise ProcessFailedError(f"{' '.join(map(str, ended[0].args))} had ended:\n{tail(log)}")
        finally:
            _stop(started)


def _stop(processes: Sequence["subprocess.Popen[bytes]"]) -> None:
    for process in processes:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
    for process in processes:
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-30:])
