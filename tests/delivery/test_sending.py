"""Handlers that are Celery tasks: called in the drain, or published to a queue of their own."""

import socket
import uuid
from types import SimpleNamespace

import pytest

from django_clean_timestamps.delivery import on_timestamp
from django_clean_timestamps.delivery.drain import drain
from django_clean_timestamps.delivery.operations import replay_entity
from django_clean_timestamps.events import TimestampUpdatedEvent
from tests.brokers import broker_fixture, celery_app  # noqa: F401 - used by name
from tests.delivery.deliveries import HERE, die, make_due, notes, parked, shard, touch
from tests.testapp.models import Note, Project

pytestmark = pytest.mark.usefixtures("log")


class Task:
    """A Celery task as far as delivery calls it; ``broken`` is what its broker answers."""

    __name__ = "task"
    __qualname__ = "task"
    __module__ = "tests.delivery.test_sending"
    # Eager, so that nobody connects to a broker for it.
    app = SimpleNamespace(conf=SimpleNamespace(task_always_eager=True))

    def __init__(self):
        self.ran, self.sent, self.broken = [], [], {}

    def __call__(self, event):
        raise AssertionError("only run() runs a task's body alone")

    def run(self, event):
        Project.objects.create(name=event.reason)
        self.ran.append(event.reason)

    def apply_async(self, args, **options):
        [event] = args
        if event.reason in self.broken:
            raise self.broken[event.reason]
        self.sent.append((event.reason, options))

    @property
    def reasons(self):
        return [reason for reason, _ in self.sent]


def subscribed(**options):
    task = Task()
    on_timestamp(TimestampUpdatedEvent, sender=Note, name="tests.heard", **options)(task)
    return task


def test_in_the_drain_it_runs_in_the_transaction_of_its_cursor():
    task = subscribed()
    notes("a", "b")
    drain()
    assert task.ran == ["a", "b"]
    assert task.sent == []
    assert Project.objects.count() == 2


class TestSent:
    def test_it_is_published_in_order_under_an_id_of_its_own(self):
        task = subscribed(send=True)
        notes("a", "b")
        result = drain()
        assert task.reasons == ["a", "b"]
        assert result.delivered == 2
        assert task.ran == []
        from django_clean_timestamps.eventlog.models import Event

        ids = [str(uuid.uuid5(event.event_id, "tests.heard")) for event in Event.objects.filter(kind=2)]
        assert sorted(options["task_id"] for _, options in task.sent) == sorted(ids)
        assert {options["serializer"] for _, options in task.sent} == {"json"}
        assert shard().cursor == 4

    def test_while_the_broker_is_down_the_cursor_stays_behind_the_last_that_was_taken(self):
        task = subscribed(send=True)
        task.broken["b"] = ConnectionError("refused")
        notes("a", "b", "c")
        drain()
        assert task.reasons == ["a"]
        row = shard()
        assert (row.cursor, row.state, row.problem) == (4, "backing_off", "ConnectionError: refused")
        assert (parked(), row.failures) == ([], 0)
        task.broken.clear()
        make_due()
        drain()
        assert task.reasons == ["a", "b", "c"]
        assert (shard().state, shard().problem) == ("active", "")

    def test_where_the_first_is_not_taken_nothing_moves(self):
        task = subscribed(send=True)
        task.broken["a"] = ConnectionError("refused")
        notes("a")
        drain()
        assert shard().cursor == 1
        assert task.sent == []

    def test_after_a_death_they_are_sent_one_by_one(self):
        task = subscribed(send=True)
        drain()
        notes("a", "b")
        die()
        drain()
        assert task.reasons == ["a", "b"]

    def test_an_entity_can_be_sent_again(self):
        task = subscribed(send=True)
        [note] = notes("a")
        touch(note, "b")
        drain()
        assert replay_entity("tests.heard", HERE, "testapp.note", str(note.pk)) == 2
        drain()
        assert task.reasons == ["a", "b", "a", "b"]
        assert parked() == []

    def test_while_the_broker_is_down_that_waits_too(self):
        task = subscribed(send=True)
        [note] = notes("a")
        drain()
        replay_entity("tests.heard", HERE, "testapp.note", str(note.pk))
        task.broken["a"] = ConnectionError("refused")
        drain()
        assert shard().state == "backing_off"
        task.broken.clear()
        make_due()
        drain()
        assert task.reasons == ["a", "a"]
        assert parked() == []

    def test_time_that_is_up_ends_it_between_two(self, monkeypatch):
        from django_clean_timestamps.delivery import running

        monkeypatch.setattr(running.Runner, "is_over", property(lambda self: True))
        task = subscribed(send=True)
        notes("a", "b")
        drain()
        assert task.reasons == ["a", "b"]
        assert shard().epoch == 2


class TestWithCelery:
    """Real tasks of real apps, which nobody rings for."""

    @pytest.fixture(autouse=True)
    def _silence(self, settings):
        settings.CLEAN_TIMESTAMPS = {"DOORBELL": False}

    def subscribed_to(self, app):
        @app.task(name="tests.sent", shared=False)
        def sent(event):
            raise AssertionError("it runs in a worker of its own")

        on_timestamp(TimestampUpdatedEvent, sender=Note, name="tests.heard", send=True)(sent)

    def test_the_message_carries_the_event(self, broker):
        with celery_app(**broker.conf) as app:
            self.subscribed_to(app)
            notes("a", "b")
            drain()
        first, second = broker.take_all()
        assert [message["task"] for message in (first, second)] == ["tests.sent"] * 2
        [argument] = first["args"]
        event = TimestampUpdatedEvent.from_dict(argument["__value__"])
        assert (event.reason, event.position) == ("a", 3)
        assert first["id"] == str(uuid.uuid5(event.event_id, "tests.heard"))

    @pytest.mark.parametrize("url", ["redis://127.0.0.1:{}/0", "amqp://guest:guest@127.0.0.1:{}//"])
    def test_a_broker_that_never_answers_is_left_alone_for_a_while(self, url):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            with celery_app(broker_url=url.format(silent.getsockname()[1])) as app:
                self.subscribed_to(app)
                notes("a")
                drain()
        assert shard().state == "backing_off"
        assert "timed out" in shard().problem.lower() or "timeout" in shard().problem.lower()
        assert shard().cursor == 1
