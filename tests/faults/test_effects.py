"""The oracle of effects finds what it is there for: each fault is put into effects that are well."""

from dataclasses import replace

import pytest

from tests.faults.effects import Effect, judge_effects
from tests.faults.oracle import CREATED, DELETED, UPDATED, Event, Row, State

pytestmark = pytest.mark.faults


def event(position, entity, number, kind):
    return Event(
        position=position,
        event_id=f"id-{position}",
        kind=kind,
        entity=entity,
        occurred_at=position,
        previous_at=None,
        reason=str(number),
    )


@pytest.fixture
def state():
    """Return a counter that was written three times, and one that was deleted."""
    return State(
        rows={"1": Row(number=3, updated_at=5)},
        events=[
            event(1, "1", 1, CREATED),
            event(2, "2", 1, CREATED),
            event(3, "1", 2, UPDATED),
            event(4, "2", 2, DELETED),
            event(5, "1", 3, UPDATED),
        ],
        pending=0,
        head=5,
    )


@pytest.fixture
def well(state):
    return [Effect(entity=each.entity, number=int(each.reason), event_id=f"id{each.position}") for each in state.events]


def test_each_effect_once_and_in_order_is_well(state, well):
    verdict = judge_effects(state, well)
    assert verdict.findings == []
    assert verdict.events == 5


def test_another_order_of_different_entities_is_well(state, well):
    assert judge_effects(state, sorted(well, key=lambda effect: effect.entity)).findings == []


def test_an_event_that_was_not_handled_is_lost(state, well):
    assert judge_effects(state, well[:-1]).lost == ["1: number 3 was never done"]
    assert judge_effects(state, [*well[:3], well[4]]).lost == ["2: number 2 was never done"]


def test_a_row_that_the_log_does_not_tell_of_is_lost(state, well):
    rows = {**state.rows, "9": Row(number=1, updated_at=1)}
    assert judge_effects(replace(state, rows=rows), well).lost == ["9: number 1 was never done"]


def test_an_event_that_was_handled_twice_is_doubled(state, well):
    assert judge_effects(state, [*well, well[-1]]).doubled == ["1: number 3 was done 2 times"]


def test_an_effect_outside_may_repeat_even_late(state, well):
    assert judge_effects(state, [well[0], *well, well[2]], may_repeat=True).findings == []


def test_effects_that_swapped_places_are_out_of_order(state, well):
    swapped = [well[0], well[1], well[4], well[3], well[2]]
    assert judge_effects(state, swapped).out_of_order == ["1: done in the order [1, 3, 2]"]
    assert judge_effects(state, swapped, may_repeat=True).out_of_order == ["1: done in the order [1, 3, 2]"]


def test_an_effect_of_an_event_that_is_not_there_is_untrue(state, well):
    false = Effect(entity="1", number=4, event_id="id6")
    assert judge_effects(state, [*well, false]).untrue == [
        "1: number 4 was done, against all",
        "1: number 4 was done for event id6",
    ]


def test_an_effect_under_another_id_is_untrue(state, well):
    again = replace(well[-1], event_id="id9")
    assert judge_effects(state, [*well, again], may_repeat=True).untrue == ["1: number 3 was done for event id9"]


def test_a_dead_event_has_no_effect_and_its_followers_have(state, well):
    without = [effect for effect in well if (effect.entity, effect.number) != ("1", 2)]
    assert judge_effects(state, without, dead=[("1", 2)]).findings == []
    assert judge_effects(state, well, dead=[("1", 2)]).untrue == ["1: number 2 was done, against all"]
