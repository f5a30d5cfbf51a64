"""
What a handler must have done, worked out from the rows and the log alone.

The effects of each counter's events must be 1 to n, as many as the row counts, each once and in order. Outside the
database an effect may repeat, with the same event id.
"""

from __future__ import annotations

import itertools
from collections import Counter as Multiset
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from tests.faults.oracle import DELETED, State, Verdict

__all__ = ["Effect", "judge_effects"]

Key = tuple[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What was done with one event."""

    entity: str
    number: int
    event_id: str


def judge_effects(
    state: State, effects: Sequence[Effect], *, may_repeat: bool = False, dead: Collection[Key] = ()
) -> Verdict:
    """
    Hold a handler's effects against the rows.

    Args:
        state: What was read once everything was delivered.
        effects: All of one handler, in the order in which they were done.
        may_repeat: Whether the same effect may be there again.
        dead: The entity and number of the events that must have no effect.
    """
    verdict = Verdict(entities=len(state.rows), events=len(effects))
    ids = _ids_in(state)
    wanted = _wanted(state)
    done: defaultdict[str, list[Effect]] = defaultdict(list)
    for effect in effects:
        done[effect.entity].append(effect)
    for entity in sorted(wanted.keys() | done.keys()):
        numbers = [number for number in range(1, wanted.get(entity, 0) + 1) if (entity, number) not in dead]
        _judge_entity(entity, numbers, done[entity], verdict, may_repeat=may_repeat)
        verdict.untrue += [
            f"{entity}: number {effect.number} was done for event {effect.event_id}"
            for effect in done[entity]
            if ids.get((entity, effect.number)) != effect.event_id
        ]
    return verdict


def _ids_in(state: State) -> dict[Key, str]:
    return {(event.entity, int(event.reason)): str(event.event_id).replace("-", "") for event in state.events}


def _wanted(state: State) -> dict[str, int]:
    """Return how far each counter has counted; of one that was deleted only the log tells."""
    wanted = {event.entity: int(event.reason) for event in state.events if event.kind == DELETED}
    return {**wanted, **{entity: row.number for entity, row in state.rows.items()}}


def _judge_entity(
    entity: str, wanted: Sequence[int], effects: Sequence[Effect], verdict: Verdict, *, may_repeat: bool
) -> None:
    times = Multiset(effect.number for effect in effects)
    verdict.lost += [f"{entity}: number {number} was never done" for number in wanted if not times[number]]
    verdict.untrue += [f"{entity}: number {number} was done, against all" for number in times if number not in wanted]
    if not may_repeat:
        verdict.doubled += [
            f"{entity}: number {number} was done {count} times" for number, count in times.items() if count > 1
        ]
    first = list(dict.fromkeys(effect.number for effect in effects))
    if any(later < earlier for earlier, later in itertools.pairwise(first)):
        verdict.out_of_order.append(f"{entity}: done in the order {first}")
