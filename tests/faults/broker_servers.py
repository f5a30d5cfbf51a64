"""Private message brokers. Both keep what they took over a crash, as far as each can."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.faults.processes import find_program, free_port
from tests.faults.servers import START_SECONDS, Server

__all__ = ["Broker", "RabbitMQ", "Redis"]

ANSWER_SECONDS = 5


class Broker(Server):
    """A broker that Celery can be given."""

    @property
    @abstractmethod
    def url(self) -> str:
        """Its address, as Celery's ``broker_url`` takes it."""


class Redis(Broker):
    """A private Redis, spoken to without a client of its own: the protocol is a line of text."""

    title = "Redis"

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def command(self, text: str) -> str:
        """Return the first line of the answer to a command, with its type in front."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=ANSWER_SECONDS) as client:
            client.sendall(f"{text}\r\n".encode())
            return client.makefile("rb").readline().decode().rstrip("\r\n")

    def terminate_clients(self) -> int:
        return int(self.command("CLIENT KILL SKIPME yes").removeprefix(":"))

    def _answers(self) -> bool:
        with contextlib.suppress(OSError):
            # While it still reads its file it answers with an error.
            return self.command("PING") == "+PONG"
        return False

    def _command(self) -> Sequence[str]:
        return [
            find_program("redis-server", self.title),
            *("--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self.folder), "--daemonize", "no"),
            *("--appendonly", "yes", "--appendfsync", "always", "--save", ""),
        ]


class RabbitMQ(Broker):
    """A private RabbitMQ with a name service of its own, which Erlang would otherwise start and leave behind."""

    title = "RabbitMQ"
    driver = "amqp"

    def __init__(self, *, folder: Path | None = None, file_size_limit: int | None = None) -> None:
        super().__init__(folder=folder, file_size_limit=file_size_limit)
        self.names_port = free_port()
        self.distribution_port = free_port()
        self._names: subprocess.Popen[bytes] | None = None

    def __exit__(self, *unused: object) -> None:
        try:
            if self._names is not None:
                self._names.kill()
                self._names.wait()
                self._names = None
        finally:
            super().__exit__()

    @property
    def pids(self) -> list[int]:
        return [*super().pids, *([self._names.pid] if self._names is not None else [])]

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}//"

    def start(self) -> None:
        if self._names is None:
            self._names = self._spawn(
                [find_program("epmd", self.title), "-address", "127.0.0.1", "-port", str(self.names_port)]
            )
            wait_until_open(self.names_port)
        super().start()

    def terminate_clients(self) -> int:
        listed = self._control("list_connections", "pid", "--quiet", "--no-table-headers").split()
        self._control("close_all_connections", "cut")
        return len(listed)

    def _initialise(self) -> None:
        (self.folder / "plugins").write_text("[].\n")
        # Files of its own, for it would read the machine's where there are none.
        (self.folder / "environment").write_text("")
        (self.folder / "rabbitmq.conf").write_text("disk_free_limit.absolute = 1MB\n")

    def _answers(self) -> bool:
        import amqp

        with contextlib.suppress(OSError, amqp.exceptions.AMQPError):
            with amqp.Connection(f"127.0.0.1:{self.port}", connect_timeout=ANSWER_SECONDS):
                return True
        return False

    def _command(self) -> Sequence[str]:
        return [find_program("rabbitmq-server", self.title)]

    def _environment(self) -> Mapping[str, str]:
        folder = self.folder
        return {
            "HOME": str(folder),
            "ERL_EPMD_PORT": str(self.names_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"faults{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self.distribution_port),
            "RABBITMQ_MNESIA_BASE": str(folder / "data"),
            "RABBITMQ_LOG_BASE": str(folder),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            "RABBITMQ_CONF_ENV_FILE": str(folder / "environment"),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_FEATURE_FLAGS_FILE": str(folder / "feature_flags"),
            # The script becomes Erlang's process, so that a signal reaches it.
            "RABBITMQ_ALLOW_INPUT": "1",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-noinput -start_epmd false -kernel inet_dist_use_interface {127,0,0,1}",
        }

    def _control(self, *arguments: str) -> str:
        return self._run(find_program("rabbitmqctl", self.title), *arguments)


def wait_until_open(port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=ANSWER_SECONDS).close()
            return
        if time.monotonic() > deadline:
            raise RuntimeError(f"nothing listens on port {port}")
        time.sleep(0.02)
