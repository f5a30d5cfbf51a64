import dataclasses
import json
from datetime import UTC, datetime, timedelta
from unittest import mock

import pytest
from django.contrib.auth.models import Permission, User
from django.contrib.contenttypes.models import ContentType
from django.db import connection, connections
from django.db.backends.base.base import NO_DB_ALIAS
from django.test import RequestFactory
from django.urls import include, path
from django.utils.functional import SimpleLazyObject
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from django_clean_timestamps.eventlog.fields import database_now
from django_clean_timestamps.metrics.alerts.rules import Kind
from django_clean_timestamps.metrics.exporters.summary import read_summary
from django_clean_timestamps.metrics.limits import rules_in_force
from django_clean_timestamps.metrics.models import MetricExample, MetricLease, MetricReason, MetricSeries, MetricTotal
from django_clean_timestamps.metrics.queries.processes import read_freshness
from django_clean_timestamps.metrics.queries.rows import read_series
from django_clean_timestamps.views.figures import alerts, series, summary
from tests.metrics.exporters.observed import alert, living, metrics_out_of_reach, roll_up, sample
from tests.metrics.figures import HANDLER, INVALID, SAVE, number_of, write_minute

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]

VIEWS = {"summary": summary, "series": series, "alerts": alerts}

urlpatterns = [
    path(
        "timestamps/",
        include(
            (
                [path(f"api/v1/{name}", view) for name, view in VIEWS.items()],
                "clean_timestamps",
            ),
        ),
    )
]

TOKEN = {"Authorization": "Bearer right"}


@pytest.fixture(autouse=True)
def _tokens(settings):
    settings.CLEAN_TIMESTAMPS = {"API_TOKENS": ["other", "right"], "FEED_TOKENS": ["feed"]}


@pytest.fixture
def figures():
    """Some minutes of three series, the youngest of them the current one; returns where that begins."""
    current = int(database_now("default").timestamp()) // 60 * 60
    for ago in (300, 60, 0):
        write_minute(current - ago, SAVE, [0.001] * 30 + [0.020] * 5)
        write_minute(current - ago, INVALID, [0.002] * 2)
        write_minute(current - ago, HANDLER, [0.1] * 4)
        write_minute(current - ago, ("", "write_events", "ok", "default"), [0.001], rows=12)
        roll_up(current - ago + 30)
    at = current // 15 * 15
    sample(at, kind="log", waiting=2, oldest_seconds=0.5, position=40)
    sample(at, handler="shop.mail", database="default", state="active", waiting=7, oldest_seconds=12.5, dead=1)
    living(1, "web")
    return current


def get(client, view, headers=TOKEN, **query):
    return client.get(f"/timestamps/api/v1/{view}", query, headers=headers)


def refused(response, status, code):
    assert (response.status_code, response.json()["error"]) == (status, code), response.content
    return response.json()["detail"]


def log_in(client, *codenames):
    user = User.objects.create_user("reader")
    content_type = ContentType.objects.get_or_create(app_label="clean_timestamps", model="dashboard")[0]
    for codename in codenames:
        permission = Permission.objects.get_or_create(
            codename=codename, content_type=content_type, defaults={"name": codename}
        )[0]
        user.user_permissions.add(permission)
    client.force_login(user)
    return user


# What is told.


def test_the_summary_is_what_the_overview_begins_with(client, figures):
    content = get(client, "summary").json()
    operations = content["operations"]
    assert (operations["ok_count"], operations["invalid_count"], operations["failed_count"]) == (105, 6, 0)
    assert operations["p50_seconds"] == pytest.approx(0.001, rel=0.006)
    assert operations["p95_seconds"] == pytest.approx(0.020, rel=0.006)
    assert operations["error_rate"] == 6 / 111
    assert operations["error_rate_lower"] < 6 / 111 < operations["error_rate_upper"]
    assert content["backlog"] == {"waiting_count": 7, "oldest_seconds": 12.5, "parked_count": 0, "dead_count": 1}
    assert content["processes"] == {"living_count": 1}
    freshness = content["freshness"]
    assert freshness["sampled_at"] == datetime.fromtimestamp(figures // 15 * 15, UTC).isoformat()
    assert 0 <= freshness["age_seconds"] < 150
    assert (freshness["evaluated_at"], freshness["is_silent"], freshness["is_recording"]) == (None, False, True)


def test_a_summary_of_nothing_tells_that_nothing_was_collected(client, settings):
    settings.CLEAN_TIMESTAMPS = {"API_TOKENS": ["right"], "METRICS": False}
    content = get(client, "summary").json()
    assert content["operations"]["p95_seconds"] is None
    assert content["backlog"]["waiting_count"] is None
    assert (content["freshness"]["sampled_at"], content["freshness"]["is_recording"]) == (None, False)


def test_the_series_are_those_of_the_pages(client, figures):
    content = get(client, "series", range="1h").json()
    trend = dict(zip(content["trend"]["times"], content["trend"]["ok_count"], strict=True))
    assert content["trend"]["step_seconds"] == 60
    assert {time: count for time, count in trend.items() if count} == {
        datetime.fromtimestamp(figures - ago, UTC).isoformat(): 35 for ago in (300, 60, 0)
    }
    assert sum(content["trend"]["invalid_count"]) == 6
    assert max(filter(None, content["trend"]["p95_seconds"])) == pytest.approx(0.020, rel=0.006)
    assert max(filter(None, content["trend"]["error_rate"])) == 2 / 37
    assert max(filter(None, content["rates"]["written_per_second"])) == 12 / 60
    assert max(filter(None, content["rates"]["delivered_per_second"])) == 4 / 60
    assert max(filter(None, content["backlog"]["waiting_count"])) == 7
    assert max(filter(None, content["backlog"]["oldest_seconds"])) == 12.5
    for part in ("trend", "rates", "backlog"):
        lengths = {len(column) for column in content[part].values() if isinstance(column, list)}
        assert lengths == {len(content[part]["times"])}
    table = {(row["model"], row["operation"]): row for row in content["operations"]}
    assert list(table) == [
        ("shop.order", "update"),
        ("", "handler:shop.mail"),
        ("shop.order", "create"),
        ("", "write_events"),
    ]
    assert table["shop.order", "update"]["count"] == 105
    assert table["shop.order", "update"]["longest_seconds"] == 0.020
    assert (table["shop.order", "create"]["count"], table["shop.order", "create"]["invalid_count"]) == (6, 6)
    assert table["shop.order", "create"]["p95_seconds"] is None
    assert table["", "write_events"]["row_count"] == 36


def test_filters_narrow_the_series(client, figures):
    content = get(client, "series", range="6h", model="shop.order", operation="create", outcome="invalid").json()
    assert [row["operation"] for row in content["operations"]] == ["create"]
    assert sum(content["trend"]["ok_count"]) == 0
    filters = content["filters"]
    assert datetime.fromisoformat(filters["to"]) - datetime.fromisoformat(filters["from"]) == timedelta(hours=6)
    names = {name: filters[name] for name in ("range", "model", "operation", "outcome", "database")}
    assert names == {
        "range": "6h",
        "model": "shop.order",
        "operation": "create",
        "outcome": "invalid",
        "database": "",
    }


def test_alerts_are_told_with_the_unit_of_their_figures(client, figures):
    at = database_now("default")
    alert(
        rule="latency",
        subject="shop.order update default",
        state="firing",
        level="warning",
        since=at,
        changed_at=at,
        clears_at=at + timedelta(minutes=10),
        evaluated_at=at,
        value=7.5,
        threshold=5.0,
        slow_ms=5.0,
        window_seconds=300,
        silenced_until=at + timedelta(hours=1),
    )
    gauges = [rule for rule in rules_in_force() if rule.kind is Kind.GAUGE]
    alert(rule=gauges[0].name, value=3, threshold=2, silenced_until=at - timedelta(hours=1))
    alert(rule="of_an_older_release")
    found = {each["rule"]: each for each in get(client, "alerts").json()["alerts"]}
    assert found["latency"] == {
        "rule": "latency",
        "subject": "shop.order update default",
        "state": "firing",
        "level": "warning",
        "since": at.isoformat(),
        "changed_at": at.isoformat(),
        "clears_at": (at + timedelta(minutes=10)).isoformat(),
        "evaluated_at": at.isoformat(),
        "is_silenced": True,
        "silenced_until": (at + timedelta(hours=1)).isoformat(),
        "value": 7.5,
        "threshold": 5.0,
        "unit": "percent",
        "slow_seconds": 0.005,
        "window_seconds": 300,
    }
    gauge = found[gauges[0].name]
    assert (gauge["unit"], gauge["is_silenced"], gauge["slow_seconds"]) == (gauges[0].unit, False, None)
    assert found["of_an_older_release"]["unit"] is None


def the_time_being(now):
    """Let the views take that for the database's time."""

    def read(using):
        freshness = read_freshness(using)
        age = now.timestamp() - freshness.sampled_at
        return dataclasses.replace(freshness, now=now, age_seconds=age)

    return mock.patch("django_clean_timestamps.views.figures.read_freshness", read)


def test_a_silence_and_its_end_are_news(client, figures):
    silenced = alert(state="firing", level="warning")
    tags = [get(client, "alerts")["ETag"]]
    silenced.silenced_until = database_now("default") + timedelta(seconds=2)
    silenced.save()
    tags.append(get(client, "alerts")["ETag"])
    later = database_now("default") + timedelta(seconds=3)
    with the_time_being(later):
        tags.append(get(client, "alerts")["ETag"])
    assert len(set(tags)) == 3


def test_sums_alone_are_told_whoever_asks(client, admin_client, figures):
    alert(told={"mail": "secret address"})
    MetricReason.objects.create(
        hour=figures - figures % 3_600, series_id=number_of(SAVE), writer_id=1, reason="secret reason", count=1
    )
    MetricExample.objects.create(
        hour=figures - figures % 3_600,
        series_id=number_of(SAVE),
        writer_id=1,
        rank=0,
        seconds=1,
        occurred_at=database_now("default"),
        entity_id="secret key",
        reason="secret reason",
    )
    for view in VIEWS:
        for response in (get(client, view), get(admin_client, view, headers={})):
            assert response.status_code == 200
            assert b"secret" not in response.content


@pytest.mark.parametrize(("view", "count", "known"), [("summary", 6, 1), ("series", 6, 2), ("alerts", 2, 2)])
def test_an_answer_costs_few_statements_and_one_that_is_known_fewer(
    client, figures, django_assert_num_queries, view, count, known
):
    with django_assert_num_queries(count):
        etag = get(client, view)["ETag"]
    with django_assert_num_queries(known):
        assert get(client, view, headers={**TOKEN, "If-None-Match": etag}).status_code == 304


# What is known already.


@pytest.mark.parametrize("view", VIEWS)
def test_what_has_not_changed_is_not_told_again(client, figures, view):
    first = get(client, view)
    again = get(client, view, headers={**TOKEN, "If-None-Match": first["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again["ETag"] == first["ETag"]
    for response in (first, again):
        assert "no-store" in response["Cache-Control"]
        assert {"Authorization", "Cookie"} <= set(response["Vary"].split(", "))
    assert get(client, view, headers={**TOKEN, "If-None-Match": 'W/"other"'}).status_code == 200


def test_new_data_other_filters_another_asker_and_another_view_are_told(client, admin_client, figures):
    tags = [get(client, "series")["ETag"]]
    tags.append(get(client, "series", range="1h")["ETag"])
    tags.append(get(client, "summary")["ETag"])
    tags.append(get(admin_client, "series", headers={})["ETag"])
    sample(figures + 15, kind="log")
    tags.append(get(client, "series")["ETag"])
    MetricLease.objects.update(evaluated_at=figures)
    tags.append(get(client, "series")["ETag"])
    assert len(set(tags)) == len(tags)


def test_a_range_that_ends_now_is_not_told_again_because_the_clock_moves(client, figures):
    asked = {"from": datetime.fromtimestamp(figures - 7_200, UTC).isoformat()}
    freshness = read_freshness("default")
    found = []
    for now in (freshness.now, freshness.now + timedelta(seconds=1)):
        with the_time_being(now):
            found.append(get(client, "series", **asked))
    assert found[0]["ETag"] == found[1]["ETag"]
    first, second = (datetime.fromisoformat(response.json()["filters"]["to"]) for response in found)
    assert second - first == timedelta(seconds=1)


def test_that_nobody_collects_any_more_is_news_each_minute(client, figures):
    tags = [get(client, "summary")["ETag"]]
    MetricLease.objects.update(sampled_at=figures - 3_600)
    freshness = read_freshness("default")
    for now in (freshness.now, freshness.now + timedelta(minutes=1)):
        with the_time_being(now):
            response = get(client, "summary")
            assert response.json()["freshness"]["is_silent"]
            tags.append(response["ETag"])
    assert len(set(tags)) == 3


# Who may read.


@pytest.mark.parametrize("view", VIEWS)
def test_each_api_token_opens_them_and_no_other_does(client, view):
    for token in ("right", "other"):
        assert get(client, view, headers={"Authorization": f"Bearer {token}"}).status_code == 200
    for token in ("feed", "", "wrong", "right2"):
        refused(get(client, view, headers={"Authorization": f"Bearer {token}"}), 401, "bad_token")
    assert "API_TOKENS" in refused(get(client, view, headers={}), 401, "not_authenticated")


@pytest.mark.parametrize("view", VIEWS)
def test_a_session_needs_the_permission(client, view):
    log_in(client)
    refused(get(client, view, headers={}), 403, "not_permitted")


@pytest.mark.parametrize("view", VIEWS)
def test_a_session_with_the_permission_reads(client, view):
    log_in(client, "view_metrics")
    assert get(client, view, headers={}).status_code == 200


@pytest.mark.parametrize("view", VIEWS)
def test_they_are_views_for_machines(client, settings, view):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.contrib.auth.middleware.LoginRequiredMiddleware"]
    assert get(client, view).status_code == 200
    refused(client.post(f"/timestamps/api/v1/{view}", headers=TOKEN), 405, "method_not_allowed")
    assert client.head(f"/timestamps/api/v1/{view}", headers=TOKEN).content == b""
    for alias in connections:
        assert alias in VIEWS[view]._non_atomic_requests


# What goes wrong.


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ({"range": "2h"}, "range"),
        ({"range": "own"}, "from"),
        ({"from": "yesterday"}, "from"),
        ({"from": "2026-02-30T00:00"}, "from"),
        ({"from": "2026-02-01", "to": "<b>"}, "to"),
        ({"from": "2026-02-02", "to": "2026-02-01"}, "from"),
        ({"model": "shop.gone"}, "model"),
        ({"operation": "'; DROP TABLE x; --"}, "operation"),
        ({"outcome": "well"}, "outcome"),
        ({"database": "\x00"}, "database"),
    ],
)
def test_a_filter_that_means_nothing_is_named(client, figures, query, parameter):
    response = get(client, "series", **query)
    detail = refused(response, 400, "bad_filter")
    assert response.json()["parameter"] == parameter
    assert not any(value in detail for value in query.values() if value != "own")


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(
        st.sampled_from(["range", "from", "to", "model", "operation", "outcome", "database"]),
        st.one_of(st.text(max_size=30), st.datetimes().map(str), st.just("0001-01-01T00:00:00+14:00")),
    )
)
def test_no_address_makes_a_fault(client, query):
    assert get(client, "series", **query).status_code in (200, 400)


@pytest.mark.parametrize("view", VIEWS)
def test_a_database_out_of_reach_is_told_of_without_its_address(client, caplog, view):
    with metrics_out_of_reach(API_TOKENS=["right"]):
        detail = refused(get(client, view), 503, "no_database")
    assert "Try again later" in detail
    assert "nowhere" not in detail
    assert "OperationalError" in caplog.text


def test_the_users_database_out_of_reach_is_told_of():
    with metrics_out_of_reach():
        request = RequestFactory().get("/")
        request.user = SimpleLazyObject(lambda: User.objects.using(NO_DB_ALIAS).get())
        response = summary(request)
    assert (response.status_code, json.loads(response.content)["error"]) == (503, "users_unavailable")


def test_a_setting_that_names_no_database_is_told_of(client, settings):
    settings.CLEAN_TIMESTAMPS = {"API_TOKENS": ["right"], "METRICS_DATABASE": "gone"}
    refused(get(client, "summary"), 503, "no_database")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("model", [MetricSeries, MetricLease])
def test_tables_that_are_missing_are_told_of(client, monkeypatch, model):
    monkeypatch.setattr(model._meta, "db_table", "clean_timestamps_missing")
    assert "migrate clean_timestamps --database default" in refused(get(client, "series"), 503, "no_tables")


@pytest.mark.django_db(transaction=True)
def test_they_read_outside_a_transaction_under_atomic_requests_too(client):
    MetricTotal.objects.all().delete()
    with mock.patch.dict(connection.settings_dict, ATOMIC_REQUESTS=True):
        assert get(client, "summary").status_code == 200


def test_the_summary_in_python_is_that_of_the_view(client, figures):
    names = read_series("default")
    found = read_summary("default", read_freshness("default"), names)
    content = get(client, "summary").json()
    assert content["operations"]["p95_seconds"] == found.operations.p95
    assert content["backlog"]["waiting_count"] == found.waiting_count
