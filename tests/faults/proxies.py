"""A proxy before a database server that loses the answer to a COMMIT: it went through, and nobody is told."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Any, Self

from tests.faults.databases import ServerDatabase

__all__ = ["COMMITS", "LossyProxy", "ProxiedDatabase"]

COMMITS = {"postgresql": b"Q\x00\x00\x00\x0bCOMMIT\x00", "mariadb": b"\x07\x00\x00\x00\x03COMMIT"}
CHUNK = 1 << 16


class LossyProxy:
    """
    Passes on what clients and server say, and cuts a client off as soon as the server has answered its COMMIT.

    Args:
        port: The server's.
        commit: How a COMMIT looks on its way.
    """

    def __init__(self, port: int, commit: bytes) -> None:
        self.server_port = port
        self.commit = commit
        self.cut_count = 0
        self.commit_count = 0
        self._left = 0
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *unused: object) -> None:
        # A thread that waits in accept() is not woken by close() alone.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(30)

    def lose(self, nth: int = 1) -> None:
        """Lose the answer to the ``nth`` COMMIT from now on."""
        with self._lock:
            self._left = nth

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(("127.0.0.1", self.server_port), timeout=30)
        except OSError:
            client.close()
            return
        server.settimeout(None)
        is_losing = threading.Event()
        back = threading.Thread(target=self._answer, args=(server, client, is_losing), daemon=True)
        back.start()
        with contextlib.suppress(OSError):
            while data := client.recv(CHUNK):
                if self.commit in data and self._is_to_be_lost():
                    is_losing.set()
                server.sendall(data)
        hang_up(server)
        back.join(30)
        client.close()
        server.close()

    def _answer(self, server: socket.socket, client: socket.socket, is_losing: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(CHUNK):
                if is_losing.is_set():
                    self.cut_count += 1
                    break
                client.sendall(data)
        hang_up(client)

    def _is_to_be_lost(self) -> bool:
        with self._lock:
            self.commit_count += 1
            self._left -= 1
            return self._left == 0


def hang_up(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)


class ProxiedDatabase(ServerDatabase):
    """A server's database that Django reaches through a proxy, and this process past it."""

    def __init__(self, database: ServerDatabase, proxy: LossyProxy) -> None:
        super().__init__(database.server)
        self.proxy = proxy

    @property
    def settings(self) -> dict[str, Any]:
        return {**super().settings, "PORT": str(self.proxy.port)}
