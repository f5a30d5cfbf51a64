"""The context of whoever publishes a Celery task is in force while the task runs in a worker."""

import json
import logging

import pytest
from celery.app.trace import build_tracer
from hypothesis import given
from hypothesis import strategies as st

from django_clean_timestamps.context import no_touching, preserve_timestamps, timestamp_context, without_events
from django_clean_timestamps.context.frame import EMPTY_FRAME, current_frame
from django_clean_timestamps.delivery.doorbell import DRAIN, SWEEP
from django_clean_timestamps.tasks.context_headers import HEADER, LENGTH_AT_MOST
from tests.brokers import broker_fixture, celery_app  # noqa: F401 - used by name

FULL = {"reason": "nightly", "actor": "7", "correlation_id": "abc", "note": "seen", "number": 2**80}


def described(frame):
    metadata = dict(frame.metadata) if frame.metadata else {}
    return {"reason": frame.reason, "actor": frame.actor, "correlation_id": frame.correlation_id} | metadata


class App:
    """A Celery app with a task that tells in which context it ran, published and run in this process."""

    def __init__(self, app):
        self.app = app
        self.seen = seen = []

        @app.task(name="tests.look", shared=False)
        def look(then=None):
            seen.append(current_frame())
            if then is not None:
                then()

        self.task = app.tasks["tests.look"]

    def publish(self, name="tests.look"):
        """Return the headers of a published message."""
        self.app.tasks[name].apply_async()
        with self.app.connection_for_read() as connection:
            message = connection.SimpleQueue(self.app.conf.task_default_queue).get(timeout=10)
            message.ack()
            return message.headers

    def run(self, headers, task=None, args=()):
        """Run a task as a worker does that took a message with these headers."""
        task = task or self.task
        request = {**headers, "is_eager": False, "delivery_info": {}}
        return build_tracer(task.name, task, app=self.app)("id", args, {}, request)


@pytest.fixture
def app():
    with celery_app(broker_url="memory://", task_default_queue="tests-of-headers") as app:
        yield App(app)


def test_the_context_travels(app):
    with timestamp_context(**FULL):
        headers = app.publish()
    app.run(headers)
    (frame,) = app.seen
    assert described(frame) == FULL
    assert current_frame() is EMPTY_FRAME


def test_it_travels_over_each_broker(broker):
    with celery_app(**broker.conf) as celery:
        app = App(celery)
        with timestamp_context(**FULL):
            celery.tasks["tests.look"].apply_async()
        app.run(broker.wait_for())
    assert described(app.seen[0]) == FULL


def test_without_a_context_there_is_no_header(app):
    assert HEADER not in app.publish()
    app.run({})
    assert app.seen == [EMPTY_FRAME]


def test_only_what_is_said_travels(app):
    with timestamp_context(reason="nightly"):
        headers = app.publish()
    assert json.loads(headers[HEADER]) == {"reason": "nightly"}


def test_what_is_suspended_stays_behind(app):
    with no_touching(), preserve_timestamps(), without_events():
        assert HEADER not in app.publish()


def test_an_actor_that_is_a_callable_is_asked_when_the_task_is_published(app):
    asked = []
    with timestamp_context(actor=lambda: asked.append(1) or 7):
        headers = app.publish()
    assert asked == [1]
    app.run(headers)
    assert app.seen[0].actor == "7"


def test_a_callable_that_knows_nobody_leaves_the_actor_out(app):
    with timestamp_context(reason="nightly", actor=lambda: None):
        assert json.loads(app.publish()[HEADER]) == {"reason": "nightly"}


def test_an_actor_that_cannot_be_told_is_logged_and_the_rest_travels(app, caplog):
    def fail():
        raise LookupError("no session")

    with timestamp_context(reason="nightly", actor=fail):
        headers = app.publish()
    assert json.loads(headers[HEADER]) == {"reason": "nightly"}
    # Kombu has something to say itself when a process publishes for the first time.
    (record,) = (each for each in caplog.records if not each.name.startswith("kombu"))
    assert (record.name, record.levelno) == ("django_clean_timestamps.context", logging.WARNING)
    assert record.getMessage().endswith("LookupError: no session")


def test_metadata_that_json_can_no_longer_hold_is_logged_and_the_task_is_published(app, caplog):
    items = []
    with timestamp_context(reason="nightly", items=items):
        items.append(object())
        headers = app.publish()
    assert HEADER not in headers
    assert "Task tests.look is published without its context: TypeError" in caplog.text


def test_metadata_that_is_too_long_stays_behind(app, broker, caplog):
    with timestamp_context(reason="nightly", text="x" * LENGTH_AT_MOST):
        headers = app.publish()
    assert json.loads(headers[HEADER]) == {"reason": "nightly"}
    assert "without its context's metadata" in caplog.text


def test_metadata_of_the_greatest_length_travels_over_each_broker(broker):
    with celery_app(**broker.conf) as celery:
        app = App(celery)
        text = "x" * (LENGTH_AT_MOST - 50)
        with timestamp_context(reason="nightly", text=text):
            celery.tasks["tests.look"].apply_async()
        app.run(broker.wait_for())
    assert app.seen[0].metadata == {"text": text}


@pytest.mark.parametrize("name", [DRAIN, SWEEP])
def test_our_own_tasks_carry_no_context(app, name):
    with timestamp_context(reason="nightly"):
        assert HEADER not in app.publish(name)


def test_an_older_message_has_no_headers_to_put_it_in(app):
    app.app.conf.task_protocol = 1
    with timestamp_context(reason="nightly"):
        app.publish()


# While it runs.


def test_a_task_that_fails_leaves_the_context(app):
    def fail():
        raise ValueError("no")

    with timestamp_context(reason="nightly"):
        headers = app.publish()
    app.run(headers, args=(fail,))
    assert app.seen[0].reason == "nightly"
    assert current_frame() is EMPTY_FRAME


def test_a_task_called_inside_a_task_is_in_the_context_and_leaves_it_in_force(app):
    after = []

    def call():
        app.task.apply()
        after.append(current_frame().reason)

    with timestamp_context(reason="nightly"):
        headers = app.publish()
    app.run(headers, args=(call,))
    assert [frame.reason for frame in app.seen] == ["nightly", "nightly"]
    assert after == ["nightly"]


def test_a_task_published_by_a_task_carries_the_context_on(app):
    published = []
    with timestamp_context(**FULL):
        headers = app.publish()
    app.run(headers, args=(lambda: published.append(app.publish()),))
    assert published[0][HEADER] == headers[HEADER]


def test_the_messages_context_takes_precedence_over_that_of_the_caller(app):
    with timestamp_context(reason="message"):
        headers = app.publish()
    with timestamp_context(reason="around", actor="worker"):
        app.run(headers)
        assert current_frame().reason == "around"
    assert (app.seen[0].reason, app.seen[0].actor) == ("message", "worker")


def test_an_eager_task_is_in_the_context_of_its_caller(app):
    app.app.conf.task_always_eager = True
    with timestamp_context(**FULL):
        app.task.delay()
    assert described(app.seen[0]) == FULL
    assert current_frame() is EMPTY_FRAME


def test_a_retried_task_is_in_the_same_context(app):
    @app.app.task(bind=True, name="tests.retries", shared=False)
    def retries(self):
        raise self.retry(countdown=0)

    with timestamp_context(**FULL):
        headers = app.publish("tests.retries")
    app.run(headers, task=retries)
    with app.app.connection_for_read() as connection:
        again = connection.SimpleQueue("tests-of-headers").get(timeout=10)
        again.ack()
    assert again.headers["retries"] == 1
    assert again.headers[HEADER] == headers[HEADER]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "7",
        "[]",
        '"text"',
        7,
        {"reason": "no text"},
        '{"reason": 7}',
        '{"actor": {}}',
        '{"correlation_id": []}',
        '{"metadata": []}',
        '{"metadata": {"text": "\\u0000"}}',
        '{"metadata": {"reason": "twice"}}',
    ],
)
def test_a_header_that_cannot_be_read_is_logged_and_the_task_runs(text, app, caplog):
    app.run({HEADER: text})
    assert app.seen == [EMPTY_FRAME]
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage().startswith("Task tests.look came with a context that cannot be read: ")


TEXT = st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
NAMES = TEXT.filter(lambda name: name not in {"reason", "actor", "correlation_id", "self"})


@given(
    texts=st.fixed_dictionaries({}, optional={"reason": TEXT, "actor": TEXT.filter(bool), "correlation_id": TEXT}),
    metadata=st.dictionaries(NAMES, JSON, max_size=4),
)
def test_whatever_a_context_can_hold_comes_back(texts, metadata):
    with celery_app(broker_url="memory://", task_default_queue="tests-of-headers") as celery:
        app = App(celery)
        with timestamp_context(**metadata, **texts):
            before = current_frame()
            headers = app.publish()
        app.run(headers)
    (frame,) = app.seen
    assert {key: getattr(frame, key) for key in texts} == texts
    assert dict(frame.metadata or {}) == dict(before.metadata or {})
