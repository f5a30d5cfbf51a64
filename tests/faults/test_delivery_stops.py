"""Workers that are stopped past their lease: overtaken by a successor, they wake and can commit nothing."""

import pytest

pytestmark = pytest.mark.faults

EFFECT = "INSERT INTO faults_effect"
SUBSCRIPTION = "UPDATE clean_timestamps_subscription"
LEASE_SECONDS = 1
# A successor waits for the lease, then until the stopped one's transaction has sat idle as long as a lease (MariaDB
# counts in whole seconds); the rest is for a slow machine.
HELD_UP_AT_MOST = 3 * LEASE_SECONDS + 5


def stopped_at(delivery, *points):
    """Return a worker that has stopped at a point, with two dozen events to deliver."""
    delivery.begin()
    delivery.run("write", count=14)
    worker = delivery.start("drain_again_and_again", *points, action="stop")
    worker.wait_until_stopped()
    return worker


@pytest.mark.parametrize(
    "points",
    [
        [f"after {SUBSCRIPTION}"],
        [f"after {EFFECT}"],
        [f"after {EFFECT}", f"before {SUBSCRIPTION}"],
        [f"after {EFFECT}", f"after {SUBSCRIPTION}"],
        [f"after {EFFECT}", f"after {SUBSCRIPTION}", "before COMMIT"],
    ],
    ids=["after_leasing", "inside_the_handler", "behind_the_handlers", "after_the_cursor_moved", "before_commit"],
)
def test_a_worker_that_is_stopped_past_its_lease_holds_nobody_up_and_commits_nothing_when_it_wakes(
    server_database, delivery_on, points
):
    ledger = {"name": "ledger", "is_tallied": True}
    delivery = delivery_on(server_database, ledger, LEASE_SECONDS=LEASE_SECONDS)
    worker = stopped_at(delivery, *points)
    waited = delivery.deliver_all()["seconds"]
    assert waited < HELD_UP_AT_MOST
    effects = delivery.effects()
    epoch = delivery.subscription("epoch")
    worker.go_on()
    said = worker.end()
    assert said["delivered"] == 0
    assert delivery.effects() == effects
    assert delivery.subscription("epoch") == epoch
    assert "was overtaken" in worker.output.read_text() or said["errors"], worker.output.read_text()
    delivery.run("write", count=14, seed=1)
    delivery.deliver_all()
    assert delivery.judge().findings == []


def test_a_worker_under_sqlite_that_is_stopped_with_its_lease_commits_nothing_when_it_wakes(sqlite, delivery_on):
    # Stopped inside a transaction it would hold the one write lock, and so everybody.
    delivery = delivery_on(sqlite, {"name": "ledger", "is_tallied": True})
    worker = stopped_at(delivery, f"after {SUBSCRIPTION}")
    delivery.deliver_all()
    effects = delivery.effects()
    worker.go_on()
    assert worker.end()["delivered"] == 0
    assert delivery.effects() == effects
    assert "was overtaken" in worker.output.read_text()
    assert delivery.judge().findings == []


@pytest.mark.parametrize("point", ["before the effect", "after the effect"])
def test_a_worker_that_is_stopped_outside_a_transaction_repeats_one_effect_at_most_and_moves_nothing(
    database, delivery_on, point
):
    delivery = delivery_on(database, {"name": "letters", "outside": True, "options": {"atomic": False}})
    worker = stopped_at(delivery, point)
    delivery.deliver_all()
    ids = [effect.event_id for effect in delivery.effects("letters")]
    cursor = delivery.subscription("cursor", "epoch", name="letters")
    worker.go_on()
    assert worker.end()["delivered"] == 0
    assert delivery.subscription("cursor", "epoch", name="letters") == cursor
    again = [effect.event_id for effect in delivery.effects("letters")]
    # The effect that it was stopped before is done when it wakes; that it was stopped after is done by its successor.
    assert len(again) == len(set(again)) + 1
    assert again[: len(ids)] == ids
    assert len(again) - len(ids) == (point == "before the effect")
    assert "was overtaken" in worker.output.read_text()
    delivery.run("write", count=14, seed=1)
    delivery.deliver_all()
    assert delivery.judge().findings == []
