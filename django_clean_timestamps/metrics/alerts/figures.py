"""The figures that rules judge, read from the metrics' tables."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

from django.db.models import Max

from django_clean_timestamps.delivery.registry import get_handlers
from django_clean_timestamps.metrics.alerts.built_in import HOUR_SECONDS, Kind, Rule
from django_clean_timestamps.metrics.alerts.judging import Level, Minute, Verdict, judge_gauge, judge_minutes
from django_clean_timestamps.metrics.alerts.rules import threshold_of
from django_clean_timestamps.metrics.lease import MetricsLease
from django_clean_timestamps.metrics.minutes import MINUTE
from django_clean_timestamps.metrics.models import MetricRollup, MetricSample, MetricWriter, Tier
from django_clean_timestamps.metrics.queries.backlog import Standing, read_standings
from django_clean_timestamps.metrics.series import ALL, SINGLE_ROW_OPERATIONS
from django_clean_timestamps.metrics.sketch import Sketch
from django_clean_timestamps.metrics.store import SeriesIds
from django_clean_timestamps.probes import INVALID, OK, Series

__all__ = ["ONE", "Figures", "Judged", "rule_for", "subject_of"]

ONE: Final = "all"
"""The subject of a rule that has one alert in all."""


class Judged(NamedTuple):
    """What a subject's figures mean, and the rule as it is for this subject."""

    rule: Rule
    verdict: Verdict


class _Counts(NamedTuple):
    """One series in one minute, and the thresholds that it was counted by; None where by none or several."""

    minute: Minute
    warning: float | None
    critical: float | None


def subject_of(model: str, operation: str, database: str) -> str:
    """Return the subject of an operation's latency: of names alone, never of what a user has typed."""
    return f"{model}/{operation}/{database}"


def rule_for(rule: Rule, subject: str) -> Rule:
    """Return a rule with the thresholds of one subject; switched off where there are none for it."""
    if rule.kind is not Kind.SHARE:
        return rule
    threshold = threshold_of(rule, subject.split("/", 2)[1])
    if threshold is None:
        return dataclasses.replace(rule, enabled=False)
    is_any = threshold.warning is not None or threshold.critical is not None
    return dataclasses.replace(
        rule, warning=threshold.warning, critical=threshold.critical, enabled=rule.enabled and is_any
    )


class Figures:
    """
    The figures in one database. What cannot change any more is read once: minutes that are closed.

    Args:
        using: Its alias.
    """

    def __init__(self, using: str) -> None:
        self.using = using
        self._ids = SeriesIds(using)
        self._minutes: dict[int, dict[int, _Counts]] = {}
        self._closed_before = 0

    def judge(self, rules: Sequence[Rule], lease: MetricsLease, now: int) -> dict[tuple[str, str], Judged]:
        """
        Return what the figures of every subject that has any mean, by rule and subject.

        At most four statements, however many series there are.

        Args:
            rules: Those that are switched on are judged.
            lease: Knows which minutes are closed, and when samples were taken.
            now: The database's time, in seconds since 1970.
        """
        self._read_minutes(lease, now)
        names = self._ids.names(self._minutes)
        standings = [each for each in read_standings(self.using, lease.sampled_at) if _counts_for_alerts(each)]
        moment = datetime.fromtimestamp(now, UTC)
        found: dict[tuple[str, str], Judged] = {}
        for rule in rules:
            if not rule.enabled:
                continue
            if rule.kind is Kind.GAUGE:
                sampled_at = moment if rule.is_silence else datetime.fromtimestamp(lease.sampled_at, UTC)
                value = self._silence(moment) if rule.is_silence else _gauge(rule.name, standings)
                found[rule.name, ONE] = Judged(rule, judge_gauge(rule, value, sampled_at=sampled_at))
                continue
            subjects = self._latencies(rule, names) if rule.kind is Kind.SHARE else self._refusals(names)
            for subject, minutes in subjects:
                adjusted = rule_for(rule, subject)
                found[rule.name, subject] = Judged(adjusted, judge_minutes(adjusted, minutes, now=moment))
        return found

    def judge_missing(self, rule: Rule, subject: str) -> Judged:
        """Return what it means that a subject has no figures any more."""
        return Judged(rule_for(rule, subject), Verdict(level=Level.NO_DATA))

    def _read_minutes(self, lease: MetricsLease, now: int) -> None:
        oldest = now - now % MINUTE - HOUR_SECONDS
        rows = MetricRollup.objects.using(self.using).filter(
            tier=Tier.MINUTE, start__gte=max(oldest, self._closed_before)
        )
        for number, start, count, data in rows.values_list("series_id", "start", "count", "sketch"):
            self._minutes.setdefault(number, {})[start] = _counts(start, count, data)
        self._closed_before = lease.closed_before
        for number, minutes in list(self._minutes.items()):
            for start in [start for start in minutes if start < oldest]:
                del minutes[start]
            if not minutes:
                del self._minutes[number]

    def _latencies(self, rule: Rule, names: Mapping[int, Series]) -> Iterator[tuple[str, list[Minute]]]:
        """Yield the minutes of operations that went well, as the pages have it: to be refused at once is not fast."""
        for number, minutes in self._minutes.items():
            model, operation, outcome, database = names[number]
            if outcome != OK or model == ALL:
                continue
            subject = subject_of(model, operation, database)
            adjusted = rule_for(rule, subject)
            if adjusted.enabled:
                warning, critical = _seconds(adjusted.warning), _seconds(adjusted.critical)
                # Counted by other thresholds, or by several: nobody knows how many were over these.
                yield (
                    subject,
                    [
                        counts.minute
                        for _, counts in sorted(minutes.items())
                        if warning in (None, counts.warning) and critical in (None, counts.critical)
                    ],
                )

    def _refusals(self, names: Mapping[int, Series]) -> Iterator[tuple[str, list[Minute]]]:
        """Yield how many operations on single rows of each model there were, and how many of them were refused."""
        models: dict[str, dict[datetime, list[int]]] = {}
        for number, minutes in self._minutes.items():
            model, operation, outcome, _ = names[number]
            if model != ALL and operation in SINGLE_ROW_OPERATIONS:
                of_model = models.setdefault(model, {})
                for counts in minutes.values():
                    summed = of_model.setdefault(counts.minute.start, [0, 0])
                    summed[0] += counts.minute.total if outcome == INVALID else 0
                    summed[1] += counts.minute.total
        for model, by_start in models.items():
            yield (
                model,
                [
                    Minute(start=start, bad_warning=bad, bad_critical=bad, total=total)
                    for start, (bad, total) in sorted(by_start.items())
                ],
            )

    def _silence(self, moment: datetime) -> float | None:
        """Return for how long no process has given a sign of life, None where none ever has."""
        seen_at = MetricWriter.objects.using(self.using).aggregate(last=Max("seen_at"))["last"]
        return None if seen_at is None else max(0.0, (moment - seen_at).total_seconds())


def _counts(start: int, count: int, data: bytes | memoryview) -> _Counts:
    sketch = Sketch.from_bytes(bytes(data))
    minute = Minute(
        start=datetime.fromtimestamp(start, UTC),
        bad_warning=sketch.over_warning or 0,
        bad_critical=sketch.over_critical or 0,
        total=count,
    )
    return _Counts(minute, sketch.warning, sketch.critical)


def _counts_for_alerts(standing: Standing) -> bool:
    """
    Say whether nothing explains how far behind it is.

    A log that no handler hears is read by the feed, which sequences it when somebody asks, or by nobody.
    """
    if standing.kind == MetricSample.Kind.LOG:
        return any(handler.hears_log(standing.log_alias) for handler in get_handlers().values())
    return standing.raises_alarm


def _gauge(name: str, standings: Sequence[Standing]) -> float | None:
    """Return the worst figure of the logs and subscriptions whose state explains nothing, None where there is none."""
    if not standings:
        return None
    if name == "undelivered":
        return max(each.waiting for each in standings)
    if name == "oldest_event":
        return max(each.oldest_seconds or 0.0 for each in standings)
    return sum(each.dead for each in standings)


def _seconds(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1_000
