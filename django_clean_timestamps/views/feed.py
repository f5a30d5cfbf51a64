"""The feed as JSON, for other systems."""

from __future__ import annotations

from typing import Any

from django.db import connections
from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase

from django_clean_timestamps.conf import get_settings
from django_clean_timestamps.eventlog.feed import changed_since, labels_of
from django_clean_timestamps.exceptions import BadCursor, CursorExpired, EventLogMissingError
from django_clean_timestamps.views.access import bearer_token, is_among, permitted_labels
from django_clean_timestamps.views.answers import Refusal, answer
from django_clean_timestamps.views.machine import machine_view

__all__ = ["changes"]


@machine_view
def changes(request: HttpRequest) -> HttpResponseBase:
    """
    Return a page of the feed.

    ``GET ?cursor=…&model=app.model&model=…&limit=…&database=…`` answers ``{"changes": […], "cursor": "…",
    "has_more": …}`` as :func:`~django_clean_timestamps.eventlog.changed_since` does, each change as the event's
    ``to_dict()``. A session sees the models that its user has ``view`` on, the bearer of one of ``FEED_TOKENS`` all.
    Errors are ``{"error": code, "detail": text}``.
    """
    try:
        return _page(request)
    except BadCursor as error:
        return Refusal(400, "bad_cursor", str(error)).as_response()
    except CursorExpired as error:
        return Refusal(410, "cursor_expired", str(error)).as_response()
    except EventLogMissingError as error:
        return Refusal(503, "no_event_log", str(error)).as_response()


def _page(request: HttpRequest) -> JsonResponse:
    labels = _labels(request, _permitted(request))
    try:
        page = changed_since(
            request.GET.get("cursor") or None, models=labels, limit=_limit(request), using=_database(request)
        )
    except BadCursor:
        raise
    except ValueError as error:
        raise Refusal(400, "bad_request", str(error)) from error
    return answer(
        {"changes": [event.to_dict() for event in page.changes], "cursor": page.cursor, "has_more": page.has_more}
    )


def _permitted(request: HttpRequest) -> tuple[str, ...] | None:
    token = bearer_token(request)
    if token is None:
        return permitted_labels(request)
    if not is_among(token, get_settings().feed_tokens):
        raise Refusal(401, "bad_token", "The bearer token is none of CLEAN_TIMESTAMPS['FEED_TOKENS']")
    return None


def _labels(request: HttpRequest, permitted: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """Return the models asked for, of those that may be seen; all of those where none is named."""
    named = request.GET.getlist("model")
    if not named:
        return permitted
    try:
        labels = labels_of(named)
    except ValueError as error:
        raise Refusal(400, "bad_model", str(error)) from error
    if permitted is not None and (hidden := [label for label in labels if label not in permitted]):
        raise Refusal(403, "not_permitted", f"The user has no 'view' permission on {', '.join(hidden)}")
    return labels


def _limit(request: HttpRequest) -> int:
    text: Any = request.GET.get("limit", "500")
    if not text.isascii() or not text.isdigit() or len(text) > 6:
        raise Refusal(400, "bad_limit", f"limit is {text[:60]!r}; a whole number is wanted")
    return int(text)


def _database(request: HttpRequest) -> str | None:
    alias = request.GET.get("database") or None
    if alias is not None and alias not in connections:
        raise Refusal(400, "bad_database", f"There is no database {alias[:60]!r} here")
    return alias
