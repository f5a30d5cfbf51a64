"""What the contexts in force say, as one immutable value per task and thread."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from contextvars import ContextVar, Token
from datetime import datetime
from typing import Any, Final

from django.db.models import Model

__all__ = ["EMPTY_FRAME", "Frame", "current_frame", "enter_frame", "leave_frame"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """
    Everything the contexts in force say, as one immutable value.

    The sets of suspended models are None where nothing is suspended; an empty set stands for all models.
    """

    reason: str | None = None
    actor: str | Callable[[], object] | None = None
    correlation_id: str | None = None
    metadata: Mapping[str, Any] | None = None
    moment: datetime | None = None
    untouched: frozenset[type[Model]] | None = None
    preserved: frozenset[type[Model]] | None = None
    eventless: frozenset[type[Model]] | None = None

    def actor_text(self) -> str:
        """Return the actor as text, asking for it only now where it was given as a callable; "" for none."""
        actor = self.actor() if callable(self.actor) else self.actor
        return "" if actor is None else str(actor)

    def touches_suspended(self, model: type[Model]) -> bool:
        """Say whether ``no_touching`` covers the model."""
        return self.untouched is not None and _covers(self.untouched, model)

    def stamps_preserved(self, model: type[Model]) -> bool:
        """Say whether ``preserve_timestamps`` covers the model."""
        return self.preserved is not None and _covers(self.preserved, model)

    def events_suspended(self, model: type[Model]) -> bool:
        """Say whether ``without_events`` covers the model."""
        return self.eventless is not None and _covers(self.eventless, model)


EMPTY_FRAME: Final = Frame()

_frame: ContextVar[Frame] = ContextVar("clean_timestamps_frame", default=EMPTY_FRAME)

current_frame: Final = _frame.get
"""Return the frame in force in this task and thread."""


def enter_frame(frame: Frame) -> Token[Frame]:
    """Put a frame in force; give the token to :func:`leave_frame` afterwards."""
    return _frame.set(frame)


def leave_frame(token: Token[Frame]) -> None:
    """Put back the frame that was in force before."""
    _frame.reset(token)


def _covers(models: frozenset[type[Model]], model: type[Model]) -> bool:
    """A class stands for itself, its proxies and its subclasses; no class at all stands for every model."""
    if not models:
        return True
    concrete = model._meta.concrete_model or model
    return any(issubclass(model, named) or issubclass(concrete, named) for named in models)
