"""A day of an application, from what its processes write to what is told."""

import random

import pytest

from benchmarks.alerts import _poisson
from django_clean_timestamps.metrics.alerts.evaluation import Evaluator
from django_clean_timestamps.metrics.lease import take_lease
from django_clean_timestamps.metrics.models import MetricMinute
from django_clean_timestamps.metrics.rollups import Rollups
from tests.metrics.alerts.tables import NOON, beat, sample
from tests.metrics.figures import MIDNIGHT, write_minute

# A minute's work on a server, which the tables are no others on.
pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]

RATE = 20
"""Operations a minute."""
TYPICAL = 0.02
EVERY = 3
"""Minutes from pass to pass: a quiet day's requests on SQLite."""
JUMP = range(13 * 60, 14 * 60)
"""The minutes of the day in which every second operation is slow."""


def test_a_day_tells_of_its_one_jump_and_of_its_end_and_of_nothing_else(hearing):
    rng = random.Random(1)
    rollups, evaluator = Rollups("default"), Evaluator("default", wait_seconds=30)
    for minute in range(24 * 60):
        now = MIDNIGHT + minute * 60 + 45
        share = 0.5 if minute in JUMP else TYPICAL
        slow = _poisson(rng, RATE * share)
        seen = [0.007] * slow + [0.001] * _poisson(rng, RATE * (1 - share))
        if seen:
            write_minute(MIDNIGHT + minute * 60, ("shop.order", "update", "ok", "default"), seen)
        if minute % EVERY:
            continue
        lease = take_lease("default", 1)
        rollups.roll_up(lease, now)
        lease.sampled_at = now
        sample(now, waiting=slow)
        beat(now)
        evaluator.evaluate(lease, now)
        MetricMinute.objects.filter(start__lt=now - 900).delete()
    begun, over = hearing.heard
    assert (begun.key, begun.level) == ("latency/shop.order/update/default/1.1.1/firing", "warning")
    assert over.key == "latency/shop.order/update/default/1.2.2/ok"
    jump = NOON + 3_600
    assert 0 < begun.changed_at.timestamp() - jump < 1_200
    assert 600 <= over.changed_at.timestamp() - (jump + 3_600) < 3_600
