"""The context of whoever publishes a Celery task, in the message's headers and around the task in the worker."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any, Final

from celery import signals

from django_clean_timestamps.context import timestamp_context
from django_clean_timestamps.context.frame import Frame, current_frame
from django_clean_timestamps.delivery.doorbell import DRAIN, SWEEP
from django_clean_timestamps.delivery.failures import one_line
from django_clean_timestamps.exceptions import InvalidTimestampError

__all__ = ["HEADER", "connect"]

HEADER: Final = "clean_timestamps_context"

LENGTH_AT_MOST: Final = 32_768
"""Headers must fit into one frame of AMQP, 128 KiB, together with everybody else's."""

_TEXTS: Final = ("reason", "actor", "correlation_id")
_UID: Final = "clean_timestamps"
_ENTERED: Final = "_clean_timestamps_context"

logger = logging.getLogger("django_clean_timestamps.context")


def connect() -> None:
    """Hear each task that is published and run. A task that is called eagerly is in its caller's context anyway."""
    signals.before_task_publish.connect(_add_header, dispatch_uid=_UID, weak=False)
    signals.task_prerun.connect(_enter, dispatch_uid=_UID, weak=False)
    signals.task_postrun.connect(_leave, dispatch_uid=_UID, weak=False)


def _add_header(sender: Any, headers: Any, **_: Any) -> None:
    if sender in (DRAIN, SWEEP):
        return
    try:
        if context := _describe(current_frame()):
            headers[HEADER] = _encode(context, sender)
    except Exception as error:  # noqa: BLE001 - the border: a task is published without its context rather than not at all
        logger.warning("Task %s is published without its context: %s", sender, one_line(error))


def _describe(frame: Frame) -> dict[str, Any]:
    """Return what the frame says, without what it does not say."""
    context: dict[str, Any] = {"reason": frame.reason, "correlation_id": frame.correlation_id}
    try:
        context["actor"] = frame.actor_text() or None
    except Exception as error:  # noqa: BLE001 - the project's own callable may raise anything
        logger.warning("A task is published without its actor, whom nobody could tell: %s", one_line(error))
    context["metadata"] = dict(frame.metadata) if frame.metadata else None
    return {key: value for key, value in context.items() if value is not None}


def _encode(context: dict[str, Any], task: Any) -> str:
    """Return the context as text: AMQP's own tables cannot hold every number that JSON can."""
    text = json.dumps(context)
    if len(text) <= LENGTH_AT_MOST:
        return text
    logger.warning("Task %s is published without its context's metadata: %d characters", task, len(text))
    return json.dumps({key: value for key, value in context.items() if key != "metadata"})


def _enter(task: Any, **_: Any) -> None:
    text = getattr(task.request, HEADER, None)
    if text is None:
        return
    try:
        context = _decode(text)
    except (TypeError, ValueError, InvalidTimestampError) as error:
        logger.warning("Task %s came with a context that cannot be read: %s", task.name, one_line(error))
        return
    context.__enter__()
    setattr(task.request, _ENTERED, context)


def _leave(task: Any, **_: Any) -> None:
    context = getattr(task.request, _ENTERED, None)
    if context is not None:
        context.__exit__(None, None, None)


def _decode(text: Any) -> timestamp_context:
    """
    Return the context that a header describes.

    Raises:
        TypeError: It is no text.
        ValueError: It describes none.
        InvalidTimestampError: Its metadata holds what no database can.
    """
    described = json.loads(text)
    if not isinstance(described, Mapping):
        raise TypeError(f"an object is wanted, not {described!r}")
    metadata = described.get("metadata", {})
    texts = {key: described.get(key) for key in _TEXTS}
    if not isinstance(metadata, Mapping) or not all(isinstance(value, str | None) for value in texts.values()):
        raise TypeError(f"reason, actor and correlation_id are texts and metadata an object, not {described!r}")
    return timestamp_context(**metadata, **texts)
