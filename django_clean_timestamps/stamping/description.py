"""Why, by whom and as part of what a write happens: the texts that its events carry."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django_clean_timestamps.context.frame import EMPTY_FRAME, Frame
from django_clean_timestamps.events.types import NO_METADATA
from django_clean_timestamps.events.validation import Proposal, rules_in_force, validate

__all__ = ["Description", "describe"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """
    The texts of one write's events.

    Attributes:
        reason: The one that was passed or the context's; ``""`` where the default of the kind of write applies.
    """

    frame: Frame
    reason: str = ""
    actor: str = ""
    correlation_id: str = ""
    metadata: Mapping[str, Any] = dataclasses.field(default_factory=lambda: NO_METADATA)


_NOTHING = Description(frame=EMPTY_FRAME)


def describe(
    frame: Frame,
    subject: str,
    *,
    reason: object = None,
    created_at: datetime | None = None,
    updated_at: datetime | None = None,
    given: tuple[tuple[str, datetime], ...] = (),
) -> Description:
    """
    Check a write against the rules and return what its events say.

    Args:
        frame: The contexts in force.
        subject: What an error names.
        reason: The reason that was passed; it wins over the context's.
        created_at: The row's ``created_at`` as far as it is known.
        updated_at: Its new ``updated_at`` where that was given.
        given: Every time that was given, by name.

    Raises:
        InvalidTimestampError: A rule is broken.
    """
    if frame is EMPTY_FRAME and reason is None and not given and not rules_in_force(times=False, texts=False):
        return _NOTHING
    if frame is EMPTY_FRAME:
        description = _NOTHING if reason is None else Description(frame=frame, reason=str(reason))
    else:
        description = Description(
            frame=frame,
            reason=str(reason) if reason is not None else frame.reason or "",
            actor=frame.actor_text(),
            correlation_id=frame.correlation_id or "",
            metadata=NO_METADATA if frame.metadata is None else frame.metadata,
        )
    validate(
        Proposal(
            subject=subject,
            created_at=created_at,
            updated_at=updated_at,
            given=given,
            reason=description.reason,
            actor=description.actor,
            correlation_id=description.correlation_id,
        )
    )
    return description
