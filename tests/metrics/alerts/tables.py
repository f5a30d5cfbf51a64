"""Figures in the tables, and passes over them as the holder of the lease makes them."""

from contextlib import contextmanager
from datetime import UTC, datetime

from django_clean_timestamps.metrics.alerts.evaluation import Evaluator
from django_clean_timestamps.metrics.lease import take_lease
from django_clean_timestamps.metrics.models import MetricRollup, MetricSample, MetricWriter
from django_clean_timestamps.metrics.sketch import Sketch
from django_clean_timestamps.signals import timestamp_alert
from tests.metrics.figures import MIDNIGHT, number_of

NOON = MIDNIGHT + 43_200
SAVE = ("shop.order", "update", "ok", "default")
REFUSED = ("shop.order", "update", "invalid", "default")
LATENCY = ("latency", "shop.order/update/default")


def moment(seconds):
    return datetime.fromtimestamp(seconds, UTC)


def roll_up(start, series=SAVE, *, fast=0, slow=0, warning=0.005, critical=0.010, seconds=0.007):
    """Write what was seen of a series in the minute that a moment is in."""
    sketch = Sketch(warning=warning, critical=critical)
    sketch.extend([0.001] * fast + [seconds] * slow)
    MetricRollup.objects.update_or_create(
        tier=60,
        series_id=number_of(series),
        start=start - start % 60,
        defaults={
            "count": sketch.count,
            "row_count": sketch.count,
            "total_seconds": sketch.sum,
            "over_warning": sketch.over_warning,
            "over_critical": sketch.over_critical,
            "sketch": sketch.to_bytes(),
        },
    )


def sample(start, *, handler="shop.mail", state="active", waiting=0, oldest=None, dead=0):
    """Write how a handler, or with no name the log, stood."""
    MetricSample.objects.update_or_create(
        tier=0,
        start=start - start % 15,
        kind="subscription" if handler else "log",
        log_alias="default",
        handler=handler,
        database="default" if handler else "",
        defaults={"state": state, "waiting": waiting, "oldest_seconds": oldest, "position": 1, "dead": dead},
    )


def beat(seconds, writer=1):
    MetricWriter.objects.update_or_create(
        id=writer, defaults={"kind": "web", "host": "a", "version": "1", "seen_at": moment(seconds)}
    )


class House:
    """A process that has the lease, and a clock that stands still between its passes."""

    def __init__(self, now=NOON, owner=1, using="default"):
        self.now = now
        self.owner = owner
        self.using = using
        # A sink that is told is always waited for here, so that nothing depends on how fast it is.
        self.evaluator = Evaluator(using, wait_seconds=30)

    def evaluate(self):
        lease = take_lease(self.using, self.owner)
        lease.sampled_at = self.now - self.now % 15
        return self.evaluator.evaluate(lease, self.now)

    def passes(self, times, *, seconds=15, **figures):
        """Make passes, each after so many seconds; with figures every one of them samples a handler so."""
        for _ in range(times):
            self.now += seconds
            beat(self.now)
            if figures:
                sample(self.now, **figures)
            assert self.evaluate()


class Hearing:
    """A receiver of ``timestamp_alert`` that fails as long as it is told to."""

    def __init__(self):
        self.heard = []
        self.error = None

    def __call__(self, alert, **kwargs):
        if self.error is not None:
            raise self.error
        self.heard.append(alert)

    @property
    def keys(self):
        return [alert.key for alert in self.heard]


@contextmanager
def receiving(receiver=None):
    receiver = receiver or Hearing()
    # Django logs a receiver that fails by its name, which an object has none of.
    method = receiver.__call__
    timestamp_alert.connect(method, weak=False)
    try:
        yield receiver
    finally:
        timestamp_alert.disconnect(method)
