"""Which queues are bound to which exchange: a file for each binding, so that nobody rewrites what others read."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import quote

from django_clean_timestamps.contrib.filesystem_broker.files import listed, queue_folder, write_whole

__all__ = ["Binding", "Bindings"]

NOBODY: Final = "all"


class Binding(NamedTuple):
    """A row of an exchange's table, in the form that kombu's exchange types look it up."""

    routing_key: str
    pattern: str | None
    queue: str


class Bindings:
    """
    The bindings that a control folder holds.

    A binding of a queue that goes with its consumers names the consumer that made it, so that it can be told from one
    that the consumer's successor has made to the same queue.
    """

    def __init__(self, control: Path) -> None:
        self._control = control

    def add(self, exchange: str, binding: Binding, *, consumer: str | None = None) -> None:
        """
        Bind a queue, for as long as a consumer lives where one is named.

        Raises:
            OSError: The binding cannot be written.
        """
        write_whole(self._control, self._file(exchange, binding, consumer or NOBODY), json.dumps(binding).encode())

    def remove(self, exchange: str, binding: Binding) -> None:
        """Undo a binding, whoever has made it."""
        self._unlink(self._file(exchange, binding, "*"))

    def of(self, exchange: str) -> list[Binding]:
        """Return the bindings of an exchange, each once; a file that is none is passed over."""
        folder = self._folder(exchange)
        found: dict[Binding, None] = {}
        for name in listed(folder):
            # OSError: it is gone meanwhile, or cannot be read.
            with suppress(ValueError, TypeError, RecursionError, OSError):
                found[_read(folder / name)] = None
        return list(found)

    def forget_exchange(self, exchange: str) -> None:
        """Undo all bindings of an exchange."""
        self._unlink(self._folder(exchange) / "*")

    def forget_queue(self, folder: str) -> None:
        """Undo all bindings of a queue, given by the name of its folder."""
        self._unlink(self._control / "*.exchange" / f"*,*,{folder}")

    def forget_consumer(self, consumer: str) -> None:
        """Undo what a consumer has bound for as long as it lives."""
        self._unlink(self._control / "*.exchange" / f"*,{consumer},*")

    def _unlink(self, pattern: Path) -> None:
        for file in self._control.glob(str(pattern.relative_to(self._control))):
            file.unlink(missing_ok=True)

    def _file(self, exchange: str, binding: Binding, consumer: str) -> Path:
        key = hashlib.sha256(binding.routing_key.encode()).hexdigest()[:16]
        # Quoted, a name holds no comma, and nothing that a pattern would take for a wildcard.
        return self._folder(exchange) / f"{key},{consumer},{queue_folder(binding.queue)}"

    def _folder(self, exchange: str) -> Path:
        return self._control / f"{quote(exchange, safe='')}.exchange"


def _read(file: Path) -> Binding:
    binding = Binding(*json.loads(file.read_bytes()))
    # A text like the pattern, or none: what kombu does with anything else would end the publisher.
    if not all(isinstance(part, str) for part in (binding.routing_key, binding.pattern or "", binding.queue)):
        raise TypeError
    return binding
