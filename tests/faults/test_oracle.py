"""The oracle finds what it is there for: each fault is put into a log that is well."""

from dataclasses import replace

import pytest

from tests.faults.oracle import CREATED, DELETED, UPDATED, Event, Row, State, judge

pytestmark = pytest.mark.faults


def event(position, entity, number, kind, *, at=None, previous=None):
    return Event(
        position=position,
        event_id=f"id {position}",
        kind=kind,
        entity=entity,
        occurred_at=at or position,
        previous_at=previous,
        reason=str(number),
    )


@pytest.fixture
def well():
    """Return two counters, written three times and once, and a third that was deleted."""
    return State(
        rows={"1": Row(number=3, updated_at=5), "2": Row(number=1, updated_at=2)},
        events=[
            event(1, "1", 1, CREATED),
            event(2, "2", 1, CREATED),
            event(3, "1", 2, UPDATED, previous=1),
            event(4, "3", 1, CREATED),
            event(5, "1", 3, UPDATED),
            event(6, "3", 2, DELETED, at=3),
        ],
        pending=0,
        head=6,
    )


def test_a_log_that_tells_all_is_well(well):
    verdict = judge(well, acknowledged=[("1", 3), ("2", 1), ("3", 2)])
    assert verdict.findings == []
    assert (verdict.entities, verdict.events) == (2, 6)


def test_nothing_at_all_is_well():
    assert judge(State(rows={}, events=[], pending=0, head=None)).findings == []


def test_an_event_that_is_missing_is_lost(well):
    events = [each for each in well.events if each.position != 3]
    verdict = judge(replace(well, events=events))
    assert verdict.lost == ["1: no event of number 2"]
    assert verdict.gaps == ["positions are not 1 to 5: 4 in place 3"]


def test_a_row_that_nobody_told_of_is_lost(well):
    assert judge(replace(well, rows={**well.rows, "9": Row(number=1, updated_at=1)})).lost == [
        "9: no event of number 1"
    ]


def test_an_event_that_is_there_twice_is_doubled(well):
    again = replace(well.events[-2], position=7)
    verdict = judge(replace(well, events=[*well.events, again], head=7))
    assert verdict.doubled == ["event id id 5 is there 2 times", "1: number 3 is told 2 times"]


def test_an_event_of_a_write_that_was_rolled_back_is_untrue(well):
    false = event(7, "2", 2, UPDATED)
    assert "2: number 2 is told, 1 is there" in judge(replace(well, events=[*well.events, false], head=7)).untrue


def test_events_of_no_row_at_all_are_untrue(well):
    false = event(7, "9", 1, CREATED)
    assert judge(replace(well, events=[*well.events, false], head=7)).untrue == ["9: number 1 is told, 0 is there"]


def test_events_that_swapped_places_are_out_of_order(well):
    events = [*well.events]
    events[2], events[4] = replace(events[2], position=5), replace(events[4], position=3)
    verdict = judge(replace(well, events=events))
    assert verdict.out_of_order == ["1: told in the order [1, 3, 2]", "1: 2 occurred no later than 3"]


def test_a_stamp_that_is_not_its_last_event_s_is_untrue(well):
    rows = {**well.rows, "1": Row(number=3, updated_at=99)}
    assert judge(replace(well, rows=rows)).untrue == ["1: updated at 99, its last event is of 5"]


def test_an_old_stamp_that_is_not_the_event_s_before_is_untrue(well):
    events = [*well.events]
    events[2] = replace(events[2], previous_at=2)
    assert judge(replace(well, events=events)).untrue == ["1: 2 says that 1 occurred at 2"]


def test_what_is_left_pending_and_a_head_elsewhere_are_gaps(well):
    verdict = judge(replace(well, pending=2, head=9))
    assert verdict.gaps == ["the head is 9, the last position 6", "2 events are still pending"]


def test_a_commit_that_is_gone_is_forgotten(well):
    assert judge(well, acknowledged=[("2", 4)]).forgotten == ["2: number 4 was committed, and 1 is there"]
