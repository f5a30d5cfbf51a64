"""The machine's processes and programs, for servers that must not run as root and must all be gone at the end."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

__all__ = [
    "ServerMissing",
    "descendants",
    "find_program",
    "free_port",
    "hand_to_nobody",
    "plain_environment",
    "process_table",
    "unprivileged",
    "wait_until_gone",
]

GONE_SECONDS = 30
PORTS = range(20_000, 32_000)
FOLDERS = ("/usr/lib/postgresql/*/bin", "/usr/lib/rabbitmq/bin", "/usr/local/pgsql/bin", "/usr/sbin", "/usr/local/sbin")
# What would lead a server's programs to the machine's own data.
FOREIGN = ("PG", "MYSQL", "MARIADB", "RABBITMQ", "ERL_")


class ServerMissing(Exception):  # noqa: N818 - a state of the machine
    """A server's programs or driver are not installed here."""


def find_program(name: str, title: str) -> str:
    """
    Return the path of a server's program.

    Raises:
        ServerMissing: There is none.
    """
    folders = [str(folder) for pattern in FOLDERS for folder in _matching_folders(pattern)]
    # The servers' own folders first: a wrapper on the PATH may serve the machine's own data.
    found = shutil.which(name, path=os.pathsep.join(folders)) or shutil.which(name)
    if found is None:
        raise ServerMissing(f"{title} is not installed: there is no {name} on the PATH or in {', '.join(FOLDERS)}")
    return found


def unprivileged() -> dict[str, Any]:
    """Return how a process is started that must not be root's: no server runs, or should run, as root."""
    if os.geteuid() != 0:
        return {}
    return {"user": _nobody().pw_uid, "group": _nobody().pw_gid, "extra_groups": []}


def hand_to_nobody(path: Path) -> None:
    """Let the unprivileged user write a folder."""
    if os.geteuid() == 0:
        os.chown(path, _nobody().pw_uid, _nobody().pw_gid)


def plain_environment() -> dict[str, str]:
    """Return the environment without what would lead a server's programs elsewhere."""
    return {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}


def free_port() -> int:
    """
    Return a port for a server that will be stopped and started.

    It lies below those that the kernel gives to whoever connects, so nobody has it while the server is down; and it is
    chosen by chance that the tests do not seed, so several runs at once choose different ones.
    """
    for port in secrets.SystemRandom().sample(PORTS, len(PORTS)):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError(f"no port is free from {PORTS[0]} to {PORTS[-1]}")


def process_table() -> dict[int, int]:
    """Return the parent of each process that runs; one that has ended and was not fetched is none."""
    listing = subprocess.run(["ps", "-e", "-o", "pid=,ppid=,stat="], capture_output=True, text=True, check=True).stdout
    rows = [line.split(maxsplit=2) for line in listing.splitlines()]
    return {int(pid): int(parent) for pid, parent, state in rows if not state.startswith("Z")}


def descendants(pid: int) -> list[int]:
    table = process_table()
    found, layer = [], {pid}
    while layer:
        layer = {child for child, parent in table.items() if parent in layer}
        found += layer
    return found


def wait_until_gone(pids: Sequence[int]) -> None:
    deadline = time.monotonic() + GONE_SECONDS
    while process_table().keys() & set(pids):
        if time.monotonic() > deadline:
            raise RuntimeError(f"still running: {sorted(process_table().keys() & set(pids))}")
        time.sleep(0.02)


def _nobody() -> pwd.struct_passwd:
    return pwd.getpwnam("nobody")


def _matching_folders(pattern: str) -> Iterator[Path]:
    """Yield the folders that match, those with the greatest version first."""
    root = Path("/")
    yield from sorted(root.glob(pattern.lstrip("/")), key=lambda folder: (len(str(folder)), str(folder)), reverse=True)
