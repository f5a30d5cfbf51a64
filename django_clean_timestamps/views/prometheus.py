"""The figures for Prometheus."""

from __future__ import annotations

import gzip

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers

from django_clean_timestamps.conf import get_settings
from django_clean_timestamps.metrics.exporters.extras import ExtraMissing
from django_clean_timestamps.metrics.exporters.snapshot import read_snapshot
from django_clean_timestamps.views.answers import Refusal
from django_clean_timestamps.views.figures import refusing_failures
from django_clean_timestamps.views.machine import admit_to_metrics, machine_view

__all__ = ["metrics"]


@machine_view
def metrics(request: HttpRequest) -> HttpResponseBase:
    """
    Return all figures as Prometheus scrapes them: the same from every process.

    In the format of OpenMetrics where ``Accept`` asks for it, compressed where ``Accept-Encoding`` does. For the bearer
    of one of ``API_TOKENS`` and users with ``view_metrics``. Errors are ``{"error": code, "detail": text}``: 503 where
    the figures cannot be read, 501 without prometheus_client.
    """
    admit_to_metrics(request)
    try:
        from django_clean_timestamps.metrics.exporters.prometheus import exposition, gzip_accepted
    except ExtraMissing as error:
        raise Refusal(501, "no_prometheus_client", str(error)) from error
    using = get_settings().metrics_database
    with refusing_failures(using):
        snapshot = read_snapshot(using)
    body, content_type = exposition(snapshot, request.headers.get("Accept", ""))
    response = HttpResponse(content_type=content_type)
    if gzip_accepted(request.headers.get("Accept-Encoding", "")):
        body = gzip.compress(body, mtime=0)
        response["Content-Encoding"] = "gzip"
    response.content = body
    patch_vary_headers(response, ["Authorization", "Cookie", "Accept", "Accept-Encoding"])
    return response
