import gzip
import sys

import pytest
from django.contrib.auth.models import User
from django.db import connections
from django.urls import include, path
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse

from django_clean_timestamps.metrics.models import MetricTotal
from django_clean_timestamps.views.prometheus import metrics
from tests.metrics.exporters.observed import EVERY, metrics_out_of_reach, observe_at_random

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]

urlpatterns = [path("timestamps/", include(([path("metrics", metrics)], "clean_timestamps")))]

ADDRESS = "/timestamps/metrics"
TOKEN = {"Authorization": "Bearer right"}
# What Prometheus 3 sends.
ACCEPT = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;"
    "version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
)


@pytest.fixture(autouse=True)
def _tokens(settings):
    settings.CLEAN_TIMESTAMPS = {"API_TOKENS": ["other", "right"], "FEED_TOKENS": ["feed"]}


def get(client, **headers):
    return client.get(ADDRESS, headers={**TOKEN, **headers})


def refused(response, status, code):
    assert (response.status_code, response.json()["error"]) == (status, code), response.content
    return response.json()["detail"]


def counts(families):
    return {
        tuple(sample.labels[name] for name in ("model", "operation", "outcome", "database")): sample.value
        for family in families
        for sample in family.samples
        if sample.name == "clean_timestamps_operation_duration_seconds_count"
    }


def test_a_scrape_reads_what_was_observed_in_either_format(client):
    observed = observe_at_random()
    wanted = {series: len(observed.seconds[series]) for series in EVERY}
    plain = get(client)
    assert plain["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert counts(parse(plain.content.decode())) == wanted
    openmetrics = get(client, Accept=ACCEPT)
    assert openmetrics["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    assert counts(parse_openmetrics(openmetrics.content.decode())) == wanted


def test_it_is_compressed_for_those_who_take_it(client):
    observe_at_random()
    plain, compressed = get(client), get(client, **{"Accept-Encoding": "gzip"})
    assert compressed["Content-Encoding"] == "gzip"
    assert counts(parse(gzip.decompress(compressed.content).decode())) == counts(parse(plain.content.decode()))
    assert "Content-Encoding" not in plain
    for response in (plain, compressed):
        assert set(response["Vary"].split(", ")) >= {"Authorization", "Cookie", "Accept", "Accept-Encoding"}
        assert "no-store" in response["Cache-Control"]


def test_each_api_token_opens_it_and_no_other_does(client):
    for token in ("right", "other"):
        assert get(client, Authorization=f"Bearer {token}").status_code == 200
    for token in ("feed", "", "wrong"):
        refused(get(client, Authorization=f"Bearer {token}"), 401, "bad_token")
    assert "API_TOKENS" in refused(client.get(ADDRESS), 401, "not_authenticated")


def test_a_session_needs_the_permission(client, admin_client):
    assert admin_client.get(ADDRESS).status_code == 200
    client.force_login(User.objects.create_user("reader"))
    refused(client.get(ADDRESS), 403, "not_permitted")


def test_it_is_a_view_for_machines(client, settings):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.contrib.auth.middleware.LoginRequiredMiddleware"]
    assert get(client).status_code == 200
    refused(client.post(ADDRESS, headers=TOKEN), 405, "method_not_allowed")
    for alias in connections:
        assert alias in metrics._non_atomic_requests


def test_a_database_out_of_reach_is_a_failed_scrape(client):
    with metrics_out_of_reach(API_TOKENS=["right"]):
        refused(get(client), 503, "no_database")


@pytest.mark.django_db(transaction=True)
def test_tables_that_are_missing_are_told_of(client, monkeypatch):
    monkeypatch.setattr(MetricTotal._meta, "db_table", "clean_timestamps_missing")
    assert "manage.py migrate" in refused(get(client), 503, "no_tables")


def test_without_prometheus_client_the_answer_names_the_extra(client, monkeypatch):
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    monkeypatch.delitem(sys.modules, "django_clean_timestamps.metrics.exporters.prometheus", raising=False)
    detail = refused(get(client), 501, "no_prometheus_client")
    assert "pip install 'django-clean-timestamps[prometheus]'" in detail
    # Who may not read it is not told what is installed.
    refused(client.get(ADDRESS), 401, "not_authenticated")
