"""Processes that are killed at an exact point of a delivery: each effect is there once, or not at all yet."""

import pytest

from tests.faults.databases import KILLED

pytestmark = pytest.mark.faults

FLUSH = "INSERT INTO clean_timestamps_pending"
EFFECT = "INSERT INTO faults_effect"
SUBSCRIPTION = "UPDATE clean_timestamps_subscription"
OUTSIDE = {"name": "letters", "outside": True, "options": {"atomic": False}}


@pytest.mark.parametrize(
    "point", ["before COMMIT", "after COMMIT"], ids=["before_commit", "after_commit_before_the_doorbell"]
)
def test_of_a_writer_that_is_killed_there_is_delivered_what_it_has_committed(delivery, point):
    delivery.begin()
    before = delivery.effect_count()
    ends = delivery.run("be_killed", points=[f"after {FLUSH}", point])
    assert set(ends.values()) == {KILLED}, ends
    delivery.deliver_all()
    assert (delivery.effect_count() > before) is (point == "after COMMIT")
    assert delivery.judge().findings == []


def killed_at(delivery, *points, nth=1):
    """Let a worker die at a point, with two dozen events to deliver, and return how many effects it has left."""
    delivery.begin()
    before = delivery.effect_count()
    delivery.run("write", count=14)
    worker = delivery.start("drain_again_and_again", *points, nth=nth)
    assert worker.wait() == KILLED
    delivery.database.settle()
    return delivery.effect_count() - before


@pytest.mark.parametrize(
    "points",
    [
        [f"after {SUBSCRIPTION}"],
        [f"after {SUBSCRIPTION}", "before the effect"],
        [f"after {EFFECT}"],
        [f"after {EFFECT}", f"before {SUBSCRIPTION}"],
        [f"after {EFFECT}", f"after {SUBSCRIPTION}"],
        [f"after {EFFECT}", f"after {SUBSCRIPTION}", "before COMMIT"],
    ],
    ids=[
        "after_leasing",
        "inside_the_handler_before_its_write",
        "inside_the_handler_after_its_write",
        "behind_the_handlers",
        "after_the_cursor_moved",
        "before_commit",
    ],
)
def test_a_worker_that_is_killed_before_commit_leaves_no_effect_and_its_successor_all(delivery, points):
    assert killed_at(delivery, *points) == 0
    delivery.deliver_all()
    assert delivery.judge().findings == []


def test_a_worker_that_is_killed_after_commit_leaves_effects_that_are_not_repeated(delivery):
    assert killed_at(delivery, f"after {EFFECT}", f"after {SUBSCRIPTION}", "after COMMIT") > 0
    delivery.deliver_all()
    assert delivery.judge().findings == []


@pytest.mark.parametrize("nth", [1, 5])
def test_an_effect_outside_whose_worker_is_killed_before_the_cursor_moves_repeats_under_the_same_id(
    database, delivery_on, nth
):
    delivery = delivery_on(database, OUTSIDE)
    delivery.begin()
    delivery.run("write", count=14)
    before = delivery.effect_count("letters")
    assert delivery.start("drain_again_and_again", "after the effect", nth=nth).wait() == KILLED
    assert delivery.effect_count("letters") == before + nth
    delivery.deliver_all()
    assert delivery.judge().findings == []
    ids = [effect.event_id for effect in delivery.effects("letters")]
    # Only the one of which nobody could know that it was done.
    assert len(ids) == len(set(ids)) + 1
    assert ids[before + nth - 1] == ids[before + nth]


def test_a_worker_that_is_killed_before_an_effect_outside_has_it_done_once(database, delivery_on):
    delivery = delivery_on(database, OUTSIDE)
    delivery.begin()
    delivery.run("write", count=14)
    assert delivery.start("drain_again_and_again", "before the effect", nth=3).wait() == KILLED
    delivery.deliver_all()
    assert delivery.judge().findings == []
    ids = [effect.event_id for effect in delivery.effects("letters")]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize(
    "points",
    [
        ["after UPDATE clean_timestamps_parkedevent"],
        ["after UPDATE clean_timestamps_parkedevent", f"after {EFFECT}"],
        ["after DELETE FROM clean_timestamps_parkedevent"],
        ["after DELETE FROM clean_timestamps_parkedevent", "before COMMIT"],
        ["after DELETE FROM clean_timestamps_parkedevent", "after COMMIT"],
    ],
    ids=["as_it_is_claimed", "inside_the_handler", "as_it_is_settled", "before_commit", "after_commit"],
)
def test_a_worker_that_is_killed_while_it_retries_an_event_leaves_it_to_be_delivered_once(
    database, delivery_on, points
):
    delivery = delivery_on(database)
    delivery.begin()
    [[key]] = database.query("SELECT min(id) FROM faults_counter")
    delivery.handlers[0]["misdeeds"] = {f"{key}:2": "fail twice"}
    delivery.run("count_up", key=key, times=3)
    delivery.run("write", count=14)
    assert delivery.start("drain_again_and_again", *points).wait() == KILLED
    delivery.deliver_all()
    assert delivery.judge().findings == []
    assert delivery.attempts().count(f"{key}:2") >= 3


def test_a_worker_that_is_killed_in_a_batch_does_not_make_its_events_suspects_for_ever(delivery):
    killed_at(delivery, f"after {EFFECT}", nth=5)
    delivery.deliver_all()
    delivery.run("write", count=14)
    before = delivery.database.value("SELECT max(epoch) FROM clean_timestamps_subscription")
    delivery.deliver_all()
    # In one batch, which takes one lease.
    assert delivery.database.value("SELECT max(epoch) FROM clean_timestamps_subscription") == before + 1
    assert delivery.judge().findings == []
