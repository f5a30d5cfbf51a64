"""What a handler is: a function or a Celery task, and how it wants its events."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, Literal

from django.apps import apps
from django.db import router

from django_clean_timestamps.conf import get_settings
from django_clean_timestamps.eventlog.encoding import KINDS
from django_clean_timestamps.events import TimestampEvent

__all__ = ["Handler", "OnDead"]

OnDead = Literal["skip", "block"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Handler:
    """
    A function or Celery task that is subscribed to events, see :func:`~.registry.on_timestamp`.

    Attributes:
        name: What its subscriptions go by, ``app_label.function`` unless given.
        function: What is called: with an event, or with a list of them where ``batch``.
        task: The Celery task that it is, if it is one.
        event_types: The types that it hears, empty for all.
        labels: The entity types that it hears, None for all.
        atomic: Whether its effects and its cursor commit together.
        batch: Whether it takes a list.
        coalesce: Whether of each entity's events in a batch it hears the last alone.
        shards: Into how many ranges of slots its subscription is born.
        using: The database that it writes to, None for that of the log.
        lease_seconds: How long a worker may have it, None for ``LEASE_SECONDS``.
        max_attempts: How often an event is tried, None for ``MAX_ATTEMPTS``.
        on_dead: Whether a dead event lets its followers go.
        replay: ``"all"`` where it begins at the oldest event that is retained, None where it begins at the head.
        send: Whether the task is published to its own queue rather than called.
    """

    name: str
    function: Callable[..., Any]
    task: Any = None
    event_types: tuple[type[TimestampEvent], ...] = ()
    labels: tuple[str, ...] | None = None
    atomic: bool = True
    batch: bool = False
    coalesce: bool = False
    shards: int = 1
    using: str | None = None
    lease_seconds: float | None = None
    max_attempts: int | None = None
    on_dead: OnDead = "skip"
    replay: Literal["all"] | None = None
    send: bool = False

    @property
    def kinds(self) -> tuple[int, ...]:
        """The numbers of its event types in the log, empty for all."""
        return tuple(sorted(number for kind, number in KINDS.items() if issubclass(kind, self.event_types)))

    @property
    def is_filtered(self) -> bool:
        """Whether it hears less than all events of its slots."""
        return bool(self.event_types) or self.labels is not None

    @property
    def lease_length(self) -> float:
        """How long a worker may have one of its subscriptions, in seconds."""
        return self.lease_seconds or get_settings().lease_seconds

    @property
    def attempts_allowed(self) -> int:
        """How often an event is tried before it is dead."""
        return self.max_attempts or get_settings().max_attempts

    def alias_for(self, log_alias: str) -> str:
        """Return the database that its subscription to a log lives in: the one that it writes to."""
        return self.using or log_alias

    def hears(self, event: TimestampEvent) -> bool:
        """Say whether it is subscribed to an event of this type and entity."""
        is_of_type = not self.event_types or isinstance(event, self.event_types)
        return is_of_type and (self.labels is None or event.entity_type in self.labels)

    def hears_log(self, log_alias: str) -> bool:
        """Say whether what it hears can be in a log: a model that is gone can be in any."""
        return self.labels is None or any(_can_be_in(label, log_alias) for label in self.labels)


def _can_be_in(label: str, log_alias: str) -> bool:
    try:
        model = apps.get_model(label)
    except (LookupError, ValueError):
        return True
    return router.allow_migrate_model(log_alias, model)
