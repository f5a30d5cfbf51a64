"""Whether this process lives and can serve, and how stamping, delivery and metrics stand."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils import translation

from django_clean_timestamps.metrics.health.readiness import READINESS, Word
from django_clean_timestamps.metrics.health.reading import read_health
from django_clean_timestamps.metrics.health.values import Level
from django_clean_timestamps.views.answers import answer
from django_clean_timestamps.views.machine import admit_to_metrics, machine_view

__all__ = ["health", "live", "ready"]

PLAIN = "text/plain; charset=utf-8"


@machine_view
def live(request: HttpRequest) -> HttpResponseBase:
    """Return that this process answers. Asks nobody."""
    return HttpResponse("live", content_type=PLAIN)


@machine_view
def ready(request: HttpRequest) -> HttpResponseBase:
    """
    Return in a word whether this process can serve: 200 ``ready``, else 503 and why not.

    ``stopping`` where the shutdown has begun, ``unreachable`` where the default database does not answer within a
    second, ``unmigrated`` where it lacks migrations of this package.
    """
    word = READINESS.ask()
    return HttpResponse(word, content_type=PLAIN, status=200 if word is Word.READY else 503)


@machine_view
def health(request: HttpRequest) -> HttpResponseBase:
    """
    Return what all checks found, in English: 200 where that is ok or a warning, 503 where it is critical or unknown.

    For the bearers of ``API_TOKENS``, and for users with ``clean_timestamps.view_metrics``. What errors say is left
    out.
    """
    admit_to_metrics(request)
    with translation.override("en"):
        found = read_health()
    is_well = found.level in (Level.OK, Level.WARNING)
    return answer(found.to_dict(), status=200 if is_well else 503)
