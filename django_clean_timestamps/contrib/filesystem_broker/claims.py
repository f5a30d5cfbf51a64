"""What each consumer has taken and not settled, and what becomes of it when the consumer is killed."""

from __future__ import annotations

import logging
import os
import shutil
import threading
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Final

from kombu.exceptions import ChannelError

from django_clean_timestamps.contrib.filesystem_broker.bindings import Bindings
from django_clean_timestamps.contrib.filesystem_broker.files import MESSAGE, REDELIVERED, listed, move, new_id
from django_clean_timestamps.contrib.filesystem_broker.homes import homes, is_own, locked_if_dead, make_home

__all__ = ["REJECTED", "Claims", "claims_on"]

REJECTED: Final = ".rejected"
"""The folder of what was no message."""

GOES_WITH_CONSUMERS: Final = ".temporary"

logger = logging.getLogger("django_clean_timestamps.contrib.filesystem_broker")


class Claims:
    """
    What this process has taken from a data folder.

    A message is named by its *entry*, the queue's folder and the file in it: that is where it waits below the data
    folder, and where it is below the home of the process that has taken it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._home: Path | None = None
        self._consumed: Counter[str] = Counter()
        self._unmovable: set[Path] = set()
        self._guard = threading.Lock()

    @property
    def consumer(self) -> str:
        """The name that this process consumes under."""
        return self._at_home().name

    def take(self, entry: str) -> Path | None:
        """
        Take a message and return where it is now; ``None`` if another consumer was faster, or if it cannot be moved.

        Raises:
            ChannelError: This process cannot have a home in the data folder.
        """
        source, taken = self._folder / entry, self._at_home() / entry
        if source in self._unmovable:
            return None
        try:
            move(source, taken)
        except FileNotFoundError:
            return None
        except OSError as error:
            self._pass_over(source, error)
            return None
        return taken

    def settle(self, entry: str, *, keep_in: Path | None = None) -> None:
        """Delete a message that was taken, or move it to a folder; does nothing where it is taken no more."""
        taken = self._at_home() / entry
        with suppress(FileNotFoundError):
            if keep_in is None:
                taken.unlink()
            else:
                # That may be another file system.
                shutil.move(taken, keep_in / entry.replace("/", "."))

    def give_back(self, entry: str) -> str | None:
        """Let others take a message, and return its entry, which sorts as before; ``None`` where it is not taken."""
        return self._give_back(self._at_home(), entry)

    def put_aside(self, entry: str, reason: object) -> None:
        """Move what was taken, and is no message, to where nobody looks."""
        rejected = self._folder / REJECTED / new_id() / Path(entry).name
        with suppress(FileNotFoundError):
            move(self._at_home() / entry, rejected)
            logger.warning("%s is no message (%s), and was put aside as %s", self._folder / entry, reason, rejected)

    def begin(self, queue: str) -> None:
        """Note that a consumer of this process consumes from a queue that goes with its consumers."""
        with self._guard:
            self._consumed[queue] += 1
        (self._at_home() / f"{queue}{GOES_WITH_CONSUMERS}").touch()

    def end(self, queue: str) -> bool:
        """Note that a consumer of this process does so no more, and say whether it was the last of all processes."""
        with self._guard:
            # Below zero in a child that closes what it has inherited: that is its parent's consumer, which goes on.
            self._consumed[queue] -= 1
            if self._consumed[queue]:
                return False
        (self._at_home() / f"{queue}{GOES_WITH_CONSUMERS}").unlink(missing_ok=True)
        return not self._is_consumed(queue)

    def recover(self, bindings: Bindings) -> None:
        """Give back what processes that live no more have taken, and delete the queues that go with them."""
        self._at_home()
        for home in homes(self._folder):
            if is_own(home) or home in self._unmovable:
                continue
            with locked_if_dead(home) as is_dead:
                if is_dead:
                    try:
                        self._clear(home, bindings)
                    except OSError as error:
                        self._pass_over(home, error)

    def _at_home(self) -> Path:
        with self._guard:
            # Somebody may empty the folder while its consumers run, for a fresh start.
            if self._home is None or not self._home.is_dir():
                try:
                    self._home = make_home(self._folder)
                except OSError as error:
                    raise ChannelError(
                        f"Nothing can be taken from the broker's folder {self._folder}: {error}"
                    ) from error
            return self._home

    def _give_back(self, home: Path, entry: str) -> str | None:
        given = entry.removesuffix(MESSAGE) + REDELIVERED if entry.endswith(MESSAGE) else entry
        try:
            move(home / entry, self._folder / given)
        except FileNotFoundError:
            return None
        return given

    def _clear(self, home: Path, bindings: Bindings) -> None:
        markers = []
        for name in listed(home):
            if name.endswith(GOES_WITH_CONSUMERS):
                markers.append(name)
            else:
                for message in listed(home / name):
                    self._give_back(home, f"{name}/{message}")
        # Its own only: a successor may have bound the same queues by now.
        bindings.forget_consumer(home.name)
        for marker in markers:
            (home / marker).unlink()
            queue = marker.removesuffix(GOES_WITH_CONSUMERS)
            if not self._is_consumed(queue):
                shutil.rmtree(self._folder / queue, ignore_errors=True)
        shutil.rmtree(home)

    def _is_consumed(self, queue: str) -> bool:
        return any((home / f"{queue}{GOES_WITH_CONSUMERS}").exists() for home in homes(self._folder))

    def _pass_over(self, path: Path, error: OSError) -> None:
        self._unmovable.add(path)
        logger.warning("%s cannot be moved (%s), and this process passes it over", path, error.strerror)


_all: dict[Path, Claims] = {}


def claims_on(folder: Path) -> Claims:
    """Return this process's claims on a data folder, one object for one path."""
    return _all.get(folder) or _all.setdefault(folder, Claims(folder))


# In a child: what its parent has taken is the parent's to settle.
os.register_at_fork(after_in_child=_all.clear)
