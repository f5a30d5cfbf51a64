"""The figures as JSON: sums alone, no key, reason, actor or error."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final, NamedTuple

from django.db import connections
from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.utils.cache import get_conditional_response, patch_vary_headers

from django_clean_timestamps.conf import get_settings
from django_clean_timestamps.delivery.failures import one_line
from django_clean_timestamps.metrics.alerts.models import AlertState
from django_clean_timestamps.metrics.exporters.alerts import read_alerts
from django_clean_timestamps.metrics.exporters.summary import read_summary
from django_clean_timestamps.metrics.flushing import FAILURES
from django_clean_timestamps.metrics.models import (
    MetricLease,
    MetricRollup,
    MetricSample,
    MetricSeries,
    MetricTotal,
    MetricWriter,
)
from django_clean_timestamps.metrics.process import describe_process
from django_clean_timestamps.metrics.queries.backlog import read_backlog
from django_clean_timestamps.metrics.queries.filters import Filters, InvalidFilter, parse_filters
from django_clean_timestamps.metrics.queries.operations import read_operations
from django_clean_timestamps.metrics.queries.processes import Freshness, read_freshness
from django_clean_timestamps.metrics.queries.rows import SeriesNames, read_series
from django_clean_timestamps.metrics.queries.trends import read_rates, read_trend
from django_clean_timestamps.views.access import bearer_token
from django_clean_timestamps.views.answers import Refusal, answer
from django_clean_timestamps.views.figure_shapes import (
    Content,
    alerts_shape,
    freshness_shape,
    series_shape,
    summary_shape,
)
from django_clean_timestamps.views.machine import admit_to_metrics, machine_view

__all__ = ["alerts", "refusing_failures", "series", "summary"]

READ_MODELS: Final = (AlertState, MetricLease, MetricRollup, MetricSample, MetricSeries, MetricTotal, MetricWriter)

logger: Final = logging.getLogger("django_clean_timestamps.metrics")


class BadFilter(Refusal):
    """A filter that means nothing."""

    def __init__(self, error: InvalidFilter) -> None:
        super().__init__(400, "bad_filter", str(error))
        self.parameter = error.name

    def as_response(self, **headers: str) -> JsonResponse:
        """Return the answer, which names the parameter."""
        return answer({"error": self.code, "parameter": self.parameter, "detail": self.text}, status=self.status)


@machine_view
def summary(request: HttpRequest) -> HttpResponseBase:
    """
    Return how things stand: latest latency and error rate, what waits and for how long, and how old this is.

    For the bearer of one of ``API_TOKENS`` and users with ``view_metrics``, like its neighbours. Has an ``ETag``.
    """

    def read(using: str, freshness: Freshness) -> Part:
        return Part({}, lambda: summary_shape(read_summary(using, freshness, read_series(using))))

    return _figures(request, read)


@machine_view
def series(request: HttpRequest) -> HttpResponseBase:
    """
    Return how latency, errors, rates and what waits went over time, and every operation in a table.

    ``GET ?range=…&from=…&to=…&model=…&operation=…&outcome=…&database=…``, as the pages have it. Has an ``ETag``.
    """

    def read(using: str, freshness: Freshness) -> Part:
        names = read_series(using)
        try:
            filters = parse_filters(request.GET, now=freshness.now, series=names.values(), databases=connections)
        except InvalidFilter as error:
            raise BadFilter(error) from error
        return Part(filters.as_query(), lambda: _series(using, names, filters))

    return _figures(request, read)


@machine_view
def alerts(request: HttpRequest) -> HttpResponseBase:
    """
    Return every alert that was ever found, those that are over among them. Has an ``ETag``.

    Who silenced one and what sinks were told is left out.
    """

    def read(using: str, freshness: Freshness) -> Part:
        found = read_alerts(using)
        # A silence changes one between two evaluations, and so does its end.
        versions = [(each.rule, each.subject, each.revision, each.silenced_until) for each in found]
        silenced = sum(each.is_silenced(freshness.now) for each in found)
        return Part({"alerts": repr((versions, silenced))}, lambda: alerts_shape(found, freshness.now))

    return _figures(request, read)


@contextmanager
def refusing_failures(using: str) -> Iterator[None]:
    """
    Refuse a request whose figures cannot be read; the log tells why.

    Args:
        using: The metrics' database.

    Raises:
        Refusal: The tables are missing, or the database cannot be read now.
    """
    try:
        yield
    except FAILURES as error:
        if _is_table_missing(using):
            raise Refusal(
                503,
                "no_tables",
                f"The tables of the metrics are missing in the database {using!r}; "
                f"run 'manage.py migrate clean_timestamps --database {using}'",
            ) from error
        logger.warning("Figures could not be read: %s", one_line(error))
        # What the driver says names hosts and users.
        raise Refusal(
            503,
            "no_database",
            "The metrics' database cannot be read now; the log of the server says why. Try again later",
        ) from error


def _is_table_missing(using: str) -> bool:
    try:
        found = connections[using].introspection.table_names()
    except FAILURES:
        return False
    return any(model._meta.db_table not in found for model in READ_MODELS)


class Part(NamedTuple):
    """What an answer depends on beside the samples, and what reads it."""

    depends_on: Mapping[str, str]
    read: Callable[[], Content]


def _figures(request: HttpRequest, part_of: Callable[[str, Freshness], Part]) -> HttpResponseBase:
    admit_to_metrics(request)
    using = get_settings().metrics_database
    with refusing_failures(using):
        freshness = read_freshness(using)
        part = part_of(using, freshness)
        etag = _etag(request, freshness, part.depends_on)
        response = get_conditional_response(request, etag=etag)
        if response is None:
            response = answer({**part.read(), "freshness": freshness_shape(freshness)})
    response["ETag"] = etag
    patch_vary_headers(response, ["Authorization", "Cookie"])
    return response


def _etag(request: HttpRequest, freshness: Freshness, depends_on: Mapping[str, str]) -> str:
    """
    Return what changes with the data, with what is asked for, with who asks and with the release.

    A weak one: within one version the answer's own times move.
    """
    token = bearer_token(request)
    who = "a token" if token is not None else f"user {request.user.pk}"
    # Where nobody collects any more the age is the news.
    silent_minute = int(freshness.now.timestamp()) // 60 if freshness.is_silent else 0
    version = (freshness.sampled_at, freshness.evaluated_at, silent_minute, describe_process().version)
    text = repr((request.path, version, sorted(depends_on.items()), who))
    return f'W/"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'


def _series(using: str, names: SeriesNames, filters: Filters) -> Content:
    return series_shape(
        filters,
        trend=read_trend(using, filters, names),
        rates=read_rates(using, filters, names),
        backlog=read_backlog(using, filters),
        operations=read_operations(using, filters, names),
    )
