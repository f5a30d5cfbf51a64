"""The page about one operation."""

import pytest

from tests.admin.dashboard.figures import (
    BULK,
    MARKUP,
    NOTES,
    TASKS,
    example,
    observe,
    process,
    reason,
    roll_up,
    text_of,
    url,
)

ONE = {"range": "6h", "model": "testapp.note", "operation": "update"}


def test_it_has_a_heat_map_a_histogram_outcomes_and_reasons(metrics_client, figures):
    response = metrics_client.get(url("operation"), ONE)
    assert list(response.context["content"].charts) == ["heat", "histogram", "latency", "outcomes", "reasons"]
    text = text_of(response)
    assert "update of testapp.note Data " in text
    assert "301 operations" in text


def test_all_are_shown_where_none_is_chosen(metrics_client, figures):
    assert "single-row operations" in text_of(metrics_client.get(url("operation")))
    text = text_of(metrics_client.get(url("operation"), {"operation": "handler:shop.mail", "database": "default"}))
    assert "handler shop.mail on default" in text


def test_the_limits_of_the_operation_are_drawn(metrics_client, figures):
    charts = metrics_client.get(url("operation"), ONE).context["content"].charts
    assert [each.value for each in charts["histogram"].thresholds] == [0.005, 0.01]
    charts = metrics_client.get(url("operation"), {"operation": "queryset_update"}).context["content"].charts
    assert charts["heat"].thresholds == ()


def test_a_time_without_operations_is_a_gap_in_the_heat_map(metrics_client, figures):
    heat = metrics_client.get(url("operation"), {**ONE, "range": "1h"}).context["content"].charts["heat"]
    assert None in heat.counts
    assert any(heat.counts)


def test_outcomes_are_told_a_second(metrics_client, figures):
    chart = metrics_client.get(url("operation"), {**ONE, "range": "1h"}).context["content"].charts["outcomes"]
    refused = next(line for line in chart.lines if line.key == "invalid")
    assert max(filter(None, refused.values)) == pytest.approx(1 / 60)
    assert None in refused.values


def test_where_all_failed_there_is_no_latency_and_yet_a_page(metrics_client, db):
    observe(("testapp.note", "update", "invalid", "default"), [0.001], ago=4)
    roll_up()
    response = metrics_client.get(url("operation"), ONE)
    assert response.status_code == 200
    assert "outcomes" in response.context["content"].charts


def test_nothing_in_the_range(metrics_client, figures):
    observe(TASKS, [0.001], ago=60 * 24 * 10)
    response = metrics_client.get(url("operation"), {"range": "1h", "model": "testapp.note", "operation": "touch"})
    assert "Nothing in this range" in text_of(response)


def test_rollups_that_hold_nothing_draw_nothing(metrics_client, figures, monkeypatch):
    from django_clean_timestamps.metrics.queries.operations import Heat
    from django_clean_timestamps.metrics.sketch import Sketch

    module = "django_clean_timestamps.admin.dashboard.operation"
    monkeypatch.setattr(f"{module}.read_heat", lambda *asked: Heat(times=(), step_seconds=60, bounds=(), counts=()))
    monkeypatch.setattr(f"{module}.read_distribution", lambda *asked: Sketch())
    charts = metrics_client.get(url("operation"), ONE).context["content"].charts
    assert list(charts) == ["latency", "outcomes", "reasons"]


def test_never_collected_and_silent(metrics_client, figures):
    process(ago=500)
    roll_up(sampled_ago=500)
    assert "The collector is silent" in text_of(metrics_client.get(url("operation")))


def test_never_collected(metrics_client):
    assert "Nothing has been collected yet" in text_of(metrics_client.get(url("operation")))


def test_reasons_are_text_and_never_markup(admin_client, figures):
    reason(MARKUP)
    example(text=MARKUP)
    page = admin_client.get(url("operation"), ONE).content.decode()
    assert "<b>bold" not in page
    assert page.count("&lt;b&gt;bold&lt;/b&gt; &amp; co") >= 2


def test_a_reason_is_told_with_its_model_where_there_are_several(admin_client, figures):
    reason("import")
    assert "import (testapp.note)" in text_of(admin_client.get(url("operation")))
    assert "import (testapp.note)" not in text_of(admin_client.get(url("operation"), ONE))


def test_whoever_may_not_view_the_model_sees_no_reason_and_no_key(log_in, figures):
    reason("secret")
    example("4711", text="secret")
    page = log_in("view_metrics", "view_tag").get(url("operation")).content.decode()
    assert "secret" not in page
    assert "4711" not in page


def test_whoever_may_view_it_sees_both_and_their_way(log_in, figures):
    reason("import")
    example("4711", text="import")
    response = log_in("view_metrics", "view_note", "view_event").get(url("operation"), ONE)
    (row,) = response.context["examples"]
    assert row.entity_url == "/admin/testapp/note/4711/change/"
    assert row.story_url.startswith("/admin/clean_timestamps/event/?")
    assert "entity_id=4711" in row.story_url
    text = text_of(response)
    assert "testapp.note:4711 story import" in text
    assert "200 ms" in text


def test_without_the_log_there_is_no_way_to_the_story(log_in, figures):
    example("4711")
    (row,) = log_in("view_metrics", "view_note").get(url("operation"), ONE).context["examples"]
    assert row.story_url is None


def test_what_was_deleted_or_had_no_key_has_no_page(admin_client, figures):
    observe(("testapp.note", "delete", "ok", "default"), [0.001], ago=4)
    example("1", ("testapp.note", "delete", "ok", "default"))
    example("", BULK)
    roll_up()
    rows = admin_client.get(url("operation")).context["examples"]
    assert [row.entity_url for row in rows] == [None, None]
    assert [row.story_url is None for row in sorted(rows, key=lambda row: row.example.entity_id)] == [True, False]


def test_where_the_log_stands_elsewhere_there_is_no_story(admin_client, figures):
    from django.contrib import admin
    from django.test import RequestFactory

    from django_clean_timestamps.admin.dashboard.asked import read_asked
    from django_clean_timestamps.admin.dashboard.examples import story_url
    from django_clean_timestamps.eventlog.models import Event

    request = RequestFactory().get("/")
    request.user = admin_client.user
    bare, own = admin.AdminSite(name="bare"), admin.AdminSite(name="own")
    own.register(Event, admin.ModelAdmin)
    for site in (bare, own):
        assert story_url(read_asked(site, request, {}), NOTES[0], "1", "default") is None
