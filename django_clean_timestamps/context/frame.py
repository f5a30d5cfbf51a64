"""What the contexts in force say, as one immutable value per task and thread."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from datetime import datetime
from typing import Any, Final

from django.db.models import Model

__all__ = ["EMPTY_FRAME", "Frame", "current_frame", "enter_frame", "leave_frame"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """
    Everything the contexts in force say, as one immutable value.

    The sets of suspended models are None where nothing is suspended; an empty set stands for all models. ``owner`` is
    the context that put the frame in force, and ``outer`` the frame around it.
    """

    reason: str | None = None
    actor: str | Callable[[], object] | None = None
    correlation_id: str | None = None
    metadata: Mapping[str, Any] | None = None
    moment: datetime | None = None
    untouched: frozenset[type[Model]] | None = None
    preserved: frozenset[type[Model]] | None = None
    eventless: frozenset[type[Model]] | None = None
    owner: object = dataclasses.field(default=None, repr=False, compare=False)
    outer: Frame | None = dataclasses.field(default=None, repr=False, compare=False)

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


def enter_frame(owner: object, change: Callable[[Frame], Frame]) -> None:
    """Put a changed frame in force, until its owner leaves it."""
    outer = _frame.get()
    _frame.set(dataclasses.replace(change(outer), owner=owner, outer=outer))


def leave_frame(owner: object) -> None:
    """
    Put back the frame around the last one that its owner entered in this task and thread.

    What was entered after that and never left (by a generator that was given up) goes with it. Nothing is kept on the
    owner, so that one context object can serve many threads, tasks and recursive calls at once.
    """
    frame: Frame | None = _frame.get()
    while frame is not None and frame.owner is not owner:
        frame = frame.outer
    if frame is not None and frame.outer is not None:
        _frame.set(frame.outer)


def _covers(models: frozenset[type[Model]], model: type[Model]) -> bool:
    """A class stands for itself, its proxies and its subclasses; no class at all stands for every model."""
    if not models:
        return True
    concrete = model._meta.concrete_model or model
    return any(issubclass(model, named) or issubclass(concrete, named) for named in models)
