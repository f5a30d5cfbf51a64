"""The context managers and decorators that change the frame."""

from __future__ import annotations

import dataclasses
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType, TracebackType
from typing import Any, Self, TypeVar

from django.db.models import Model
from django.utils.functional import Promise

from django_clean_timestamps.context.covering import cover
from django_clean_timestamps.context.frame import Frame, enter_frame, leave_frame
from django_clean_timestamps.exceptions import InvalidTimestampError

__all__ = ["no_touching", "preserve_timestamps", "stamped_at", "timestamp_context", "without_events"]

FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])


class _Context(ABC):
    """A change of the frame, entered and left as often as wanted."""

    __slots__ = ()

    @abstractmethod
    def _change(self, frame: Frame) -> Frame: ...

    def __enter__(self) -> Self:
        enter_frame(self, self._change)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        leave_frame(self)

    def __call__(self, function: FunctionT) -> FunctionT:
        return cover(function, self)


class timestamp_context(_Context):  # noqa: N801 - used as a verb
    """
    Give the writes inside a reason, an actor, a correlation id and metadata.

    Nested contexts add up, the inner one winning key by key. What is None is left as the outer context has it.

    Args:
        reason: Why, at most 200 characters.
        actor: Who, at most 150 characters, or a callable that returns it, asked once an event needs it.
        correlation_id: What the events belong to (a trace, a request), at most 64 characters.
        metadata: Anything else; values must be what JSON can hold.

    Raises:
        InvalidTimestampError: At once, when a value of ``metadata`` is none that JSON can hold; at the write, when a
            text is longer than its column.
    """

    __slots__ = ("_actor", "_correlation_id", "_metadata", "_reason")

    def __init__(
        self,
        *,
        reason: str | Promise | None = None,
        actor: object = None,
        correlation_id: object = None,
        **metadata: Any,
    ) -> None:
        self._reason = None if reason is None else str(reason)
        self._actor = actor if actor is None or callable(actor) else str(actor)
        self._correlation_id = None if correlation_id is None else str(correlation_id)
        self._metadata = metadata
        if metadata:
            _check_json(metadata)

    def _change(self, frame: Frame) -> Frame:
        return dataclasses.replace(
            frame,
            reason=frame.reason if self._reason is None else self._reason,
            actor=frame.actor if self._actor is None else self._actor,
            correlation_id=frame.correlation_id if self._correlation_id is None else self._correlation_id,
            metadata=self._joined(frame.metadata),
        )

    def _joined(self, outer: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
        return MappingProxyType({**(outer or {}), **self._metadata}) if self._metadata else outer


def _check_json(metadata: Mapping[str, Any]) -> None:
    """Refuse here what would only fail when the events are written, just before COMMIT."""
    for key, value in metadata.items():
        try:
            # Encoded, since half a character is text to Python alone.
            text = json.dumps({key: value}, allow_nan=False, ensure_ascii=False)
            text.encode()
        except (TypeError, ValueError, RecursionError) as error:
            raise InvalidTimestampError(
                f"timestamp_context({key}={value!r}): JSON cannot hold it ({error}); give it as text or a number",
                code="metadata_is_json",
            ) from error
        if _holds_nul(value) or _holds_nul(key):
            raise InvalidTimestampError(
                f"timestamp_context({key}={value!r}) holds the character NUL, which PostgreSQL cannot store; remove it",
                code="metadata_is_json",
            )


def _holds_nul(value: Any) -> bool:
    """Look through a value that JSON can hold."""
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any(_holds_nul(part) for pair in value.items() for part in pair)
    return isinstance(value, list | tuple) and any(map(_holds_nul, value))


class stamped_at(_Context):  # noqa: N801 - used as a verb
    """
    Stamp every write inside with the given moment, exactly, for replays and imports.

    Args:
        when: An aware datetime. Checked by the rules at each write, as any given time.
    """

    __slots__ = ("_when",)

    def __init__(self, when: datetime) -> None:
        if not isinstance(when, datetime):
            raise TypeError(f"stamped_at() takes an aware datetime, not {when!r}")
        self._when = when

    def _change(self, frame: Frame) -> Frame:
        return dataclasses.replace(frame, moment=self._when)


class _Suspension(_Context):
    """Suspends something for some models, or for all of them where none is named."""

    __slots__ = ("_models",)

    def __init__(self, *models: type[Model]) -> None:
        for model in models:
            if not (isinstance(model, type) and issubclass(model, Model)):
                raise TypeError(f"{type(self).__name__}() takes model classes, not {model!r}")
        self._models = frozenset(models)

    def _widen(self, suspended: frozenset[type[Model]] | None) -> frozenset[type[Model]]:
        if suspended is None:
            return self._models
        return suspended | self._models if suspended and self._models else frozenset()


class no_touching(_Suspension):  # noqa: N801 - used as a verb
    """Let ``touch()``, ``QuerySet.touch()`` and being touched as a parent do nothing for these models."""

    __slots__ = ()

    def _change(self, frame: Frame) -> Frame:
        return dataclasses.replace(frame, untouched=self._widen(frame.untouched))


class preserve_timestamps(_Suspension):  # noqa: N801 - used as a verb
    """
    Take no stamp from the clock for these models; write the given ones, ``created_at`` too.

    This is the way to correct a ``created_at``. An insert fills what is missing. Events are recorded as ever.
    """

    __slots__ = ()

    def _change(self, frame: Frame) -> Frame:
        return dataclasses.replace(frame, preserved=self._widen(frame.preserved))


class without_events(_Suspension):  # noqa: N801 - used as a verb
    """Raise no events and send no signals for these models; stamps and touches go on."""

    __slots__ = ()

    def _change(self, frame: Frame) -> Frame:
        return dataclasses.replace(frame, eventless=self._widen(frame.eventless))
