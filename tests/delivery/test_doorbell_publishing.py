"""The connection that messages go over: kept, renewed, and given up within seconds."""

import socket

import pytest
from celery import signals
from kombu import Connection

from django_clean_timestamps.delivery.doorbell import DRAIN, publish
from django_clean_timestamps.delivery.doorbell.publishing import IDLE_SECONDS, TIMEOUT_SECONDS, Publisher
from tests.brokers import broker_fixture, celery_app, redis_broker_fixture  # noqa: F401 - used by name

BROKERS_THAT_REFUSE = ["redis://127.0.0.1:1/0", "amqp://guest:guest@127.0.0.1:1//"]


@pytest.fixture
def app(broker):
    with celery_app(**broker.conf) as app:
        yield app


class Clock:
    def __init__(self):
        self.now = 1_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def publisher(app, clock):
    publisher = Publisher(app, clock)
    yield publisher
    publisher.close()


@pytest.fixture
def silent_server():
    """Return the port of a server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_messages_go_over_one_connection(publisher, broker):
    connections = set()
    for _ in range(3):
        publisher.publish(DRAIN, "default")
        connections.add(publisher._producer.connection)
        assert broker.wait_for()["args"] == ["default"]
    assert len(connections) == 1


def test_a_connection_that_lay_idle_is_renewed(publisher, broker, clock):
    publisher.publish(DRAIN, "default")
    first = publisher._producer.connection
    clock.now += IDLE_SECONDS - 1
    publisher.publish(DRAIN, "default")
    assert publisher._producer.connection is first
    clock.now += IDLE_SECONDS
    publisher.publish(DRAIN, "default")
    assert publisher._producer.connection is not first
    assert not first.connected
    assert len(broker.take_all()) == 3


def test_where_the_connection_was_lost_a_new_one_is_tried_at_once(publisher, broker):
    publisher.publish(DRAIN, "default")
    first = publisher._producer.connection
    # What a broker does that is restarted.
    first.release()
    first.switch("redis://127.0.0.1:1/0" if "redis" in broker.url else "amqp://guest:guest@127.0.0.1:1//")
    publisher.publish(DRAIN, "default")
    assert publisher._producer.connection is not first
    assert len(broker.take_all()) == 2


def test_one_message_can_be_published_over_a_connection_of_its_own(app, broker, monkeypatch):
    opened = []
    monkeypatch.setattr(app, "connection_for_write", lambda **options: opened.append(make(**options)) or opened[-1])
    make = type(app).connection_for_write.__get__(app)
    publish(app, DRAIN, "default")
    assert broker.wait_for()["args"] == ["default"]
    assert opened
    assert not any(connection.connected for connection in opened)


def test_a_publisher_that_published_nothing_can_be_closed(publisher):
    publisher.close()
    publisher.close()


def test_nothing_is_left_in_the_pool_of_the_project(publisher, app, broker):
    publisher.publish(DRAIN, "default")
    assert app._pool is None
    assert broker.wait_for()


def test_the_projects_options_of_the_transport_stay_and_ours_are_added(publisher, app, broker):
    app.conf.broker_transport_options = {**broker.options, "client_properties": {"product": "tests"}}
    publisher.publish(DRAIN, "default")
    options = publisher._producer.connection.transport_options
    assert options.items() >= app.conf.broker_transport_options.items()
    assert sorted(set(options) - set(app.conf.broker_transport_options)) == (
        ["socket_connect_timeout", "socket_timeout"] if "redis" in broker.url else ["read_timeout", "write_timeout"]
    )
    assert publisher._producer.connection.connect_timeout == TIMEOUT_SECONDS
    assert broker.wait_for()


def test_a_transport_of_another_kind_gets_no_options_of_ours():
    with celery_app(broker_url="memory://") as app:
        publisher = Publisher(app)
        publisher.publish(DRAIN, "default")
        assert publisher._producer.connection.transport_options == {}
        publisher.close()
        with Connection("memory://") as connection:
            assert connection.SimpleQueue("celery").get(block=False).headers["task"] == DRAIN


@pytest.mark.parametrize("url", BROKERS_THAT_REFUSE)
def test_a_broker_that_refuses_is_an_error(url):
    with celery_app(broker_url=url) as app:
        publisher = Publisher(app)
        for _ in range(2):
            with pytest.raises(Exception, match="refused"):
                publisher.publish(DRAIN, "default")
            assert publisher._producer is None


@pytest.mark.parametrize("url", ["redis://127.0.0.1:{}/0", "amqp://guest:guest@127.0.0.1:{}//"])
def test_a_broker_that_never_answers_is_an_error(url, silent_server):
    with celery_app(broker_url=url.format(silent_server)) as app:
        with pytest.raises(Exception, match=r"(?i)timed out|timeout"):
            publish(app, DRAIN, "default")


def test_the_second_broker_is_tried_where_the_first_refuses(redis_broker):
    with celery_app(**{**redis_broker.conf, "broker_url": f"{BROKERS_THAT_REFUSE[0]};{redis_broker.url}"}) as app:
        publish(app, DRAIN, "default")
    assert redis_broker.wait_for()["args"] == ["default"]


def test_a_message_that_cannot_be_made_is_an_error_and_the_connection_is_closed(publisher, broker):
    publisher.publish(DRAIN, "default")
    with pytest.raises(Exception, match="JSON serializable"):
        publisher.publish(DRAIN, object())
    assert publisher._producer is None
    publisher.publish(DRAIN, "default")
    assert len(broker.take_all()) == 2


def test_receivers_of_the_project_hear_of_the_message(publisher, broker):
    seen = []

    def hear(sender, **options):
        seen.append(sender)

    signals.before_task_publish.connect(hear)
    try:
        publisher.publish(DRAIN, "default")
    finally:
        signals.before_task_publish.disconnect(hear)
    assert seen == [DRAIN]
    assert broker.wait_for()
