"""Brokers that die, freeze and forget, and Celery's own processes that do: no event is lost or doubled by it."""

import os
import random
import signal

import pytest

from tests.faults.broker_servers import Redis
from tests.faults.celery_processes import Beat, CeleryWorker
from tests.faults.databases import KILLED
from tests.faults.loops import run_delivery_loop
from tests.faults.waiting import wait_until

pytestmark = pytest.mark.faults

FLUSH = "INSERT INTO clean_timestamps_pending"
DOORBELLS = 1_000
RARELY = 3_600


@pytest.fixture
def delivery_by(postgresql, delivery_on):
    """Return a function that makes a delivery whose doorbells go through a broker."""

    def make(broker, *handlers, **settings):
        delivery = delivery_on(postgresql, *(handlers or [{"name": "ledger", "is_tallied": True}]), **settings)
        delivery.broker = broker.url
        if isinstance(broker, Redis):
            # What a worker had that was killed comes back.
            broker.command("FLUSHALL")
        delivery.begin()
        return delivery

    return make


def test_a_doorbell_is_enough_and_so_is_the_sweep_where_nobody_rang(broker, delivery_by):
    delivery = delivery_by(broker, SWEEP_SECONDS=RARELY)
    delivery.start_celery(CeleryWorker)
    for seed in range(3):
        delivery.run("write", count=14, seed=seed)
        delivery.wait_until_delivered()
    # Killed right after COMMIT, before its thread could ring.
    delivery.settings["SWEEP_SECONDS"] = 0.3
    ends = delivery.run("be_killed", points=[f"after {FLUSH}", "after COMMIT"])
    assert set(ends.values()) == {KILLED}, ends
    delivery.start_celery(Beat)
    delivery.wait_until_delivered()
    assert delivery.judge().findings == []


def test_two_beats_do_no_harm_and_none_leaves_it_to_the_doorbell(redis, delivery_by):
    delivery = delivery_by(redis, DOORBELL=False)
    delivery.start_celery(CeleryWorker)
    beats = [delivery.start_celery(Beat) for _ in range(2)]
    for seed in range(3):
        delivery.run("write", count=14, seed=seed)
        delivery.wait_until_delivered()
    for beat in beats:
        beat.kill()
    delivery.settings["DOORBELL"] = True
    delivery.run("write", count=14, seed=3)
    delivery.wait_until_delivered()
    assert delivery.judge().findings == []


def test_a_thousand_doorbells_at_once_deliver_each_event_once(broker, delivery_by):
    delivery = delivery_by(broker, {"name": "ledger", "is_tallied": True}, {"name": "halves", "options": {"shards": 2}})
    delivery.run("ring", count=DOORBELLS)
    worker = delivery.start_celery(CeleryWorker)
    for seed in range(3):
        delivery.run("write", count=14, seed=seed)
    drained = "Task clean_timestamps.drain"
    # Each is said when it comes and when it is done.
    wait_until(lambda: worker.log.read_text().count(drained) >= 2 * DOORBELLS, "all of them heard")
    delivery.wait_until_delivered()
    assert delivery.judge().findings == []


def kill_a_child(worker, chance):
    """Kill one process of a worker's pool as the kernel does when memory is short."""
    wait_until(worker.children, "a process in the pool")
    os.kill(chance.choice(worker.children()), signal.SIGKILL)


def test_killing_the_children_of_a_pool_loses_doubles_and_reorders_no_delivery(redis, delivery_by):
    delivery = delivery_by(redis, CRASH_LIMIT=30_000)
    worker, chance = delivery.start_celery(CeleryWorker), random.Random(1)
    delivery.start_celery(Beat)
    run_delivery_loop(
        "delivery by Celery, kill -9 of a pool's child",
        delivery,
        strike=lambda: kill_a_child(worker, chance),
        finish=delivery.wait_until_delivered,
        workers=0,
        kills=False,
    )
    worker.stop()


def test_killing_whole_workers_loses_doubles_and_reorders_no_delivery(redis, delivery_by):
    delivery = delivery_by(redis, CRASH_LIMIT=30_000)
    workers = [delivery.start_celery(CeleryWorker) for _ in range(2)]
    delivery.start_celery(Beat)

    def replace_one():
        workers.pop(0).kill()
        workers.append(delivery.start_celery(CeleryWorker))

    run_delivery_loop(
        "delivery by Celery, kill -9 of a worker",
        delivery,
        strike=replace_one,
        finish=delivery.wait_until_delivered,
        workers=0,
        kills=False,
    )


@pytest.mark.parametrize("strike", ["killed", "silent", "flushed"])
def test_a_redis_that_fails_under_load_holds_no_writer_up_and_loses_no_event(redis, delivery_by, strike):
    delivery = delivery_by(redis)

    def kill():
        redis.kill()
        wait_until_written(delivery)
        redis.start()

    def silence():
        redis.freeze()
        try:
            wait_until_written(delivery)
        finally:
            redis.thaw()

    strikes = {"killed": kill, "silent": silence, "flushed": lambda: redis.command("FLUSHALL")}
    survive(delivery, f"delivery by Celery, redis {strike}", strikes[strike])


def wait_until_written(delivery, count=50):
    """Return once the writers have committed some more."""

    def written():
        return delivery.database.value("SELECT sum(number) FROM faults_counter")

    before = written()
    wait_until(lambda: written() > before + count, "writers that go on")


def test_a_rabbitmq_that_is_restarted_under_load_holds_no_writer_up_and_loses_no_event(rabbitmq, delivery_by):
    survive(delivery_by(rabbitmq), "delivery by Celery, rabbitmq restarted", rabbitmq.restart)


def survive(delivery, name, strike):
    """
    Let writers and a worker work while something is done to their broker; what is left comes by itself.

    A worker that gives up is started anew: Celery's ends by an error of its own where Redis is lost while it closes
    its connection to it.
    """

    def strike_and_look():
        strike()
        delivery.supervise()

    delivery.start_celery(CeleryWorker)
    delivery.start_celery(Beat)
    said = run_delivery_loop(
        name, delivery, strike=strike_and_look, finish=delivery.wait_until_delivered, workers=0, kills=False
    )
    # That the broker failed nobody who writes has noticed.
    assert said["errors"] == {}
    # And doorbells are heard again.
    delivery.run("write", count=14)
    delivery.wait_until_delivered()
    assert delivery.judge().findings == []
