"""Which handlers there are, and the decorator that makes one."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, Final, Literal, TypeVar

from django.apps import apps
from django.db import connections
from django.db.models import Model
from django.utils.module_loading import autodiscover_modules

from django_clean_timestamps.delivery.handlers import Handler, OnDead
from django_clean_timestamps.delivery.models import HANDLER_LENGTH
from django_clean_timestamps.eventlog import feed
from django_clean_timestamps.events import TimestampEvent
from django_clean_timestamps.exceptions import HandlerError

__all__ = ["MODULE_NAME", "autodiscover", "get_handlers", "has_handlers", "on_timestamp", "only_handlers"]

MODULE_NAME: Final = "timestamp_handlers"
SHARDS_AT_MOST: Final = 256
ATTEMPTS_AT_MOST: Final = 32_767

FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])
Sender = type[Model] | str | Sequence[type[Model] | str]

_handlers: dict[str, Handler] = {}


def on_timestamp(
    *event_types: type[TimestampEvent],
    sender: Sender | None = None,
    name: str | None = None,
    atomic: bool = True,
    batch: bool = False,
    coalesce: bool = False,
    shards: int = 1,
    using: str | None = None,
    lease_seconds: float | None = None,
    max_attempts: int | None = None,
    on_dead: OnDead = "skip",
    replay: Literal["all"] | None = None,
    send: bool = False,
) -> Callable[[FunctionT], FunctionT]:
    """
    Subscribe a function, or a Celery task, to the events of the log.

    Put it into ``timestamp_handlers.py`` of an installed app, where it is found. It runs later, in a worker or in
    ``timestamps_relay``: each entity's events in order, and with ``atomic`` their effects in the database exactly once.
    The function may run more than once for that; only the last time commits.

    Args:
        *event_types: The types to hear; none for all.
        sender: The models to hear: a class, a label (also of a model that is gone), or several; None for all.
        name: What the subscription goes by, at most 150 characters; ``app_label.function`` by default. Under another
            name it is another handler, see ``timestamps_rename``.
        atomic: Whether the cursor moves in the transaction of the effects. Without, each event is handled outside a
            transaction, at least once, with ``event.event_id`` as idempotency key.
        batch: Give it a list of events.
        coalesce: Of each entity's events in a batch give it the last alone.
        shards: How many workers may run it at once, each for its own entities, from 1 to 256. Counts when the
            subscription is born; later see ``timestamps_reshard``.
        using: The database alias that it writes to; by default that of the log.
        lease_seconds: How long one worker may take over one batch, or over one event; ``LEASE_SECONDS`` by default.
        max_attempts: How often an event is tried before it is dead; ``MAX_ATTEMPTS`` by default.
        on_dead: ``"skip"`` lets the entity's later events go on after a dead one, ``"block"`` holds them.
        replay: ``"all"`` begins at the oldest event that is retained, instead of with what comes.
        send: Publish the Celery task to its own queue instead of calling it here: at least once, in order.

    Raises:
        HandlerError: A value cannot be used, the name is taken, or it is no function.

    Example:
        ::

            @on_timestamp(TimestampUpdatedEvent, sender=Task)
            def refresh_statistics(event):
                Statistics.objects.filter(task_id=event.entity_id).update(is_stale=True)
    """

    def register(function: FunctionT) -> FunctionT:
        task = function if hasattr(function, "apply_async") else None
        chosen = _name_of(function) if name is None else name
        _refuse_function(chosen, function, task)
        handler = Handler(
            name=chosen,
            function=function,
            task=task,
            event_types=event_types,
            labels=None if sender is None else _labels_of(chosen, sender),
            atomic=atomic,
            batch=batch,
            coalesce=coalesce,
            shards=shards,
            using=using,
            lease_seconds=lease_seconds,
            max_attempts=max_attempts,
            on_dead=on_dead,
            replay=replay,
            send=send,
        )
        _refuse_values(handler)
        _refuse_taken(handler)
        _handlers[chosen] = handler
        return function

    return register


def get_handlers() -> Mapping[str, Handler]:
    """Return the handlers by name, as they are at this moment and later."""
    return MappingProxyType(_handlers)


def has_handlers() -> bool:
    """Say whether there is any."""
    return bool(_handlers)


def autodiscover() -> None:
    """Import ``timestamp_handlers`` of every installed app that has one."""
    autodiscover_modules(MODULE_NAME)


@contextmanager
def only_handlers(*names: str) -> Iterator[None]:
    """Let there be only these handlers, and those that the block makes, until it ends."""
    before = dict(_handlers)
    _handlers.clear()
    _handlers.update({name: before[name] for name in names})
    try:
        yield
    finally:
        _handlers.clear()
        _handlers.update(before)


def _name_of(function: Any) -> str:
    module = getattr(function, "__module__", None) or ""
    app = apps.get_containing_app_config(module)
    return f"{app.label if app else module.partition('.')[0]}.{getattr(function, '__name__', '')}"


def _labels_of(name: str, sender: Sender) -> tuple[str, ...]:
    models = [sender] if isinstance(sender, str | type) else sender
    try:
        return feed.labels_of(list(models))
    except (TypeError, ValueError) as error:
        raise HandlerError(f"{name}: sender is {sender!r}; {error}") from error


def _refuse_function(name: str, function: Any, task: Any) -> None:
    if not callable(function):
        raise HandlerError(f"{name}: {function!r} cannot be called; on_timestamp() stands above a function or a task")
    run = function.run if task is not None else function
    if inspect.iscoroutinefunction(run):
        raise HandlerError(f"{name} is a coroutine function; handlers are called without a loop: use async_to_sync()")
    if not name or len(name) > HANDLER_LENGTH:
        raise HandlerError(f"The name {name!r} has {len(name)} characters; 1 to {HANDLER_LENGTH} are wanted")


def _refuse_values(handler: Handler) -> None:
    for problem in _problems(handler):
        raise HandlerError(f"{handler.name}: {problem}")


def _problems(handler: Handler) -> Iterator[str]:
    for kind in handler.event_types:
        if not (isinstance(kind, type) and issubclass(kind, TimestampEvent)):
            yield f"{kind!r} is no type of event; write on_timestamp(TimestampUpdatedEvent), with brackets"
    if handler.labels == ():
        yield "sender names no model; leave it out to hear all"
    if handler.using is not None and handler.using not in connections:
        yield f"using is {handler.using!r}; DATABASES has {', '.join(connections)}"
    for name, is_good, wanted in (
        ("shards", _is_whole(handler.shards, 1, SHARDS_AT_MOST), f"a whole number from 1 to {SHARDS_AT_MOST}"),
        ("lease_seconds", _is_positive(handler.lease_seconds), "a number of seconds above 0"),
        (
            "max_attempts",
            _is_whole(1 if handler.max_attempts is None else handler.max_attempts, 1, ATTEMPTS_AT_MOST),
            "a whole number of 1 or more",
        ),
        ("on_dead", handler.on_dead in ("skip", "block"), "'skip' or 'block'"),
        ("replay", handler.replay in (None, "all"), "'all' or None"),
    ):
        if not is_good:
            yield f"{name} is {getattr(handler, name)!r}; {wanted} is wanted"
    if handler.send and handler.task is None:
        yield "send=True is for Celery tasks; put on_timestamp() above @shared_task"
    if handler.send and handler.batch:
        yield "send=True publishes one task for each event; it cannot be had with batch=True"


def _refuse_taken(handler: Handler) -> None:
    """The same function again is a module that was imported twice."""
    other = _handlers.get(handler.name)
    if other is not None and _place_of(other.function) != _place_of(handler.function):
        raise HandlerError(
            f"{_place_of(handler.function)} and {_place_of(other.function)} both go by {handler.name!r}; give one "
            "another name="
        )


def _place_of(function: Any) -> str:
    return f"{getattr(function, '__module__', '')}.{getattr(function, '__qualname__', repr(function))}"


def _is_whole(value: object, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _is_positive(value: object) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value is None or (is_number and 0 < value < float("inf"))  # type: ignore[operator]
