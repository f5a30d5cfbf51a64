"""Several publishers and consumers on one folder, each a process, some of them killed."""

import random
import signal
from collections import Counter
from contextlib import ExitStack

import pytest
from kombu import Connection

from django_clean_timestamps.contrib.filesystem_broker import broker_url
from tests.contrib.broker_processes import finish, kill_after, program

# No database takes part, so one of three runs is enough.
pytestmark = pytest.mark.sqlite

KILLS = 5


def rejected(folder):
    return list((folder / "messages" / ".rejected").glob("*/*"))


def stop(consumers):
    """Let the consumers take what is left, and return what each has said."""
    for consumer in consumers:
        consumer.send_signal(signal.SIGTERM)
    return [finish(consumer) for consumer in consumers]


def test_each_of_thousands_of_messages_comes_once_and_in_order(folder):
    names, count = ["a", "b", "c"], 1_000
    with ExitStack() as stack:
        consumers = [stack.enter_context(program("consume", folder, "work")) for _ in range(3)]
        for consumer in consumers:
            assert consumer.stdout.readline() == "consuming\n"
        publishers = [stack.enter_context(program("publish", folder, "work", name, count)) for name in names]
        for publisher in publishers:
            assert len(finish(publisher)) == count
        said = stop(consumers)
    assert sorted(line for lines in said for line in lines) == sorted(f"{n} {i}" for n in names for i in range(count))
    for lines in said:
        for name in names:
            numbers = [int(line.split()[1]) for line in lines if line.startswith(name)]
            assert numbers == sorted(numbers)
    assert rejected(folder) == []


def test_a_killed_publisher_leaves_no_half_message_and_none_is_lost_that_it_had_published(folder):
    seed = random.randrange(2**32)
    moments, published = random.Random(seed), set()
    for name in range(KILLS):
        with program("publish", folder, "work", name, 0) as publisher:
            said = kill_after(publisher, moments.randrange(1, 400))
        published |= {(str(name), int(number)) for number in said}
    come = Counter()
    with Connection(broker_url(folder)) as connection:
        while (message := connection.default_channel.basic_get("work", no_ack=True)) is not None:
            come[message.payload["publisher"], message.payload["number"]] += 1
    assert set(come.values()) == {1}, seed
    # A publisher may be killed between the end of a publication and its word.
    assert published <= come.keys(), seed
    assert len(come) - len(published) <= KILLS, seed
    assert rejected(folder) == [], seed


def test_a_killed_consumer_loses_nothing_and_at_most_what_it_had_at_hand_comes_twice(folder):
    seed, count = random.randrange(2**32), 1_200
    moments, handled = random.Random(seed), Counter()
    with program("publish", folder, "work", "a", count) as publisher:
        finish(publisher)
    for _ in range(KILLS):
        with program("consume", folder, "work") as consumer:
            handled.update(kill_after(consumer, moments.randrange(2, 200)))
    with program("consume", folder, "work") as consumer:
        assert consumer.stdout.readline() == "consuming\n"
        handled.update(stop([consumer])[0])
    del handled["consuming"]
    assert handled.keys() == {f"a {number}" for number in range(count)}, seed
    assert handled.total() - count <= KILLS, seed
    assert rejected(folder) == [], seed
