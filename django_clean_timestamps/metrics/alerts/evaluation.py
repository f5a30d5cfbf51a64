"""What every rule finds, and what becomes of the alerts, pass by pass, in the process that has the lease."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.db import IntegrityError, connections
from django.db.models import Model

from django_clean_timestamps.eventlog.transactions import own_transaction
from django_clean_timestamps.metrics.alerts.built_in import HOUR_SECONDS, Kind
from django_clean_timestamps.metrics.alerts.figures import Figures, Judged
from django_clean_timestamps.metrics.alerts.judging import Level
from django_clean_timestamps.metrics.alerts.models import AlertChange, AlertNotice, AlertState
from django_clean_timestamps.metrics.alerts.notices import Notice, owed
from django_clean_timestamps.metrics.alerts.sinks import Sink, sinks_in_force
from django_clean_timestamps.metrics.alerts.states import GAP_SECONDS, State, Status, step
from django_clean_timestamps.metrics.alerts.telling import WAIT_SECONDS, Debt, Telling, told_of
from django_clean_timestamps.metrics.alerts.wording import message_of
from django_clean_timestamps.metrics.lease import MetricsLease
from django_clean_timestamps.metrics.limits import rules_in_force
from django_clean_timestamps.metrics.sampling import SAMPLE_SECONDS
from django_clean_timestamps.metrics.store import upsert

__all__ = ["HISTORY_KEPT", "Evaluator", "state_of"]

FORGOTTEN: Final = timedelta(days=1)
"""How long an alert whose data ended stays open: an operation that is gone never comes back to say that it is over."""

HISTORY_KEPT: Final = timedelta(days=90)
"""How long changes and notices are kept."""

ROWS_AT_ONCE: Final = 2_000

_STATE: Final = tuple(field.name for field in dataclasses.fields(State))
_FIGURES: Final = ("value", "threshold", "slow_ms", "window_seconds")
_WRITTEN: Final = (*_STATE, *_FIGURES, "updated_at", "revision")

_Key = tuple[str, str]


class _Overtaken(Exception):  # noqa: N818 - a state
    """Another process has evaluated meanwhile; nothing of this evaluation is kept."""


class Evaluator:
    """
    The alerts in one database.

    Args:
        using: Its alias.
        wait_seconds: How long a pass waits for the sinks that it tells.
    """

    def __init__(self, using: str, *, wait_seconds: float = WAIT_SECONDS) -> None:
        self.using = using
        self._figures = Figures(using)
        self._telling = Telling(using, wait_seconds=wait_seconds)
        self._pruned_at = 0

    def evaluate(self, lease: MetricsLease, now: int) -> bool:
        """
        Evaluate every rule if that is due, tell what is owed, and return whether it was done.

        Changes of state are one transaction, which another evaluation in between undoes; sinks are told after it.

        Args:
            lease: The lease of this process, after samples were taken and minutes summed up.
            now: The database's time, in seconds since 1970.

        Raises:
            LeaseLost: Another process has it; nothing was changed.
            InvalidSettingError: ``ALERTS`` cannot be used; nothing was changed.
            Error: The database could not do it now.
        """
        self._telling.settle()
        # In step with the samples, also where passes are more frequent.
        if now // SAMPLE_SECONDS <= lease.evaluated_at // SAMPLE_SECONDS:
            return False
        rows = {_key_of(row): row for row in AlertState.objects.using(self.using).order_by("pk")}
        try:
            self._step(lease, rows, now)
        except (_Overtaken, IntegrityError):
            return False
        self._prune(now)
        self._telling.tell(self._owed(list(rows.values()), datetime.fromtimestamp(now, UTC)))
        return True

    def _step(self, lease: MetricsLease, rows: dict[_Key, AlertState], now: int) -> None:
        """Bring every alert to what it is in now; ``rows`` then holds what is written, and those that are new."""
        moment = datetime.fromtimestamp(now, UTC)
        known, new, changes = [], [], []
        for key, judged in self._judged(lease, rows, now):
            row = rows.get(key)
            before = None if row is None else state_of(row)
            after = self._next(before, judged, moment)
            if _is_at_rest(before, after):
                continue
            if row is None:
                row = AlertState(rule=key[0], subject=key[1])
                new.append(row)
            else:
                known.append(row)
            _write(row, after, judged, moment)
            if (after.episode, after.version) != ((0, 0) if before is None else (before.episode, before.version)):
                changes.append(_change_of(row))
        with own_transaction(connections[self.using]):
            self._write_known(known)
            # In one order for all processes.
            AlertState.objects.using(self.using).bulk_create(sorted(new, key=_key_of))
            AlertChange.objects.using(self.using).bulk_create(changes)
            lease.note(evaluated_at=now)
        rows |= {_key_of(row): row for row in self._read_back(new)}

    def _judged(self, lease: MetricsLease, rows: Mapping[_Key, AlertState], now: int) -> Iterator[tuple[_Key, Judged]]:
        rules = rules_in_force()
        judged = self._figures.judge(rules, lease, now)
        yield from judged.items()
        by_name = {rule.name: rule for rule in rules}
        for name, subject in rows.keys() - judged.keys():
            if name in by_name:
                yield (name, subject), self._figures.judge_missing(by_name[name], subject)

    def _next(self, before: State | None, judged: Judged, moment: datetime) -> State:
        rule, verdict = judged
        # On SQLite it is at the end of requests, which may be far apart.
        gap_seconds = HOUR_SECONDS if connections[self.using].vendor == "sqlite" else GAP_SECONDS
        after = step(before, verdict, now=moment, rule=rule, gap_seconds=gap_seconds)
        if after.state is Status.NO_DATA and after.is_open and moment - after.since >= FORGOTTEN:
            return step(
                before, verdict, now=moment, rule=dataclasses.replace(rule, enabled=False), gap_seconds=gap_seconds
            )
        return after

    def _write_known(self, rows: Sequence[AlertState]) -> None:
        """Write rows that nobody else has written since they were read."""
        states = AlertState.objects.using(self.using).filter(pk__in=[row.pk for row in rows])
        locked = states.select_for_update().order_by("pk").values_list("pk", "revision")
        if rows and dict(locked) != {row.pk: row.revision - 1 for row in rows}:
            raise _Overtaken
        upsert(self.using, rows, unique=["rule", "subject"], update=_WRITTEN)

    def _read_back(self, new: Sequence[AlertState]) -> list[AlertState]:
        """Return new rows with their keys, which not every database gives back."""
        if not new:
            return []
        rows = AlertState.objects.using(self.using).filter(subject__in={row.subject for row in new})
        wanted = set(map(_key_of, new))
        return [row for row in rows if _key_of(row) in wanted]

    def _owed(self, rows: Sequence[AlertState], moment: datetime) -> dict[Sink, list[Debt]]:
        notices = list(_notices(rows, moment))
        figures = self._figures_of([row for _, row, _ in notices])
        found: dict[Sink, list[Debt]] = {}
        for sink, row, notice in notices:
            at = (row.rule, row.subject, row.episode, row.version)
            found.setdefault(sink, []).append(Debt(row.pk, notice, message_of(notice, figures.get(at))))
        return found

    def _figures_of(self, rows: Sequence[AlertState]) -> dict[tuple[Any, ...], AlertChange]:
        """Return the changes that brought alerts to where they are: what is told of them again must be the same."""
        if not rows:
            return {}
        changes = AlertChange.objects.using(self.using).filter(
            subject__in={row.subject for row in rows}, episode__in={row.episode for row in rows}
        )
        return {(each.rule, each.subject, each.episode, each.version): each for each in changes}

    def _prune(self, now: int) -> None:
        """Delete what is old of changes and notices, some rows at a time, once an hour."""
        if now - self._pruned_at < HOUR_SECONDS:
            return
        before = datetime.fromtimestamp(now, UTC) - HISTORY_KEPT
        old: dict[type[Model], str] = {AlertChange: "changed_at__lt", AlertNotice: "tried_at__lt"}
        is_done = True
        for model, name in old.items():
            rows: Any = model._base_manager.using(self.using)
            keys = list(rows.filter(**{name: before}).order_by("pk").values_list("pk", flat=True)[:ROWS_AT_ONCE])
            if keys:
                is_done = is_done and len(keys) < ROWS_AT_ONCE
                with own_transaction(connections[self.using]):
                    rows.filter(pk__in=keys).delete()
        if is_done:
            self._pruned_at = now


def state_of(row: AlertState) -> State:
    """Return what the alert of a row is in."""
    values = {name: getattr(row, name) for name in _STATE}
    return State(**{**values, "state": Status(row.state), "level": Level(row.level)})


def _key_of(row: AlertState) -> _Key:
    return row.rule, row.subject


def _is_at_rest(before: State | None, after: State) -> bool:
    """Say whether nothing is found and nothing was: that is not written, so that a healthy project writes nothing."""
    if after.is_open or after.state not in (Status.OK, Status.NO_DATA):
        return False
    if before is None:
        return True
    return dataclasses.replace(after, evaluated_at=before.evaluated_at, data_version=before.data_version) == before


def _write(row: AlertState, state: State, judged: Judged, moment: datetime) -> None:
    for name in _STATE:
        setattr(row, name, getattr(state, name))
    rule, verdict = judged
    factor = 1 if rule.kind is Kind.GAUGE else 100
    row.value = None if verdict.value is None else verdict.value * factor
    row.threshold = None if verdict.limit is None else verdict.limit * factor
    row.slow_ms = None
    if rule.kind is Kind.SHARE:
        row.slow_ms = rule.critical if verdict.level is Level.CRITICAL or rule.warning is None else rule.warning
    row.window_seconds = verdict.window_seconds
    row.updated_at = moment
    row.revision += 1


def _change_of(row: AlertState) -> AlertChange:
    names = ("rule", "subject", "episode", "version", "state", "level", *_FIGURES)
    return AlertChange(changed_at=row.changed_at, **{name: getattr(row, name) for name in names})


def _notices(rows: Sequence[AlertState], moment: datetime) -> Iterator[tuple[Sink, AlertState, Notice]]:
    sinks = sinks_in_force()
    for row in rows:
        state = state_of(row)
        for sink in sinks:
            notice = owed(
                state,
                told_of(row, sink.name),
                rule=row.rule,
                subject=row.subject,
                silenced_until=row.silenced_until,
                now=moment,
            )
            if notice is not None:
                yield sink, row, notice
