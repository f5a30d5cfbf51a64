"""What a page asks for while it is looked at: its figures alone, where they are newer."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Final

from django.http import HttpRequest, HttpResponse, HttpResponseNotModified
from django.utils import timezone
from django.utils.cache import get_conditional_response, patch_vary_headers
from django.utils.translation import get_language

from django_clean_timestamps.admin.dashboard.asked import MANAGE_ALERTS, MANAGE_DELIVERIES, Asked
from django_clean_timestamps.admin.dashboard.parked import read_groups
from django_clean_timestamps.admin.delivery_links import may_see_parked, may_see_subscriptions

__all__ = ["FRAGMENT", "MARKER", "etag_of", "mark", "unchanged"]

FRAGMENT: Final = "fragment"
"""The parameter of an address that asks for the figures alone."""

MARKER: Final = "X-Clean-Timestamps-Fragment"
"""The header by which they are told from the page of a login or of an error."""


def etag_of(asked: Asked, page: str) -> str:
    """
    Return what names the figures as they are: another one wherever any of them could be another.

    By what they are made from, so that they need not be made to be compared. What people change between two samples is
    read for it, once: where the page is made after all, it takes that over.
    """
    request, freshness = asked.request, asked.freshness
    read_changed = _CHANGED_BY_PEOPLE.get(page)
    age = int(freshness.age_seconds or 0)
    parts = (
        page,
        freshness.sampled_at,
        freshness.evaluated_at,
        read_changed and read_changed(asked),
        # Of a silent collector the age is news, once a minute.
        age // 60 if age >= 60 else 0,
        # Without the end of a range that moves with the clock.
        sorted(asked.filters.as_query().items()),
        sorted(request.GET.items()),
        str(asked.problem),
        sorted(asked.labels) if asked.labels is not None else None,
        [request.user.has_perm(name) for name in (MANAGE_ALERTS, MANAGE_DELIVERIES)],
        request.user.pk,
        get_language(),
        timezone.get_current_timezone_name(),
        asked.site.name,
    )
    return f'"{hashlib.sha256(repr(parts).encode()).hexdigest()[:32]}"'


def unchanged(request: HttpRequest, etag: str) -> HttpResponse | None:
    """Return the answer to who has these figures already, None to who has not."""
    found = get_conditional_response(request, etag=etag)
    return found if isinstance(found, HttpResponseNotModified) else None


def mark(response: HttpResponse, page: str, etag: str) -> None:
    """Let the answer be known as the figures of a page, and by their name."""
    response[MARKER] = page
    response["ETag"] = etag
    patch_vary_headers(response, ("Cookie", "Accept-Language"))


def _alerts(asked: Asked) -> object:
    # All of each: whether a silence holds, what sinks were told, and how bad it is.
    return asked.alerts


def _parked(asked: Asked) -> object:
    seen = [may_see(asked.site, asked.request) for may_see in (may_see_subscriptions, may_see_parked)]
    groups = asked.once(read_groups) if seen[-1] else []
    return seen, [(each.database, each.handler, each.state, each.count) for each in groups]


_CHANGED_BY_PEOPLE: Final[Mapping[str, Callable[[Asked], object]]] = {
    "overview": _alerts,
    "alerts": _alerts,
    "deliveries": _parked,
}
"""What else is shown, by page, that silences, retries and skips change before the next sample is taken."""
