"""Addresses to serve the example at, and a server that runs beside the caller."""

import ipaddress
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.core.servers.basehttp import (
    ThreadedWSGIServer,
    WSGIRequestHandler,
    get_internal_wsgi_application,
)

PORTS_TRIED = 100


def is_loopback(host: str) -> bool:
    """Return whether ``host`` can be reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def free_port(host: str, wanted: int) -> int:
    """
    Return ``wanted``, or the next port above it that nobody listens on.

    Raises:
        OSError: None of the next hundred is free, or ``host`` cannot be bound to.
    """
    last_port = min(wanted + PORTS_TRIED, 65536) - 1
    for port in range(wanted, last_port + 1):
        try:
            with socket.create_server((host, port), family=_family(host)):
                return port
        except OSError:
            if port == last_port:
                raise
    raise OSError(f"{wanted} is no port")


@contextmanager
def running_site() -> Iterator[str]:
    """Serve the example on a free port of the loopback while the block runs; yield its address."""
    server = ThreadedWSGIServer(("127.0.0.1", 0), _QuietHandler)
    server.set_app(StaticFilesHandler(get_internal_wsgi_application()))
    thread = threading.Thread(target=server.serve_forever, name="demo-site", daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _QuietHandler(WSGIRequestHandler):
    def log_message(self, *args: object) -> None:
        """Log nothing."""


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
