"""How things stand, in values that checks are given."""

from datetime import UTC, datetime

from django_clean_timestamps.delivery.status import SubscriptionStatus
from django_clean_timestamps.eventlog.status import LogStatus
from django_clean_timestamps.metrics.alerts.rules import rules_of
from django_clean_timestamps.metrics.health.limits import Limits
from django_clean_timestamps.metrics.queries.alerts import Alert
from django_clean_timestamps.metrics.queries.processes import Freshness, Process

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
LIMITS = Limits(rules_of(None))
WITHOUT = Limits(rules_of(dict.fromkeys(("oldest_event", "undelivered", "dead_events", "collector_silence"))))


def log(**values):
    return LogStatus(using="default", **values)


def shard(**values):
    return SubscriptionStatus(
        **{
            "handler": "shop.mail",
            "using": "default",
            "log_alias": "default",
            "slot_from": 0,
            "slot_to": 255,
            "cursor": 7,
            "lag_count": 0,
            "lag_seconds": None,
            "state": "active",
            "resume_at": None,
            "problem": "",
            "owner": "",
            "lease_until": None,
            "failures": 0,
            "retry_count": 0,
            "waiting_count": 0,
            "dead_count": 0,
            "replay_until": 0,
            "until": None,
            "shards_wanted": None,
            "shards_declared": 1,
            "is_orphan": False,
            **values,
        }
    )


def process(kind="web", **values):
    return Process(
        **{
            "id": 1,
            "kind": kind,
            "host": "box",
            "version": "1",
            "started_at": NOON,
            "seen_at": NOON,
            "age_seconds": 10.0,
            "skew_seconds": 0.01,
            "dropped": 0,
            **values,
        }
    )


def freshness(age_seconds):
    return Freshness(now=NOON, sampled_at=1, evaluated_at=0, age_seconds=age_seconds)


def alert(**values):
    return Alert(
        **{
            "rule": "undelivered",
            "subject": "",
            "state": "firing",
            "level": "warning",
            "since": NOON,
            "episode": 1,
            "clears_at": None,
            "updated_at": NOON,
            "value": 2_000.0,
            "threshold": 1_000.0,
            "slow_ms": None,
            "window_seconds": 0,
            "silenced_until": None,
            "silenced_by": "",
            "told": {},
            **values,
        }
    )


def figures(result):
    return {figure.key: figure.value for figure in result.figures}
