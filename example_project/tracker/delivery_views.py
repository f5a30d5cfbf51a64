"""How far the handlers have come: for people to watch, while there is something to deliver."""

from django.db import DEFAULT_DB_ALIAS
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from django_clean_timestamps.delivery.registry import get_handlers
from django_clean_timestamps.delivery.status import read_subscriptions
from django_clean_timestamps.eventlog.status import read_status


@never_cache
@require_safe
def delivery(request: HttpRequest) -> HttpResponse:
    """Return the page of all handlers, with how far each has come in the log; changes nothing."""
    log = read_status(DEFAULT_DB_ALIAS)
    subscriptions = read_subscriptions(DEFAULT_DB_ALIAS, [DEFAULT_DB_ALIAS])
    context = {
        "log": log,
        "rows": [
            # The log goes on while it is read.
            {"subscription": each, "end": each.cursor + each.lag_count}
            for each in subscriptions
        ],
        "unknown": sorted(get_handlers().keys() - {each.handler for each in subscriptions}),
        "is_behind": bool(log.pending_count) or any(each.lag_count for each in subscriptions),
    }
    return render(request, "tracker/delivery.html", context)
