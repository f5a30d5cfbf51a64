"""Handlers: how they are made, named and refused."""

import pytest

from django_clean_timestamps.delivery import RetryLater, on_timestamp, registry
from django_clean_timestamps.delivery.registry import autodiscover, get_handlers, has_handlers, only_handlers
from django_clean_timestamps.events import TimestampCreatedEvent, TimestampEvent, TimestampUpdatedEvent
from django_clean_timestamps.exceptions import HandlerError
from tests.testapp.models import Note, NoteProxy, Project


def plain(event):
    pass


class FakeTask:
    """A Celery task as far as a handler sees it."""

    __name__ = "task"
    __module__ = "tests.testapp.tasks"

    def __call__(self, event):
        raise AssertionError("a task is called by run()")

    def run(self, event):
        pass

    def apply_async(self, args, **options):
        pass


def test_the_function_stays_what_it_is():
    assert on_timestamp(name="t.a")(plain) is plain


def test_it_goes_by_its_app_and_name():
    def refresh(event):
        pass

    refresh.__module__ = "tests.testapp.timestamp_handlers"
    on_timestamp()(refresh)
    assert list(get_handlers()) == ["testapp.refresh"]


def test_outside_an_app_it_goes_by_its_package():
    on_timestamp()(plain)
    assert list(get_handlers()) == ["tests.plain"]


def test_it_may_have_a_name_of_its_own():
    on_timestamp(name="search")(plain)
    assert get_handlers()["search"].function is plain


def test_whether_there_is_any_can_be_asked():
    assert not has_handlers()
    on_timestamp()(plain)
    assert has_handlers()


def test_a_proxy_stands_for_its_model():
    on_timestamp(sender=(NoteProxy, Project, "old.thing"))(plain)
    assert get_handlers()["tests.plain"].labels == ("testapp.note", "testapp.project", "old.thing")


def test_the_types_have_numbers():
    on_timestamp(TimestampCreatedEvent, TimestampUpdatedEvent)(plain)
    assert get_handlers()["tests.plain"].kinds == (1, 2)
    on_timestamp(TimestampEvent, name="t.all")(plain)
    assert get_handlers()["t.all"].kinds == (1, 2, 3)


def test_what_is_not_said_comes_from_the_settings(settings):
    on_timestamp()(plain)
    handler = get_handlers()["tests.plain"]
    settings.CLEAN_TIMESTAMPS = {"LEASE_SECONDS": 7, "MAX_ATTEMPTS": 8}
    assert (handler.lease_length, handler.attempts_allowed) == (7, 8)
    on_timestamp(name="t.own", lease_seconds=1.5, max_attempts=2)(plain)
    own = get_handlers()["t.own"]
    assert (own.lease_length, own.attempts_allowed) == (1.5, 2)


def test_a_task_is_known_as_one():
    task = FakeTask()
    on_timestamp(send=True)(task)
    assert get_handlers()["testapp.task"].task is task


def test_the_same_function_again_is_the_same_handler():
    on_timestamp(sender=Note)(plain)
    on_timestamp(sender=Project)(plain)
    assert get_handlers()["tests.plain"].labels == ("testapp.project",)


def test_another_function_of_the_same_name_is_refused():
    on_timestamp(name="t.a")(plain)
    with pytest.raises(HandlerError, match=r"both go by 't\.a'; give one another name="):
        on_timestamp(name="t.a")(lambda event: None)
    assert get_handlers()["t.a"].function is plain


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shards": 0}, "shards is 0; a whole number from 1 to 256"),
        ({"shards": 257}, "shards is 257"),
        ({"shards": True}, "shards is True"),
        ({"shards": 1.0}, "shards is 1.0"),
        ({"using": "nowhere"}, "using is 'nowhere'; DATABASES has default, other"),
        ({"lease_seconds": 0}, "lease_seconds is 0; a number of seconds above 0"),
        ({"lease_seconds": float("inf")}, "lease_seconds is inf"),
        ({"lease_seconds": "9"}, "lease_seconds is '9'"),
        ({"max_attempts": 0}, "max_attempts is 0; a whole number of 1 or more"),
        ({"on_dead": "explode"}, "on_dead is 'explode'; 'skip' or 'block'"),
        ({"replay": "some"}, "replay is 'some'; 'all' or None"),
        ({"send": True}, "send=True is for Celery tasks"),
        ({"sender": 5}, "sender is 5"),
        ({"sender": "note"}, "'note' is no label of a model"),
        ({"sender": ()}, "sender names no model"),
        ({"sender": Exception}, "is neither a model nor the label of one"),
        ({"name": ""}, "has 0 characters; 1 to 150"),
        ({"name": "x" * 151}, "has 151 characters"),
    ],
)
def test_what_cannot_be_used_is_refused(options, message):
    with pytest.raises(HandlerError, match=message):
        on_timestamp(**options)(plain)
    assert not has_handlers()


def test_brackets_that_were_forgotten_are_told():
    with pytest.raises(HandlerError, match="with brackets"):
        on_timestamp(plain)(plain)


def test_what_cannot_be_called_is_refused():
    with pytest.raises(HandlerError, match="cannot be called"):
        on_timestamp(name="t.a")(5)


def test_a_coroutine_function_is_refused():
    async def later(event):
        pass

    with pytest.raises(HandlerError, match=r"coroutine function.*async_to_sync"):
        on_timestamp()(later)


def test_a_list_cannot_be_sent():
    with pytest.raises(HandlerError, match="cannot be had with batch=True"):
        on_timestamp(send=True, batch=True)(FakeTask())


def test_handlers_can_be_set_aside():
    on_timestamp(name="t.a")(plain)
    on_timestamp(name="t.b")(plain)
    with only_handlers("t.b"):
        on_timestamp(name="t.c")(plain)
        assert list(get_handlers()) == ["t.b", "t.c"]
    assert list(get_handlers()) == ["t.a", "t.b"]


def test_modules_of_the_apps_are_found(monkeypatch):
    found = []
    monkeypatch.setattr(registry, "autodiscover_modules", found.append)
    autodiscover()
    assert found == ["timestamp_handlers"]


def test_retry_later_is_importable_from_both_places():
    from django_clean_timestamps import exceptions

    assert RetryLater is exceptions.RetryLater
