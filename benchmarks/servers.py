"""The message brokers that a benchmark starts for itself, on free ports and in temporary folders."""

import re
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import metadata

from tests.faults import broker_servers
from tests.faults.processes import ServerMissing, find_program, free_port

__all__ = ["NotStartedError", "Redis", "StompRabbitMQ", "describe_programs", "free_port", "started"]

STOMP_PLUGIN = "rabbitmq_stomp"


class NotStartedError(Exception):
    """A server is not installed here, or did not start."""


class Redis(broker_servers.Redis):
    """A Redis that keeps its data in memory alone, as most brokers are run."""

    def _command(self) -> Sequence[str]:
        return [
            find_program("redis-server", self.title),
            *("--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self.folder), "--daemonize", "no"),
            *("--appendonly", "no", "--save", ""),
        ]


class StompRabbitMQ(broker_servers.RabbitMQ):
    """A RabbitMQ with its own STOMP plugin, which comes with the server and is off unless asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.stomp_port = free_port()

    def _initialise(self) -> None:
        super()._initialise()
        (self.folder / "plugins").write_text(f"[{STOMP_PLUGIN}].\n")
        configuration = self.folder / "rabbitmq.conf"
        configuration.write_text(f"{configuration.read_text()}stomp.listeners.tcp.1 = 127.0.0.1:{self.stomp_port}\n")

    def _answers(self) -> bool:
        if super()._answers():
            broker_servers.wait_until_open(self.stomp_port)
            return True
        return False


@contextmanager
def started(server: broker_servers.Broker) -> Iterator[broker_servers.Broker]:
    """
    Start a server for the block, and stop it and remove its data afterwards.

    Raises:
        NotStartedError: It cannot be started.
    """
    try:
        server.__enter__()
    except (ServerMissing, RuntimeError, OSError) as error:
        raise NotStartedError(str(error).strip().splitlines()[0]) from error
    try:
        yield server
    finally:
        server.__exit__()


def describe_programs() -> str:
    """Return the versions of the servers and packages that may take part, as far as they are installed."""
    servers = {"Redis": ("redis-server", "--version"), "RabbitMQ": ("rabbitmqctl", "version")}
    found = [f"{title} {version}" for title, command in servers.items() if (version := _version(title, *command))]
    for package in ("celery", "procrastinate", "django-outbox-pattern"):
        with suppress(metadata.PackageNotFoundError):
            found.append(f"{package} {metadata.version(package)}")
    return ", ".join(found)


def _version(title: str, program: str, argument: str) -> str | None:
    try:
        command = [find_program(program, title), argument]
        printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (ServerMissing, OSError, subprocess.CalledProcessError):
        return None
    found = re.search(r"\d+\.\d+(\.\d+)?", printed)
    return found.group() if found else None
