"""The drain: one run of the engine. It sequences, then moves each subscription that has news."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Callable, Iterator

from django.db import Error, connections

from django_clean_timestamps.delivery.failures import one_line
from django_clean_timestamps.delivery.handlers import Handler
from django_clean_timestamps.delivery.leases import tell_problem
from django_clean_timestamps.delivery.registry import get_handlers
from django_clean_timestamps.delivery.resharding import complete_resharding
from django_clean_timestamps.delivery.subscriptions import Shard, bear, read_shards
from django_clean_timestamps.delivery.turns import Progress, Turn
from django_clean_timestamps.eventlog.bounds import log_bounds, read_head
from django_clean_timestamps.eventlog.lasting import make_last
from django_clean_timestamps.eventlog.sequencer import PASS_SIZE, sequence_once

__all__ = ["Drained", "drain"]

logger = logging.getLogger("django_clean_timestamps.delivery")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Drained:
    """
    What a drain did.

    Attributes:
        sequenced: How many events got a position.
        delivered: How many calls for an event came to a good end; one event counts for each handler.
        parked: How many failed and were put aside.
        is_finished: Whether nothing was due any more when it ended.
    """

    sequenced: int = 0
    delivered: int = 0
    parked: int = 0
    is_finished: bool = True


def drain(
    using: str = "default", *, seconds: float | None = None, should_stop: Callable[[], bool] | None = None
) -> Drained:
    """
    Give positions to what is pending in a log, and bring its events to their handlers until nothing is due.

    Any number of processes may do so at once: each subscription is moved by one of them at a time. A handler that fails
    raises nothing here, its event is parked. Makes the subscriptions of handlers that are new.

    Args:
        using: The log's database alias.
        seconds: After which time to end, between two batches; None for no limit.
        should_stop: Asked between batches.

    Raises:
        SequencingError: Inside a transaction.
        EventLogMissingError: The tables are not there.
        Error: A database cannot be reached; what could be done elsewhere is done.
    """
    return _Drain(using, seconds, should_stop or _never).run()


class _Drain:
    def __init__(self, using: str, seconds: float | None, should_stop: Callable[[], bool]) -> None:
        self.using = using
        self.deadline = None if seconds is None else time.monotonic() + seconds
        self.should_stop = should_stop
        self.handlers = {name: each for name, each in get_handlers().items() if each.hears_log(using)}
        self.aliases = tuple(dict.fromkeys(each.alias_for(using) for each in self.handlers.values()))
        self.sequenced = 0
        self.progress = Progress()
        self.error: Error | None = None
        self.unreachable: set[str] = set()

    def run(self) -> Drained:
        self._bear_new()
        is_finished = False
        while not is_finished and not self._is_over():
            sequenced = sequence_once(self.using)
            self.sequenced += sequenced
            # Once more after anything that moved: whoever was turned away meanwhile has left its news to us.
            is_finished = not self._turns() and sequenced < PASS_SIZE
        if self.error is not None:
            raise self.error
        return Drained(
            sequenced=self.sequenced,
            delivered=self.progress.delivered,
            parked=self.progress.parked,
            is_finished=is_finished,
        )

    def _bear_new(self) -> None:
        """Before anything is sequenced: a new handler begins at the head as it stands now."""
        known = {(alias, shard.handler) for alias in self.aliases for shard in self._shards(alias)}
        new = [
            each
            for name, each in self.handlers.items()
            if (alias := each.alias_for(self.using)) not in self.unreachable and (alias, name) not in known
        ]
        if new:
            head, oldest = log_bounds(connections[self.using])
            self._make_last(head)
            bear(new, self.using, head=head, oldest=oldest)

    def _turns(self) -> bool:
        """Let each subscription have its turn, and say whether one moved."""
        head = read_head(connections[self.using])
        self._make_last(head)
        has_moved = False
        for alias in self.aliases:
            shards = self._shards(alias)
            for handler, shard in self._ours(alias, shards):
                if self._is_over():
                    return True
                has_moved |= self._turn(handler, shard, head)
            has_moved |= self._reshard(alias, shards)
        return has_moved

    def _make_last(self, head: int) -> None:
        """Let no cursor in another database get past what a crash may take back; here its own commit comes later."""
        if any(alias != self.using for alias in self.aliases):
            make_last(connections[self.using], head)

    def _turn(self, handler: Handler, shard: Shard, head: int) -> bool:
        try:
            progress = Turn(handler, shard, self.using, head, self._is_over).take()
        except Error as error:
            # The others may live elsewhere.
            logger.warning("%s could not be delivered to: %s", handler.name, error)
            self.error = error
            connections[handler.alias_for(self.using)].close_if_unusable_or_obsolete()
            return False
        except Exception as error:
            # The border: whatever is wrong with one subscription, the others have their turn.
            logger.exception("%s could not be delivered to", handler.name)
            tell_problem(shard, handler.alias_for(self.using), one_line(error))
            return False
        self.progress = Progress(
            self.progress.delivered + progress.delivered, self.progress.parked + progress.parked, progress.moved
        )
        return progress.moved

    def _shards(self, alias: str) -> list[Shard]:
        try:
            return read_shards(alias, self.using)
        except Error as error:
            if alias == self.using:
                raise
            logger.warning("The subscriptions in %r cannot be read: %s", alias, error)
            self.error = error
            self.unreachable.add(alias)
            return []

    def _ours(self, alias: str, shards: list[Shard]) -> Iterator[tuple[Handler, Shard]]:
        for shard in shards:
            handler = self.handlers.get(shard.handler)
            if handler is not None and handler.alias_for(self.using) == alias:
                yield handler, shard

    def _reshard(self, alias: str, shards: list[Shard]) -> bool:
        wanted = {shard.handler for shard in shards if shard.shards_wanted is not None}
        return any(complete_resharding(name, self.using, alias) for name in sorted(wanted))

    def _is_over(self) -> bool:
        return (self.deadline is not None and time.monotonic() >= self.deadline) or self.should_stop()


def _never() -> bool:
    return False
