"""What OpenTelemetry's own reader is told, and by whom."""

import importlib
import sys
from datetime import timedelta

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from django_clean_timestamps.eventlog.fields import DatabaseNow, database_now
from django_clean_timestamps.metrics.exporters import opentelemetry as module
from django_clean_timestamps.metrics.exporters.extras import ExtraMissing
from django_clean_timestamps.metrics.exporters.gauges import GAUGES
from django_clean_timestamps.metrics.exporters.opentelemetry import Source, export_to_opentelemetry
from django_clean_timestamps.metrics.lease import take_lease
from django_clean_timestamps.metrics.models import MetricLease
from django_clean_timestamps.metrics.recording import RECORDER
from django_clean_timestamps.metrics.sketch import LE_BOUNDS
from tests.metrics.exporters.observed import (
    EVERY,
    alert,
    living,
    metrics_out_of_reach,
    observe_at_random,
    sample,
)
from tests.metrics.figures import MIDNIGHT

pytestmark = pytest.mark.django_db

NAMES = ("model", "operation", "outcome", "database")


@pytest.fixture
def reader():
    reader = InMemoryMetricReader()
    provider = MeterProvider(metric_readers=[reader], shutdown_on_exit=False)
    export_to_opentelemetry(provider)
    yield reader
    provider.shutdown()


def hold_lease():
    """Let this process hold the lease, whoever held it."""
    MetricLease.objects.update(lease_until=DatabaseNow() - timedelta(seconds=1))
    assert take_lease("default", RECORDER.writer)


def told(reader):
    """Return the values by instrument and attributes."""
    data = reader.get_metrics_data()
    if data is None:
        return {}
    return {
        (metric.name.removeprefix("clean_timestamps."), frozenset(point.attributes.items())): point.value
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        for point in metric.data.data_points
    }


def one(values, name, **attributes):
    return values[name, frozenset(attributes.items())]


def test_every_figure_of_operations_is_that_of_the_observations(reader):
    observed = observe_at_random()
    hold_lease()
    values = told(reader)
    for series in EVERY:
        attributes = dict(zip(NAMES, series, strict=True))
        seconds = observed.seconds[series]
        assert one(values, "operations", **attributes) == len(seconds)
        assert one(values, "operation.rows", **attributes) == observed.rows[series]
        assert one(values, "operation.time", **attributes) == pytest.approx(sum(seconds), abs=1e-6)
        for bound in LE_BOUNDS:
            at_most = sum(each <= bound for each in seconds)
            assert one(values, "operation.buckets", **attributes, le=bound) == at_most


def test_every_gauge_is_told_of(reader):
    hold_lease()
    living(1, "web")
    alert(state="firing", level="warning")
    sample(MIDNIGHT, kind="log", waiting=3, position=40)
    sample(MIDNIGHT, handler="shop.mail", database="default", state="active", waiting=7, dead=2)
    values = told(reader)
    assert one(values, "log.pending", log="default") == 3
    assert one(values, "subscription.waiting", log="default", handler="shop.mail", database="default") == 7
    assert one(values, "processes", kind="web") == 1
    assert {name for name, _ in values} == {gauge.name for gauge in GAUGES}


def test_units_are_those_of_ucum(reader):
    observe_at_random()
    hold_lease()
    (scope,) = reader.get_metrics_data().resource_metrics[0].scope_metrics
    units = {metric.name: metric.unit for metric in scope.metrics}
    assert units["clean_timestamps.operations"] == "{operation}"
    assert units["clean_timestamps.operation.time"] == units["clean_timestamps.clock_skew"] == "s"
    assert units["clean_timestamps.processes"] == "1"
    assert scope.scope.name == "django_clean_timestamps"


def test_who_does_not_hold_the_lease_tells_nothing(reader):
    observe_at_random()
    assert MetricLease.objects.get().owner != RECORDER.writer
    assert told(reader) == {}


def test_a_lease_that_ran_out_is_none(reader):
    hold_lease()
    MetricLease.objects.update(lease_until=database_now("default") - timedelta(seconds=1))
    assert told(reader) == {}


def test_of_two_processes_one_tells(reader):
    observe_at_random()
    hold_lease()
    assert told(reader)
    MetricLease.objects.update(owner=RECORDER.writer + 1)
    assert Source().snapshot() is None


def test_tables_out_of_reach_disturb_nobody(reader, caplog):
    with metrics_out_of_reach():
        assert told(reader) == {}
    assert caplog.text.count("Metrics cannot be exported now") == 1


def test_all_instruments_of_a_collection_share_what_was_read(reader, django_assert_num_queries):
    observe_at_random()
    hold_lease()
    # The lease, the clock, the nine of a snapshot, and the savepoint in a test's transaction.
    with django_assert_num_queries(12):
        told(reader)


def test_what_was_read_is_read_again_for_the_next_collection():
    time = 100.0
    source = Source(lambda: time)
    hold_lease()
    first = source.snapshot()
    assert first is not None
    time += module.FRESH_SECONDS
    assert source.snapshot() is first
    time += 0.1
    assert source.snapshot() is not first


def test_without_a_provider_the_global_one_is_taken(monkeypatch):
    reader = InMemoryMetricReader()
    provider = MeterProvider(metric_readers=[reader], shutdown_on_exit=False)
    monkeypatch.setattr(module, "get_meter_provider", lambda: provider)
    export_to_opentelemetry()
    hold_lease()
    assert one(told(reader), "processes", kind="relay") == 0
    provider.shutdown()


def test_without_opentelemetry_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "opentelemetry.metrics", None)
    monkeypatch.delitem(sys.modules, "django_clean_timestamps.metrics.exporters.opentelemetry")
    with pytest.raises(ExtraMissing, match=r"pip install 'django-clean-timestamps\[opentelemetry\]'"):
        importlib.import_module("django_clean_timestamps.metrics.exporters.opentelemetry")
