"""A Celery app whose messages stay in this process, and what the tasks log."""

import pytest

from tests.brokers import celery_app

QUEUE = "tests-of-tasks"


@pytest.fixture(name="app")
def app_fixture():
    with celery_app(broker_url="memory://", task_default_queue=QUEUE) as app:
        yield app
        take_all(app)


def take_all(app):
    """Return the messages that wait, and remove them."""
    messages = []
    with app.connection_for_read() as connection:
        queue = connection.SimpleQueue(QUEUE)
        while queue.qsize():
            messages.append(queue.get(block=False))
            messages[-1].ack()
    return messages


def ours(caplog):
    """Return what the tasks have logged."""
    return [record for record in caplog.records if record.name == "django_clean_timestamps.tasks"]
