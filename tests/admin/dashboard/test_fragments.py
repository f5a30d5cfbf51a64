"""What a page that is looked at asks for now and then."""

import dataclasses
from datetime import timedelta
from unittest import mock

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from django_clean_timestamps.admin.dashboard.fragments import MARKER
from django_clean_timestamps.delivery.models import ParkedEvent
from django_clean_timestamps.metrics.alerts.models import AlertState
from django_clean_timestamps.metrics.alerts.silencing import silence, unsilence
from django_clean_timestamps.metrics.models import MetricLease
from django_clean_timestamps.metrics.queries.processes import read_freshness
from tests.admin.dashboard.figures import alert, moment, now, url
from tests.admin.deliveries import park

pytestmark = pytest.mark.django_db(databases=["default", "other"])


def fragment(client, page="", headers=None, **asked):
    return client.get(url(page), {"fragment": "1", **asked}, headers=headers or {})


@pytest.mark.parametrize("page", ["", "operation", "deliveries", "alerts", "health"])
def test_it_is_the_figures_alone_with_a_marker(metrics_client, figures, page):
    response = fragment(metrics_client, page)
    assert response.status_code == 200
    assert response[MARKER] == (page or "overview")
    text = response.content.decode().strip()
    assert text.startswith('<div id="timestamp-figures"')
    assert text.endswith("</div>")
    assert "<html" not in text


def test_it_is_what_the_page_has(metrics_client, figures):
    # Both say how old the data is; a second may end between them, but not each time.
    for _ in range(10):
        whole, part = metrics_client.get(url()), fragment(metrics_client)
        inner = part.content.decode().partition(">")[2].rpartition("</div>")[0].strip()
        if inner in whole.content.decode():
            break
    else:
        pytest.fail(f"not in the page: {inner}")
    assert MARKER not in whole.headers
    assert "ETag" not in whole.headers


def test_the_same_figures_are_not_sent_again(metrics_client, figures):
    etag = fragment(metrics_client)["ETag"]
    response = fragment(metrics_client, headers={"If-None-Match": etag})
    assert (response.status_code, response.content) == (304, b"")
    assert (response[MARKER], response["ETag"]) == ("overview", etag)


def test_newer_figures_are(metrics_client, figures):
    etag = fragment(metrics_client)["ETag"]
    lease = MetricLease.objects.get()
    lease.sampled_at += 1
    lease.save()
    assert fragment(metrics_client, headers={"If-None-Match": etag}).status_code == 200


def later_by(seconds):
    """Let so much time have passed for the pages, in which nobody has collected anything."""

    def read(using):
        return dataclasses.replace(found, now=found.now + timedelta(seconds=seconds))

    found = read_freshness("default")
    return mock.patch("django_clean_timestamps.admin.dashboard.asked.read_freshness", read)


# What people do between two samples.


@pytest.mark.parametrize("page", ["", "alerts"])
def test_a_silence_and_its_end_are_news(metrics_client, figures, page):
    row = alert()
    tags = [fragment(metrics_client, page)["ETag"]]
    silence(row.rule, row.subject, moment(now() + 600), "ada")
    tags.append(fragment(metrics_client, page)["ETag"])
    with later_by(700):
        tags.append(fragment(metrics_client, page)["ETag"])
    unsilence(row.rule, row.subject)
    tags.append(fragment(metrics_client, page)["ETag"])
    assert len(set(tags)) == 4


def test_so_is_what_a_sink_was_told_after_the_evaluation(metrics_client, figures):
    alert()
    tags = [fragment(metrics_client, "alerts")["ETag"]]
    AlertState.objects.update(told={"mail": {"state": "firing"}})
    tags.append(fragment(metrics_client, "alerts")["ETag"])
    assert len(set(tags)) == 2


def test_it_is_none_where_no_alert_is_shown(metrics_client, figures):
    row = alert()
    tags = [fragment(metrics_client, "operation")["ETag"]]
    silence(row.rule, row.subject, moment(now() + 600), "ada")
    tags.append(fragment(metrics_client, "operation")["ETag"])
    assert len(set(tags)) == 1


@pytest.mark.parametrize(("action", "left"), [("retry", "retry"), ("skip", "skipped")])
def test_a_retry_and_a_skip_are_news(log_in, figures, action, left):
    client = log_in("view_metrics", "manage_deliveries", "view_parkedevent", "view_note")
    park(5, state="dead")
    tags = [fragment(client, "deliveries")["ETag"]]
    assert fragment(client, "deliveries")["ETag"] == tags[0]
    client.post(f"{url(action)}?state=dead", {"post": "yes", "count": "1", "timestamp_reason": "gave up"})
    assert ParkedEvent.objects.get().state == left
    tags.append(fragment(client, "deliveries")["ETag"])
    assert len(set(tags)) == 2


def test_to_those_who_may_not_see_what_is_parked_it_is_none(metrics_client, figures):
    tags = [fragment(metrics_client, "deliveries")["ETag"]]
    park(5, state="dead")
    tags.append(fragment(metrics_client, "deliveries")["ETag"])
    assert len(set(tags)) == 1


@pytest.mark.parametrize("codename", ["view_parkedevent", "view_subscription"])
def test_what_may_be_seen_of_deliveries_makes_another_one(metrics_client, figures, codename):
    tags = [fragment(metrics_client, "deliveries")["ETag"]]
    metrics_client.user.user_permissions.add(Permission.objects.get(codename=codename))
    tags.append(fragment(metrics_client, "deliveries")["ETag"])
    assert len(set(tags)) == 2


@pytest.mark.parametrize(
    ("page", "table", "most"),
    [("", "alertstate", 1), ("alerts", "alertstate", 1), ("deliveries", "parkedevent", 2), ("operation", "alert", 0)],
)
def test_that_costs_nothing_that_the_page_would_not_read_anyway(admin_client, figures, page, table, most):
    def statements(headers=None):
        with CaptureQueriesContext(connection) as queries:
            response = fragment(admin_client, page, headers=headers)
        return response, [each["sql"] for each in queries if f"clean_timestamps_{table}" in each["sql"]]

    response, made = statements()
    again, known = statements({"If-None-Match": response["ETag"]})
    assert (response.status_code, again.status_code) == (200, 304)
    assert len(known) == most
    # Whether it can be read, and how much of it there is; then the newest of it.
    assert len(made) == 2 * most if page == "deliveries" else len(made) == most


# What moves with the clock.


def test_a_range_that_ends_now_does_not_move_it(metrics_client, figures):
    asked = {"from": moment(now() - 7_200).isoformat()}
    etag = fragment(metrics_client, **asked)["ETag"]
    with later_by(59):
        response = fragment(metrics_client, headers={"If-None-Match": etag}, **asked)
    assert response.status_code == 304
    MetricLease.objects.update(evaluated_at=1)
    assert fragment(metrics_client, **asked)["ETag"] != etag


def test_nor_do_the_links_of_such_a_page_end_it(metrics_client, figures):
    response = metrics_client.get(url(), {"from": moment(now() - 7_200).isoformat()})
    links = [link for _title, link, _is_here in response.context["tabs"]] + list(response.context["files"].values())
    assert all("from=" in link and "to=" not in link for link in links)


def test_it_is_another_one_for_other_filters_and_pages(metrics_client, figures):
    tags = {fragment(metrics_client)["ETag"], fragment(metrics_client, "operation")["ETag"]}
    for asked in ({"range": "6h"}, {"model": "testapp.note"}, {"sort": "p95"}, {"range": "99h"}):
        tags.add(fragment(metrics_client, **asked)["ETag"])
    assert len(tags) == 6


def test_it_is_another_one_in_another_language_and_zone(metrics_client, figures, settings):
    tags = [fragment(metrics_client)["ETag"]]
    settings.LANGUAGE_CODE = "de"
    tags.append(fragment(metrics_client)["ETag"])
    settings.TIME_ZONE = "Europe/Berlin"
    tags.append(fragment(metrics_client)["ETag"])
    assert len(set(tags)) == 3


@pytest.mark.parametrize("codename", ["view_note", "manage_alerts", "manage_deliveries"])
def test_it_is_another_one_with_another_permission(metrics_client, figures, codename):
    tags = [fragment(metrics_client)["ETag"]]
    metrics_client.user.user_permissions.add(
        Permission.objects.get(codename=codename, content_type__model__in=["note", "dashboard", "parkedevent"])
    )
    tags.append(fragment(metrics_client)["ETag"])
    metrics_client.force_login(User.objects.create_superuser("ada"))
    tags.append(fragment(metrics_client)["ETag"])
    assert len(set(tags)) == 3


def test_of_a_silent_collector_the_age_is_news_once_a_minute(metrics_client, figures):
    at = MetricLease.objects.get().sampled_at
    tags = []
    for ago in (400, 520):
        MetricLease.objects.update(sampled_at=at - ago)
        tags.append(fragment(metrics_client)["ETag"])
    assert tags[0] != tags[1]


def test_whoever_is_logged_out_gets_no_marker(client, db):
    response = fragment(client)
    assert response.status_code == 302
    assert MARKER not in response.headers


def test_nor_does_whoever_lost_the_permission(log_in):
    response = fragment(log_in("view_note"))
    assert response.status_code == 403
    assert MARKER not in response.headers


def test_no_cache_keeps_it(metrics_client, figures):
    response = fragment(metrics_client)
    assert "no-store" in response["Cache-Control"]
    assert {"Cookie", "Accept-Language"} <= {each.strip() for each in response["Vary"].split(",")}
