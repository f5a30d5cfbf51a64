"""Workers that come at the same moment, and news that come as one is about to end."""

import pytest

pytestmark = pytest.mark.faults

EFFECT = "INSERT INTO faults_effect"
SUBSCRIPTION = "UPDATE clean_timestamps_subscription"
HANDLERS = [{"name": "ledger", "is_tallied": True}, {"name": "halves", "options": {"shards": 2}}]
# So that nobody has the stopped one's lease meanwhile.
LONG = {"LEASE_SECONDS": 60}


def turn_away(delivery, *points):
    """Stop a drain at a point, let news come and another drain be turned away, and let the first one end."""
    delivery.begin()
    delivery.run("write", count=14)
    first = delivery.start("drain_once", *points, action="stop")
    first.wait_until_stopped()
    delivery.run("write", count=14, seed=1)
    before = delivery.effect_count()
    assert delivery.run("drain_once")["delivered"] == 0
    assert delivery.effect_count() == before
    first.go_on()
    assert first.result()["delivered"] > 0


def test_what_came_while_another_drain_was_turned_away_is_delivered_by_the_one_that_was_there(database, delivery_on):
    delivery = delivery_on(database, **LONG)
    turn_away(delivery, f"after {SUBSCRIPTION}")
    # By nobody else: there is no other drain after it.
    assert delivery.is_delivered()
    assert delivery.judge().findings == []


@pytest.mark.parametrize(
    "points",
    [[f"after {EFFECT}"], [f"after {EFFECT}", f"after {SUBSCRIPTION}", "before COMMIT"]],
    ids=["inside_the_handler", "as_it_lets_go"],
)
def test_what_came_while_the_last_batch_was_about_to_end_is_delivered_too(server_database, delivery_on, points):
    # Under SQLite nothing can come then: the batch has the one write lock.
    delivery = delivery_on(server_database, **LONG)
    turn_away(delivery, *points)
    assert delivery.is_delivered()
    assert delivery.judge().findings == []


def test_workers_that_begin_at_the_same_moment_make_each_subscription_once(database, delivery_on):
    delivery = delivery_on(database, *HANDLERS)
    delivery.run("prepare")
    workers = [delivery.start() for _ in range(6)]
    for seed in range(3):
        delivery.run("write", count=14, seed=seed)
    for worker in workers:
        assert worker.end()["errors"] == []
    delivery.deliver_all()
    shards = database.query("SELECT handler, slot_from FROM clean_timestamps_subscription ORDER BY handler, slot_from")
    assert list(shards) == [("halves", 0), ("halves", 128), ("ledger", 0)]
    assert delivery.judge().findings == []


def test_a_worker_that_is_killed_as_it_makes_the_subscriptions_leaves_them_whole_or_not_at_all(database, delivery_on):
    delivery = delivery_on(database, *HANDLERS)
    delivery.run("prepare")
    for nth in (1, 2, 3):
        delivery.start("drain_once", "after INSERT INTO clean_timestamps_subscription", nth=nth).wait()
    delivery.run("write", count=14)
    delivery.deliver_all()
    assert database.value("SELECT count(*) FROM clean_timestamps_subscription") == 3
    assert delivery.judge().findings == []
