"""A broker that is down, slow or silent: nobody who commits waits for it, and it is told when it is back."""

import json
import logging
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from kombu import Connection

from django_clean_timestamps.delivery.doorbell import ringing
from tests.brokers import celery_app
from tests.delivery.bells import doorbell_threads, fresh_doorbell_fixture, heard_fixture  # noqa: F401 - used by name
from tests.delivery.test_doorbell import PROGRAM
from tests.eventlog.conftest import committing  # noqa: F401 - a fixture
from tests.testapp.models import Note

pytestmark = [pytest.mark.faults, pytest.mark.usefixtures("fresh_doorbell", "heard", "committing")]

ROOT = Path(__file__).resolve().parents[2]
ARRIVES_SECONDS = 90
SAVES = 100


@pytest.fixture
def app(broker):
    take_all(broker)
    with celery_app(broker_url=broker.url) as app:
        yield app


def take(broker, timeout=ARRIVES_SECONDS):
    with Connection(broker.url) as connection:
        message = connection.SimpleQueue("celery").get(timeout=timeout)
        message.ack()
        return message.headers["task"]


def take_all(broker):
    with Connection(broker.url) as connection:
        connection.SimpleQueue("celery").clear()


def save_many():
    for number in range(SAVES):
        Note.objects.create(title=str(number))


def warnings(caplog):
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def test_while_the_broker_is_down_everything_is_saved_and_one_message_follows(broker, app, caplog):
    broker.stop()
    save_many()
    assert Note.objects.count() == SAVES
    broker.start()
    assert take(broker) == "clean_timestamps.drain"
    assert len(doorbell_threads()) == 1
    ringing._thread.close()
    first, last = warnings(caplog)
    assert first.startswith("The broker does not take the doorbell")
    assert last.startswith("The broker takes the doorbell again")


def test_a_broker_that_was_restarted_between_two_saves_is_no_outage(broker, app, caplog):
    Note.objects.create()
    assert take(broker) == "clean_timestamps.drain"
    broker.restart(killed=True)
    Note.objects.create()
    assert take(broker) == "clean_timestamps.drain"
    ringing._thread.close()
    assert warnings(caplog) == []


def test_a_broker_that_is_frozen_holds_nobody_up(broker, app):
    Note.objects.create()
    assert take(broker) == "clean_timestamps.drain"
    broker.freeze()
    try:
        save_many()
        assert Note.objects.count() == SAVES + 1
    finally:
        broker.thaw()
    assert take(broker) == "clean_timestamps.drain"


def test_a_broker_that_is_frozen_before_the_first_save_holds_nobody_up(broker, app):
    broker.freeze()
    try:
        save_many()
        assert Note.objects.count() == SAVES
    finally:
        broker.thaw()
    assert take(broker) == "clean_timestamps.drain"


@pytest.mark.parametrize("state", ["stopped", "frozen"])
def test_a_process_ends_although_the_broker_does_not_answer(broker, state):
    broker.stop() if state == "stopped" else broker.freeze()
    try:
        # Ends while the broker is as it is.
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(PROGRAM), json.dumps({"broker_url": broker.url})],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        broker.start() if state == "stopped" else broker.thaw()
    assert done.returncode == 0
    assert done.stderr.count("\n") <= 1
