"""What the demo shows on the dashboard: made figures that say so, and somebody at work."""

import random
import threading

import pytest
from django.core.management import call_command

from demo.made_history import HOST, MINUTES, make_history
from demo.traffic import ACTIONS, running_traffic, use_once
from django_clean_timestamps.eventlog.fields import database_now
from django_clean_timestamps.metrics.keeping import Keeper
from django_clean_timestamps.metrics.models import MetricMinute, MetricRollup, MetricWriter
from django_clean_timestamps.metrics.queries.filters import parse_filters
from django_clean_timestamps.metrics.queries.rows import read_series
from django_clean_timestamps.metrics.queries.trends import read_trend
from django_clean_timestamps.testing import capture_events

pytestmark = pytest.mark.django_db(databases="__all__")


def test_a_new_demo_begins_with_some_minutes_of_made_figures() -> None:
    assert make_history() == MINUTES
    assert set(MetricMinute.objects.values_list("writer_id", flat=True)) == {MetricWriter.objects.get(host=HOST).pk}
    assert Keeper(1, "default").keep()
    series = read_series("default")
    filters = parse_filters({"range": "1h"}, now=database_now("default"), series=series.values())
    trend = read_trend("default", filters, series)
    found = [value for value in trend.p95 if value is not None]
    assert len(found) >= MINUTES - 2
    # A worse while is among them.
    assert max(found) > 2 * min(found)


def test_where_there_are_figures_none_are_made() -> None:
    make_history()
    Keeper(1, "default").keep()
    before = MetricRollup.objects.count()
    assert make_history() == 0
    assert MetricRollup.objects.count() == before


@pytest.mark.parametrize("chosen", ACTIONS)
def test_whatever_is_done_leaves_its_reason(chosen: object, monkeypatch: pytest.MonkeyPatch) -> None:
    call_command("seed", verbosity=0)
    chance = random.Random(1)
    monkeypatch.setattr(chance, "choices", lambda actions, weights: [chosen])
    with capture_events() as events:
        for _ in range(8):
            use_once(chance)
    assert {event.actor for event in events} <= {"demo traffic"}
    assert bool(events) == (chosen is not ACTIONS[-1])


def test_somebody_works_as_long_as_the_demo_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    done = threading.Semaphore(0)
    monkeypatch.setattr("demo.traffic.use_once", lambda chance: done.release())
    monkeypatch.setattr("demo.traffic.PAUSE_SECONDS", 0.001)
    with running_traffic():
        for _ in range(3):
            assert done.acquire(timeout=20)
    assert "demo traffic" not in {thread.name for thread in threading.enumerate()}
