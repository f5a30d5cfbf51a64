"""The activity: the newest changes, and the feed itself to follow what comes after them."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from django_clean_timestamps.eventlog import changed_since
from django_clean_timestamps.exceptions import BadCursor, CursorExpired
from tracker.activity import ACTIVITY_MODELS, ACTIVITY_NAMES, follow_activity
from tracker.models import ActivityEntry

PAGE_LENGTH = 25
# A page catches up with this many changes itself, in a fraction of a second; the command with any number.
PAGES_FOLLOWED = 4


@require_safe
def newer_activity(request: HttpRequest) -> HttpResponse:
    """
    Return the changes that came after ``?cursor=``, straight from the feed; from its beginning without one.

    The feed keeps nothing about its readers: where somebody is, stands in the address.
    """
    chosen = _chosen_models(request)
    try:
        page = changed_since(request.GET.get("cursor") or None, models=chosen, limit=PAGE_LENGTH)
    except CursorExpired:
        messages.warning(request, _("What came after that was deleted from the log. Here is the newest."))
        return redirect("tracker:activity")
    except BadCursor:
        messages.warning(request, _("That address is not one that this site gave out. Here is the newest."))
        return redirect("tracker:activity")
    context = {"changes": page.changes[::-1], "cursor": page.cursor, "has_more": page.has_more, "is_newer": True}
    return render(request, "tracker/activity.html", context | _filter_context(request))


@require_safe
def activity(request: HttpRequest) -> HttpResponse:
    """Return the newest changes, of ``?model=`` or of all; with ``?before=`` those before a position."""
    followed = follow_activity(max_pages=PAGES_FOLLOWED)
    entries = ActivityEntry.objects.filter(entity_type__in=_chosen_models(request))
    before = request.GET.get("before", "")
    if before.isascii() and before.isdecimal() and len(before) < 19:
        entries = entries.filter(position__lt=int(before))
    found = list(entries[: PAGE_LENGTH + 1])
    context = {
        "changes": found[:PAGE_LENGTH],
        "cursor": followed.cursor,
        "is_behind": followed.has_more,
        "is_older": bool(before),
        "before": found[PAGE_LENGTH - 1].position if len(found) > PAGE_LENGTH else None,
    }
    return render(request, "tracker/activity.html", context | _filter_context(request))


def _chosen_models(request: HttpRequest) -> tuple[str, ...]:
    model = request.GET.get("model", "")
    return (model,) if model in ACTIVITY_MODELS else ACTIVITY_MODELS


def _filter_context(request: HttpRequest) -> dict[str, Any]:
    model = request.GET.get("model", "")
    return {"models": [("", _("All")), *ACTIVITY_NAMES.items()], "model": model if model in ACTIVITY_MODELS else ""}
