"""
What the log must hold, worked out from the rows alone.

Every write of a counter adds one to its number and gives the event that number as its reason. So whatever was killed
meanwhile, the log must tell of each counter's 1 to n, each once, in order of position. This reads tables past Django
and shares no code with the package.
"""

from __future__ import annotations

import itertools
from collections import Counter as Multiset
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["CREATED", "DELETED", "UPDATED", "Event", "Row", "State", "Verdict", "judge"]

CREATED, UPDATED, DELETED = 1, 2, 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A counter as it is stored."""

    number: int
    updated_at: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """An entry of the log, without what does not matter here."""

    position: int
    event_id: Any
    kind: int
    entity: str
    occurred_at: Any
    previous_at: Any
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Everything there is: the rows by entity id, the log by position, how many are pending, the head."""

    rows: Mapping[str, Row]
    events: Sequence[Event]
    pending: int
    head: int | None

    @property
    def event_ids(self) -> list[str]:
        """The ids of the log's events in order, as the readers of the feed note them."""
        return [str(event.event_id).replace("-", "") for event in self.events]


@dataclass(slots=True)
class Verdict:
    """
    What is wrong, each as a sentence.

    Attributes:
        lost: Writes that no event tells of.
        doubled: Events that are there more than once.
        untrue: Events of what was not written, or is not as they say.
        out_of_order: Events before an earlier one of their entity.
        gaps: Anything about positions, the head and what is still pending.
        forgotten: Writes that the writer was told are committed, and that are not there.
    """

    entities: int = 0
    events: int = 0
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    untrue: list[str] = field(default_factory=list)
    out_of_order: list[str] = field(default_factory=list)
    gaps: list[str] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)

    @property
    def findings(self) -> list[str]:
        return [*self.lost, *self.doubled, *self.untrue, *self.out_of_order, *self.gaps, *self.forgotten]


def judge(state: State, *, acknowledged: Iterable[tuple[str, int]] = ()) -> Verdict:
    """
    Hold the log against the rows.

    Args:
        state: What was read after recovery and sequencing.
        acknowledged: The entity and number of writes whose COMMIT returned to the writer.
    """
    verdict = Verdict(entities=len(state.rows), events=len(state.events))
    _judge_positions(state, verdict)
    stories: defaultdict[str, list[Event]] = defaultdict(list)
    for event in sorted(state.events, key=lambda event: event.position):
        stories[event.entity].append(event)
    for entity in sorted(state.rows.keys() | stories.keys()):
        _judge_entity(entity, state.rows.get(entity), stories[entity], verdict)
    for entity, number in acknowledged:
        row = state.rows.get(entity)
        reached = row.number if row else max((_number(event) for event in stories[entity]), default=0)
        if reached < number:
            verdict.forgotten.append(f"{entity}: number {number} was committed, and {reached} is there")
    return verdict


def _judge_positions(state: State, verdict: Verdict) -> None:
    positions = sorted(event.position for event in state.events)
    if positions != list(range(1, len(positions) + 1)):
        verdict.gaps.append(f"positions are not 1 to {len(positions)}: {_first_gap(positions)}")
    if state.events and state.head != positions[-1]:
        verdict.gaps.append(f"the head is {state.head}, the last position {positions[-1]}")
    if state.pending:
        verdict.gaps.append(f"{state.pending} events are still pending")
    ids = Multiset(event.event_id for event in state.events)
    verdict.doubled += [f"event id {event_id} is there {times} times" for event_id, times in ids.items() if times > 1]


def _first_gap(positions: Sequence[int]) -> str:
    wrong = next(
        (place, position)
        for place, position in itertools.zip_longest(itertools.count(1), positions)
        if place != position
    )
    return f"{wrong[1]} in place {wrong[0]}"


def _judge_entity(entity: str, row: Row | None, story: Sequence[Event], verdict: Verdict) -> None:
    numbers = [_number(event) for event in story]
    last = row.number if row else (numbers[-1] if numbers and story[-1].kind == DELETED else 0)
    times = Multiset(numbers)
    verdict.lost += [f"{entity}: no event of number {number}" for number in range(1, last + 1) if not times[number]]
    verdict.doubled += [
        f"{entity}: number {number} is told {count} times" for number, count in times.items() if count > 1
    ]
    verdict.untrue += [f"{entity}: number {number} is told, {last} is there" for number in times if number > last]
    if any(later < earlier for earlier, later in itertools.pairwise(numbers)):
        verdict.out_of_order.append(f"{entity}: told in the order {numbers}")
    if not story:
        return
    for place, event in enumerate(story):
        wanted = {CREATED} if place == 0 else {DELETED} if row is None and place == len(story) - 1 else {UPDATED}
        if event.kind not in wanted:
            verdict.untrue.append(f"{entity}: number {numbers[place]} is of kind {event.kind}")
    for earlier, later in itertools.pairwise(story):
        # A deletion reads the clock alone; only what stamps the row must come later than its stamp.
        if later.kind == UPDATED and not later.occurred_at > earlier.occurred_at:
            verdict.out_of_order.append(f"{entity}: {later.reason} occurred no later than {earlier.reason}")
        if later.kind == UPDATED and later.previous_at not in (None, earlier.occurred_at):
            verdict.untrue.append(
                f"{entity}: {later.reason} says that {earlier.reason} occurred at {later.previous_at}"
            )
    if row is not None and row.updated_at != story[-1].occurred_at:
        verdict.untrue.append(f"{entity}: updated at {row.updated_at}, its last event is of {story[-1].occurred_at}")


def _number(event: Event) -> int:
    return int(event.reason) if event.reason.isdigit() else -1
