"""Starts the programs of the broker's tests, and ends them whatever becomes of the test."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 60


@contextmanager
def running(*arguments: object, **options: Any) -> Iterator[subprocess.Popen[str]]:
    """Run a Python program with its output piped, and kill it at the end where it still runs."""
    options.setdefault("stdout", subprocess.PIPE)
    process = subprocess.Popen(
        [sys.executable, *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        text=True,
        cwd=ROOT,
        **options,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def program(*words: object) -> Any:
    """Run one of the programs of ``broker_programs``."""
    return running("-m", "tests.contrib.broker_programs", *words)


def finish(process: subprocess.Popen[str]) -> list[str]:
    """Wait for a program to end well, and return the lines it has said."""
    output, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 0
    return output.splitlines()


def kill_after(process: subprocess.Popen[str], count: int) -> list[str]:
    """Kill a program when it has said some lines, and return all that it has said."""
    lines = [process.stdout.readline() for _ in range(count)]
    process.kill()
    return [line.rstrip() for line in [*lines, *process.stdout.readlines()] if line.endswith("\n")]
