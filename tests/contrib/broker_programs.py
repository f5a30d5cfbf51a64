"""Publishers and consumers that the tests of the broker run as processes of their own, and may kill."""

import itertools
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from kombu import Connection, Exchange, Queue

from django_clean_timestamps.contrib.filesystem_broker import broker_url
from tests.contrib.broker_processes import SECONDS

OPTIONS = {"polling_interval": 0.01, "recovery_interval": 0.1}


def main() -> None:
    program, folder, queue, *words = sys.argv[1:]
    with Connection(broker_url(folder), transport_options=OPTIONS) as connection, connection.channel() as channel:
        PROGRAMS[program](channel, queue, *words)


def publish(channel: Any, queue: str, name: str, count: str) -> None:
    """Publish numbered messages, endlessly where the count is 0, and say each number after the broker has it."""
    producer = channel.Producer()
    for number in itertools.count() if count == "0" else range(int(count)):
        producer.publish({"publisher": name, "number": number}, exchange="", routing_key=queue)
        say(number)


def consume(channel: Any, queue: str) -> None:
    """Say each message and acknowledge it, until told to stop by SIGTERM, and then until nothing is left."""
    with stopped_by_sigterm() as is_stopped:

        def handle(body: Any, message: Any) -> None:
            say(body["publisher"], body["number"])
            message.ack()

        channel.basic_qos(0, 10, False)
        with channel.Consumer([Queue(queue)], callbacks=[handle]):
            say("consuming")
            while True:
                try:
                    channel.connection.drain_events(channel.connection, timeout=0.2)
                except TimeoutError:
                    if is_stopped():
                        return


def hold(channel: Any, queue: str, count: str) -> None:
    """Take some messages of two queues, one of which goes with its consumers, and acknowledge none until killed."""
    held = []
    queues = [Queue(queue), Queue(f"{queue}.temporary", Exchange("news", "fanout"), auto_delete=True)]
    with channel.Consumer(queues, callbacks=[lambda body, message: held.append(message)]):
        while len(held) < int(count):
            channel.connection.drain_events(channel.connection, timeout=SECONDS)
        say("holding")
        time.sleep(2 * SECONDS)


def fork(channel: Any, queue: str) -> None:
    """Take a message, let a child acknowledge it and close the channel, and say what is left here of both."""
    taken = []
    with channel.Consumer([Queue(queue, Exchange("news", "fanout"), auto_delete=True)], on_message=taken.append):
        channel.Producer().publish(1, exchange="news", routing_key="")
        channel.connection.drain_events(channel.connection, timeout=SECONDS)
        (message,) = taken
        pid = os.fork()
        if pid == 0:
            message.ack()
            channel.close()
            os._exit(0)
        os.waitpid(pid, 0)
        message.requeue()
        channel.connection.drain_events(channel.connection, timeout=SECONDS)
        say(len(taken), len(channel.get_table("news")))


def leave_a_child(channel: Any, queue: str) -> None:
    """Take a message and live until killed, when a child says how often it has got that message."""
    message = channel.basic_get(queue)
    parent = os.getpid()
    if os.fork():
        say("holding")
        time.sleep(2 * SECONDS)
    while os.getppid() == parent:
        time.sleep(0.01)
    with Connection(broker_url(sys.argv[2]), transport_options=OPTIONS) as connection:
        again = []
        with connection.Consumer([Queue(queue)], on_message=again.append):
            connection.drain_events(timeout=SECONDS)
        say(again[0].payload == message.payload)
    os._exit(0)


def say(*words: object) -> None:
    print(*words, flush=True)  # noqa: T201 - what these programs are for


@contextmanager
def stopped_by_sigterm() -> Iterator[Callable[[], bool]]:
    stopped = False

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal stopped
        stopped = True

    signal.signal(signal.SIGTERM, handle)
    yield lambda: stopped


PROGRAMS: dict[str, Callable[..., None]] = {
    "publish": publish,
    "consume": consume,
    "hold": hold,
    "fork": fork,
    "leave_a_child": leave_a_child,
}

if __name__ == "__main__":
    main()
