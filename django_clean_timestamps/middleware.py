"""Telling the writes of a request who makes them and which trace they belong to."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, Final, cast

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import FileResponse, HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase

from django_clean_timestamps.context import timestamp_context

__all__ = ["TimestampContextMiddleware"]

_TRACEPARENT: Final = re.compile(
    r"(?P<version>[0-9a-f]{2})-(?P<trace_id>[0-9a-f]{32})-(?P<parent_id>[0-9a-f]{16})-[0-9a-f]{2}(?P<rest>-.*)?"
)
_CORRELATION_ID_LENGTH: Final = 64


class TimestampContextMiddleware:
    """
    Runs each request inside ``timestamp_context()``, a streaming response too; sync and async.

    The actor is the key of the request's user as text, asked once an event needs it, so that a request that writes
    nothing loads no user; nobody where the user is anonymous. The correlation id is the trace id of a valid
    ``traceparent``, else ``X-Request-ID``, cut to 64 printable characters.

    May stand anywhere in ``MIDDLEWARE``; writes of middleware above it are not covered.
    """

    sync_capable = True
    async_capable = True

    def __init__(
        self,
        get_response: Callable[[HttpRequest], HttpResponseBase] | Callable[[HttpRequest], Awaitable[HttpResponseBase]],
    ) -> None:
        self.get_response = get_response
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        """Return the response."""
        context = timestamp_context(
            actor=lambda: _user_key(request), correlation_id=_trace_id(request) or _request_id(request)
        )
        if self._is_async:
            return self._respond(request, context)
        with context:
            response = cast("HttpResponseBase", self.get_response(request))
        return _stream_inside(context, response)

    async def _respond(self, request: HttpRequest, context: timestamp_context) -> HttpResponseBase:
        with context:
            response = await cast("Awaitable[HttpResponseBase]", self.get_response(request))
        return _stream_inside(context, response)


def _user_key(request: HttpRequest) -> str | None:
    user: Any = getattr(request, "user", None)
    return None if user is None or not user.is_authenticated else str(user.pk)


def _trace_id(request: HttpRequest) -> str | None:
    """
    Return the trace id of a valid ``traceparent`` header.

    Source:
        W3C Recommendation "Trace Context", section 3.2.
    """
    match = _TRACEPARENT.fullmatch(request.headers.get("traceparent", ""))
    if match is None or match["version"] == "ff" or (match["version"] == "00" and match["rest"]):
        return None
    if not match["trace_id"].strip("0") or not match["parent_id"].strip("0"):
        return None
    return match["trace_id"]


def _request_id(request: HttpRequest) -> str | None:
    given = request.headers.get("X-Request-ID", "")
    printable = "".join(character for character in given if character.isprintable())
    return printable.strip()[:_CORRELATION_ID_LENGTH] or None


def _stream_inside(context: timestamp_context, response: HttpResponseBase) -> HttpResponseBase:
    """Let what a streaming response does while it is read happen inside the context as well."""
    # A file writes nothing while it is read, and wrapped it could no longer be handed to the server as a file.
    if not isinstance(response, StreamingHttpResponse) or isinstance(response, FileResponse):
        return response
    content: Any = response.streaming_content

    @context
    def parts() -> Iterator[bytes]:
        yield from content

    @context
    async def parts_async() -> AsyncIterator[bytes]:
        async for part in content:
            yield part

    response.streaming_content = parts_async() if response.is_async else parts()
    return response
