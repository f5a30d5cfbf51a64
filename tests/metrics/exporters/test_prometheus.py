"""Every figure that Prometheus is given, held against the observations that it was made of."""

import importlib
import math
import sys
from datetime import timedelta

import pytest
from django.db import connection
from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse

from django_clean_timestamps.eventlog.fields import database_now
from django_clean_timestamps.metrics.exporters.extras import ExtraMissing
from django_clean_timestamps.metrics.exporters.prometheus import exposition, register_collector
from django_clean_timestamps.metrics.exporters.snapshot import read_snapshot
from django_clean_timestamps.metrics.models import MetricLease
from django_clean_timestamps.metrics.sketch import LE_BOUNDS
from tests.metrics.exporters.observed import EVERY, alert, living, metrics_out_of_reach, observe_at_random, sample
from tests.metrics.figures import MIDNIGHT

pytestmark = pytest.mark.django_db

OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8, text/plain;q=0.5"
NAMES = ("model", "operation", "outcome", "database")


def exposed(accept=""):
    """Return all samples by name and labels, as a scraper reads them."""
    text = exposition(read_snapshot("default"), accept)[0].decode()
    return samples_of((parse_openmetrics if accept else parse)(text))


def samples_of(families):
    found = {}
    for family in families:
        for each in family.samples:
            key = (each.name.removeprefix("clean_timestamps_"), frozenset(each.labels.items()))
            assert key not in found
            found[key] = each.value
    return found


def one(samples, name, **labels):
    return samples[name, frozenset(labels.items())]


def test_every_figure_of_operations_is_that_of_the_observations():
    observed = observe_at_random()
    for accept in ("", OPENMETRICS):
        samples = exposed(accept)
        for series in EVERY:
            labels = dict(zip(NAMES, series, strict=True))
            seconds = observed.seconds[series]
            buckets = {
                float(dict(found)["le"]): value
                for (name, found), value in samples.items()
                if name == "operation_duration_seconds_bucket" and labels.items() <= dict(found).items()
            }
            assert buckets == {bound: sum(each <= bound for each in seconds) for bound in (*LE_BOUNDS, math.inf)}
            assert one(samples, "operation_duration_seconds_count", **labels) == len(seconds)
            assert one(samples, "operation_duration_seconds_sum", **labels) == pytest.approx(sum(seconds), abs=1e-6)
            assert one(samples, "operation_rows_total", **labels) == observed.rows[series]
        assert one(samples, "counted_until_timestamp_seconds") == MIDNIGHT + 180
        assert sum(name == "operation_duration_seconds_count" for name, _ in samples) == len(EVERY)


def test_a_log_is_told_of_as_it_was_last_sampled():
    sample(MIDNIGHT - 15, kind="log", waiting=99, position=1)
    sample(MIDNIGHT, kind="log", waiting=3, oldest_seconds=1.5, position=40)
    sample(MIDNIGHT, kind="log", log_alias="other", position=2)
    samples = exposed()
    for log, figures in {"default": (3, 1.5, 40), "other": (0, 0, 2)}.items():
        names = ("log_pending_events", "log_oldest_pending_seconds", "log_head")
        assert tuple(one(samples, name, log=log) for name in names) == figures


def test_a_subscription_is_told_of_as_it_was_last_sampled():
    names = {"handler": "shop.mail", "database": "default"}
    sample(MIDNIGHT, **names, state="paused", waiting=7, oldest_seconds=12.5, position=33, parked=4, dead=2)
    samples = exposed()
    figures = {
        "waiting_events": 7,
        "oldest_waiting_seconds": 12.5,
        "position": 33,
        "parked_events": 4,
        "dead_events": 2,
    }
    for name, value in figures.items():
        assert one(samples, f"subscription_{name}", log="default", **names) == value
    states = {dict(labels)["state"]: value for (name, labels), value in samples.items() if name == "subscription_state"}
    assert states == {"active": 0, "backing_off": 0, "paused": 1, "replaying": 0, "orphan": 0}


def test_alerts_are_told_of_by_the_level_that_they_fire_with():
    soon = database_now("default") + timedelta(hours=1)
    alert(rule="latency", subject="shop.order update", state="firing", level="critical", silenced_until=soon)
    alert(rule="dead_events", state="pending", level="warning", silenced_until=soon - timedelta(hours=2))
    samples = exposed()
    firing = {labels: value for (name, labels), value in samples.items() if name == "alert_firing"}
    assert len(firing) == 4
    slow = {"rule": "latency", "subject": "shop.order update"}
    assert [labels for labels, value in firing.items() if value] == [frozenset({**slow, "level": "critical"}.items())]
    assert one(samples, "alert_silenced", **slow) == 1
    assert one(samples, "alert_silenced", rule="dead_events", subject="") == 0


def test_processes_and_the_age_of_the_data_are_told_of():
    living(1, "web", skew_seconds=-0.25)
    assert ("data_age_seconds", frozenset()) not in exposed()
    sample(MIDNIGHT)
    samples = exposed()
    assert one(samples, "processes", kind="web") == 1
    assert one(samples, "processes", kind="worker") == 0
    assert one(samples, "clock_skew_seconds") == 0.25
    assert one(samples, "data_age_seconds") == pytest.approx(read_snapshot("default").freshness.age_seconds, abs=60)
    assert one(samples, "up") == 1


def test_openmetrics_is_given_to_those_who_ask_for_it():
    snapshot = read_snapshot("default")
    plain, plain_type = exposition(snapshot, "*/*")
    openmetrics, openmetrics_type = exposition(snapshot, OPENMETRICS)
    assert plain_type.startswith("text/plain; version=0.0.4")
    assert openmetrics_type.startswith("application/openmetrics-text; version=1.0.0")
    assert openmetrics.endswith(b"# EOF\n")
    assert b"# EOF" not in plain


def test_names_units_and_kinds_are_as_prometheus_wants_them():
    text = exposition(read_snapshot("default"), OPENMETRICS)[0].decode()
    for family in parse_openmetrics(text):
        assert family.name.startswith("clean_timestamps_")
        assert family.documentation.endswith(".")
        if family.unit:
            assert family.name.endswith(f"_{family.unit}")
    assert "# TYPE clean_timestamps_operation_duration_seconds histogram" in text
    assert "# UNIT clean_timestamps_operation_duration_seconds seconds" in text
    assert "# TYPE clean_timestamps_operation_rows counter" in text


def test_a_registry_of_the_projects_own_serves_them_beside_the_projects():
    observe_at_random()
    registry = CollectorRegistry(auto_describe=True)
    Counter("shop_orders", "Orders.", registry=registry).inc(3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connection, "cursor", None)
        # No database is asked before the first scrape.
        collector = register_collector(registry)
    with pytest.raises(ValueError, match="clean_timestamps_up"):
        register_collector(registry)
    samples = samples_of(parse(generate_latest(registry).decode()))
    assert one(samples, "shop_orders_total") == 3
    assert one(samples, "up") == 1
    assert any(name == "operation_rows_total" for name, _ in samples)
    registry.unregister(collector)
    assert "clean_timestamps" not in generate_latest(registry).decode()


def test_a_database_that_is_down_does_not_disturb_the_projects_own_scrape():
    registry = CollectorRegistry()
    Counter("shop_orders", "Orders.", registry=registry).inc(3)
    register_collector(registry)
    with metrics_out_of_reach():
        samples = samples_of(parse(generate_latest(registry).decode()))
    assert one(samples, "shop_orders_total") == 3
    assert one(samples, "up") == 0
    assert not any(name.startswith("operation") for name, _ in samples)


def test_scraping_changes_nothing():
    observe_at_random()
    before = MetricLease.objects.values().get()
    assert exposed() == exposed()
    assert MetricLease.objects.values().get() == before


def test_without_prometheus_client_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    monkeypatch.delitem(sys.modules, "django_clean_timestamps.metrics.exporters.prometheus")
    with pytest.raises(ExtraMissing, match=r"pip install 'django-clean-timestamps\[prometheus\]'"):
        importlib.import_module("django_clean_timestamps.metrics.exporters.prometheus")
