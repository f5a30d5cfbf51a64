"""What sinks are owed: the difference between what an alert is in and what they were told."""

from __future__ import annotations

import dataclasses
from datetime import datetime

from django_clean_timestamps.metrics.alerts.judging import Level
from django_clean_timestamps.metrics.alerts.states import State, Status

__all__ = ["Notice", "Told", "owed"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """
    What one sink was last told of one alert.

    Attributes:
        state: Firing, no data or ok.
        episode: Of which episode.
        version: In which version.
        number: How many notices it has been told of this alert.
    """

    state: Status
    episode: int
    version: int
    number: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """
    What one sink is to be told. All but figures: those are of the evaluation, and a repeat must say the same.

    Attributes:
        rule: The rule's name.
        subject: Whose alert it is.
        state: Firing, no data or ok.
        level: How bad it is, ok where the state is.
        episode: Of which episode.
        version: In which version.
        number: The how-manieth notice of this alert to this sink, from 1.
        changed_at: When it became so.
        is_silenced: Whether it is ok by somebody's silence alone.
    """

    rule: str
    subject: str
    state: Status
    level: Level
    episode: int
    version: int
    number: int
    changed_at: datetime | None
    is_silenced: bool

    @property
    def key(self) -> str:
        """
        What a sink knows a repeat by: ``rule/subject/episode.version.number/state``.

        With the number, what a silence had taken back and is told once more has another key than the first time.
        """
        state = "silenced" if self.is_silenced else self.state
        return f"{self.rule}/{self.subject}/{self.episode}.{self.version}.{self.number}/{state}"

    @property
    def told(self) -> Told:
        """What the sink has been told once this has reached it."""
        return Told(state=self.state, episode=self.episode, version=self.version, number=self.number)


def owed(
    state: State, told: Told | None, *, rule: str, subject: str, silenced_until: datetime | None, now: datetime
) -> Notice | None:
    """
    Return what a sink is to be told, None where it knows.

    Pending is no news, and neither is a lack of data where nothing fired. While silenced an alert counts as ok; when
    that ends and it still fires, it is told again.

    Args:
        state: What the alert is in.
        told: What the sink was told last, None for nothing.
        rule: The rule's name.
        subject: Whose alert it is.
        silenced_until: Until when somebody wants to hear nothing of it, None where nobody does.
        now: By the same clock.
    """
    is_silenced = state.is_open and silenced_until is not None and now < silenced_until
    status = state.state if state.is_open and not is_silenced else Status.OK
    before = Status.OK if told is None else told.state
    if status is Status.OK and before is Status.OK:
        return None
    if told is not None and (status, state.episode, state.version) == (before, told.episode, told.version):
        return None
    return Notice(
        rule=rule,
        subject=subject,
        state=status,
        level=Level.OK if status is Status.OK else state.level,
        episode=state.episode,
        version=state.version,
        number=1 if told is None else told.number + 1,
        changed_at=state.changed_at,
        is_silenced=is_silenced,
    )
