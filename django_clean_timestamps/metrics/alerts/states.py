"""What becomes of an alert over time: ok, pending, firing, no data."""

from __future__ import annotations

import dataclasses
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from django_clean_timestamps.metrics.alerts.built_in import Rule
from django_clean_timestamps.metrics.alerts.judging import Level, Verdict

__all__ = ["GAP_SECONDS", "State", "Status", "step"]

GAP_SECONDS: Final = 180
"""Three evaluations missed where they are rarest, once a minute; any longer, and nobody knows what was meanwhile."""


class Status(StrEnum):
    """What an alert is in."""

    OK = "ok"
    PENDING = "pending"
    """It was found, but not often enough yet."""
    FIRING = "firing"
    NO_DATA = "no_data"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """
    One subject's alert as it stands. Times are aware; made with ``since`` alone it is a new one.

    Attributes:
        state: What it is in.
        level: What it fires with; what it fired with where its data ended; ok where it is over or never was.
        since: When it came into the state.
        episode: How many times it has fired; a number stays that of one firing, from its start until it is ok.
        version: How many times what there is to tell of the episode has changed.
        changed_at: When it last did, None where it never has.
        bad_count: How many evaluations with new data in a row have found it, at most what the rule asks for.
        critical_count: How many of those at their end have found it critical.
        bad_at: When it was last found.
        critical_at: When it was last found critical.
        clears_at: When it could be over, None where it does not fire or is found still.
        evaluated_at: When it was last evaluated.
        data_version: That of the last data seen.
    """

    state: Status = Status.OK
    level: Level = Level.OK
    since: datetime
    episode: int = 0
    version: int = 0
    changed_at: datetime | None = None
    bad_count: int = 0
    critical_count: int = 0
    bad_at: datetime | None = None
    critical_at: datetime | None = None
    clears_at: datetime | None = None
    evaluated_at: datetime | None = None
    data_version: str = ""

    @property
    def is_open(self) -> bool:
        """Whether it fires, or did when its data ended."""
        return self.level is not Level.OK


def step(
    state: State | None, verdict: Verdict, *, now: datetime, rule: Rule, gap_seconds: float = GAP_SECONDS
) -> State:
    """
    Return what an alert is in after one more evaluation.

    An evaluation that has been taken already, or is older than that, changes nothing. After a gap pending starts
    again, unless the verdict looked back over it; firing goes on.

    Args:
        state: What it was in, None where it was never evaluated.
        verdict: What its figures mean now.
        now: When that was found, by one clock for all evaluations: the database's.
        rule: By which; where it is switched off, the alert is over at once.
        gap_seconds: How far apart evaluations may lie before what was between them is unknown.
    """
    if state is None:
        state = State(since=now)
    gap = timedelta(seconds=max(gap_seconds, verdict.window_seconds))
    last = state.evaluated_at or now
    if state.evaluated_at is not None and timedelta(0) <= last - now <= timedelta(seconds=gap_seconds):
        return state
    # Before the last one by more than that: the clock was set back.
    counted = _counted(state, verdict, now=now, rule=rule, is_gap=abs(now - last) > gap)
    if not rule.enabled:
        return _closed(counted, Status.OK, now)
    if verdict.is_bad:
        return _found(counted, verdict, now=now, rule=rule)
    if counted.is_open:
        return _ending(counted, verdict, now=now, rule=rule)
    return _closed(counted, Status.NO_DATA if verdict.level is Level.NO_DATA else Status.OK, now)


def _counted(state: State, verdict: Verdict, *, now: datetime, rule: Rule, is_gap: bool) -> State:
    """Return the state with the evaluation counted, and nothing concluded."""
    is_new = verdict.data_version != state.data_version
    if is_gap:
        status = Status.OK if state.state is Status.PENDING else state.state
        state = dataclasses.replace(state, state=status, bad_count=0, critical_count=0)
    is_critical = verdict.level is Level.CRITICAL
    return dataclasses.replace(
        state,
        evaluated_at=now,
        data_version=verdict.data_version or state.data_version,
        # No further than asked for, so that a state at rest stays the same.
        bad_count=min(state.bad_count + is_new, rule.for_evaluations) if verdict.is_bad else 0,
        critical_count=min(state.critical_count + is_new, rule.for_evaluations) if is_critical else 0,
        bad_at=now if verdict.is_bad else state.bad_at,
        critical_at=now if is_critical else state.critical_at,
    )


def _found(state: State, verdict: Verdict, *, now: datetime, rule: Rule) -> State:
    """Return what it is in where the verdict is bad."""
    is_critical = state.critical_count >= rule.for_evaluations
    if state.is_open:
        level = Level.CRITICAL if is_critical else state.level
        if verdict.level is Level.WARNING and now >= _held_until(state.critical_at, now, rule):
            level = Level.WARNING
        return _told_anew(dataclasses.replace(state, clears_at=None), Status.FIRING, level, now)
    if state.bad_count >= rule.for_evaluations:
        begun = dataclasses.replace(state, episode=state.episode + 1, version=0)
        return _told_anew(begun, Status.FIRING, Level.CRITICAL if is_critical else Level.WARNING, now)
    return dataclasses.replace(state, state=Status.PENDING, since=state.since if state.state is Status.PENDING else now)


def _ending(state: State, verdict: Verdict, *, now: datetime, rule: Rule) -> State:
    """Return what it is in where it fires, or did when its data ended, and is not found any more."""
    clears_at = _held_until(state.bad_at, now, rule)
    if now < clears_at or (verdict.level is Level.NO_DATA and state.state is Status.NO_DATA):
        return dataclasses.replace(state, clears_at=clears_at)
    if verdict.level is Level.NO_DATA:
        # Nobody knows that it is over.
        return _told_anew(dataclasses.replace(state, clears_at=None), Status.NO_DATA, state.level, now)
    return _closed(state, Status.OK, now)


def _closed(state: State, status: Status, now: datetime) -> State:
    closed = dataclasses.replace(
        state, state=status, clears_at=None, since=state.since if state.state is status else now
    )
    return _told_anew(closed, status, Level.OK, now) if state.is_open else closed


def _told_anew(state: State, status: Status, level: Level, now: datetime) -> State:
    """Return it with that state and level, and another version where they are others."""
    if (state.state, state.level) == (status, level):
        return state
    since = state.since if state.state is status else now
    version = state.version + 1
    return dataclasses.replace(state, state=status, level=level, since=since, version=version, changed_at=now)


def _held_until(found_at: datetime | None, now: datetime, rule: Rule) -> datetime:
    return min(found_at or now, now) + timedelta(seconds=rule.keep_firing_seconds)
