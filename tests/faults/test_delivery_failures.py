"""Handlers that fail, that end their processes, and whose whole world is down."""

import pytest

from tests.faults.loops import SECONDS
from tests.faults.waiting import wait_until

pytestmark = pytest.mark.faults

ATTEMPTS, CRASHES = 3, 3
# Of so many entities in a row is taken for an outage.
OUTAGE_AFTER = 20
IS_LONG = SECONDS > 30


@pytest.fixture
def deliver_to(database, delivery_on):
    """Return a function that makes a delivery to one handler, which does something bad with the second of a counter."""

    def make(misdeed, *, events=5, **facts):
        delivery = delivery_on(database, {"name": "ledger", **facts}, MAX_ATTEMPTS=ATTEMPTS, CRASH_LIMIT=CRASHES)
        delivery.begin()
        key = database.value("SELECT min(id) FROM faults_counter")
        delivery.handlers[0]["misdeeds"] = {f"{key}:2": misdeed}
        delivery.run("write", count=14)
        delivery.run("count_up", key=database.value("SELECT max(id) FROM faults_counter WHERE flock = 0"), times=3)
        delivery.run("write", count=14, seed=1)
        delivery.run("count_up", key=key, times=events)
        delivery.run("write", count=14, seed=2)
        return delivery, (str(key), 2)

    return make


def test_an_event_that_always_fails_goes_dead_and_all_others_are_delivered(deliver_to):
    delivery, poison = deliver_to("fail")
    assert delivery.deliver_all()["dead"] == [list(poison)]
    assert delivery.parked() == [("dead", ATTEMPTS)]
    assert delivery.judge(dead=[poison]).findings == []


def test_a_dead_event_that_blocks_holds_its_own_entity_alone(deliver_to):
    delivery, (key, _) = deliver_to("fail", options={"on_dead": "block"})
    last = delivery.database.value(f"SELECT number FROM faults_counter WHERE id = {key}")
    delivery.deliver_all(blocked=last - 2)
    assert delivery.parked("state") == [("dead",), *[("waiting",)] * (last - 2)]
    assert delivery.judge(dead=[(key, number) for number in range(2, last + 1)]).findings == []


def work_until_delivered(delivery):
    """Start workers, one when the last has died, until one has delivered all; return how many have died."""
    for deaths in range(CRASHES + 5):
        worker = delivery.start("deliver_all")
        if worker.wait() == 0:
            return deaths
    raise AssertionError(f"still deadly: {delivery.parked()}")


@pytest.mark.parametrize("misdeed", ["end", "kill"])
def test_an_event_that_ends_its_process_goes_dead_and_all_others_are_delivered(deliver_to, misdeed):
    delivery, poison = deliver_to(misdeed)
    # Once among others, which are not to blame, and then alone.
    assert work_until_delivered(delivery) == 1 + CRASHES
    assert delivery.parked() == [("dead", CRASHES)]
    assert delivery.judge(dead=[poison]).findings == []


def test_an_event_that_ends_its_process_outside_a_transaction_goes_dead_too(deliver_to):
    delivery, poison = deliver_to("kill", outside=True, options={"atomic": False})
    # There each event runs alone.
    assert work_until_delivered(delivery) == CRASHES
    assert delivery.parked() == [("dead", CRASHES)]
    assert delivery.judge(dead=[poison]).findings == []


def test_an_event_that_ends_its_process_goes_dead_in_its_shard_alone(deliver_to):
    delivery, poison = deliver_to("kill", options={"shards": 3})
    work_until_delivered(delivery)
    assert delivery.parked() == [("dead", CRASHES)]
    assert delivery.judge(dead=[poison]).findings == []


def test_an_event_that_kills_whoever_retries_it_goes_dead_after_its_attempts(deliver_to):
    delivery, poison = deliver_to("fail, then kill")
    # The first attempt failed without a death.
    assert work_until_delivered(delivery) == ATTEMPTS - 1
    assert delivery.parked() == [("dead", ATTEMPTS)]
    assert delivery.judge(dead=[poison]).findings == []


def test_an_event_that_fails_twice_is_delivered_before_its_hundred_followers(deliver_to):
    delivery, (key, number) = deliver_to("fail twice", events=101)
    assert delivery.deliver_all()["dead"] == []
    assert delivery.attempts().count(f"{key}:{number}") >= 3
    assert delivery.parked() == []
    assert delivery.judge().findings == []


def test_two_people_who_retry_one_dead_event_have_it_delivered_once(deliver_to):
    delivery, poison = deliver_to("fail", options={"on_dead": "block"})
    last = delivery.database.value(f"SELECT number FROM faults_counter WHERE id = {poison[0]}")
    delivery.deliver_all(blocked=last - 2)
    # The next release of the handler can do it.
    delivery.handlers[0]["misdeeds"] = {}
    workers = [delivery.start() for _ in range(2)]
    found = delivery.run("retry_at_once", people=4)
    assert max(found) == 1
    delivery.deliver_all()
    for worker in workers:
        worker.end()
    assert delivery.judge().findings == []


@pytest.mark.parametrize("batch", [False, True], ids=["one_by_one", "in_batches"])
def test_an_outage_of_all_that_a_handler_calls_parks_a_few_events_and_ends_by_itself(database, delivery_on, batch):
    waiting = (100_000 if batch else 20_000) if IS_LONG else 2_000
    delivery = delivery_on(database, {"name": "ledger", "options": {"batch": batch}})
    delivery.begin()
    delivered = delivery.effect_count()
    with delivery.outage():
        delivery.run("create", count=waiting)
        workers = [delivery.start() for _ in range(2)]
        wait_until(lambda: delivery.subscription("failures") > OUTAGE_AFTER + 3, "a few probes")
        assert delivery.subscription("state") == "backing_off"
        assert delivery.subscription("problem") == "ConnectionError: nobody answers"
        assert OUTAGE_AFTER <= len(delivery.parked()) <= OUTAGE_AFTER + 5
        assert delivery.effect_count() == delivered
    # Nobody says that it is over.
    wait_until(
        lambda: delivery.effect_count() == delivered + waiting, "everything delivered", seconds=60 + waiting / 500
    )
    for worker in workers:
        worker.end()
    assert delivery.deliver_all()["dead"] == []
    assert delivery.subscription("state") == "active"
    assert delivery.judge().findings == []
