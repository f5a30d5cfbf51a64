"""What the system checks say about Celery."""

import importlib
import sys
from types import SimpleNamespace

import pytest
from celery import _state
from django.core import checks

from django_clean_timestamps.checks.celery import check_celery
from django_clean_timestamps.delivery import on_timestamp
from tests.brokers import celery_app

AMQP = "amqp://guest:guest@127.0.0.1:5672//"


def found():
    return [message.id.removeprefix("clean_timestamps.") for message in check_celery(None)]


@pytest.fixture
def handler():
    """Register a handler."""
    on_timestamp(name="tests.hear", lease_seconds=30)(lambda event: None)


@pytest.fixture
def sending():
    """Register a handler that is published to its own queue."""

    def task(event):
        pass

    task.apply_async = task.run = task
    on_timestamp(name="tests.send", send=True)(task)


@pytest.fixture
def uwsgi(monkeypatch):
    """Return a function that makes this the process of a uWSGI with the given options."""

    def make(options):
        monkeypatch.setitem(sys.modules, "uwsgi", SimpleNamespace(opt=options))

    return make


def test_the_check_is_registered():
    assert check_celery in checks.registry.registry.get_checks()


@pytest.fixture
def no_app(monkeypatch):
    """Let there be no Celery app, as there may be one that another test's modules have made."""
    monkeypatch.setattr(_state, "default_app", None)
    monkeypatch.setattr(_state._tls, "current_app", None)


def test_a_project_without_celery_has_no_problem(handler, no_app):
    assert found() == []


@pytest.mark.parametrize("url", ["redis://127.0.0.1/0", AMQP, "memory://", ["redis://a", "redis://b"]])
def test_a_project_with_celery_has_no_problem(url, handler):
    with celery_app(broker_url=url):
        assert found() == []


def test_bad_settings_are_told_by_their_own_check_alone(settings):
    settings.CLEAN_TIMESTAMPS = {"DOORBEL": False}
    with celery_app(broker_url="filesystem://"):
        assert found() == []


def test_every_message_has_a_hint(handler, sending, uwsgi):
    uwsgi({})
    with celery_app(broker_url=f"{AMQP};filesystem://", task_time_limit=1):
        messages = check_celery(None)
    assert [message.id[-4:] for message in messages] == ["W030", "W031", "W032", "W033"]
    assert all(message.hint for message in messages)


class TestThreads:
    @pytest.mark.parametrize(
        "given",
        [
            {},
            {"enable-threads": False},
            {"enable-threads": b"false"},
            {b"enable-threads": b"0"},
            {"workers": 4},
        ],
    )
    def test_uwsgi_without_threads_is_warned_of(self, given, uwsgi):
        uwsgi(given)
        with celery_app(broker_url="memory://"):
            assert found() == ["W030"]

    @pytest.mark.parametrize(
        "given", [{"enable-threads": True}, {b"enable-threads": b"true"}, {"threads": "4"}, {b"threads": b"2"}]
    )
    def test_uwsgi_with_threads_is_no_problem(self, given, uwsgi):
        uwsgi(given)
        with celery_app(broker_url="memory://"):
            assert found() == []

    def test_a_doorbell_that_is_off_or_silent_needs_none(self, uwsgi, settings):
        uwsgi({})
        with celery_app():
            assert found() == []
        settings.CLEAN_TIMESTAMPS = {"DOORBELL": False}
        with celery_app(broker_url="memory://"):
            assert found() == []


class TestConfirms:
    @pytest.mark.parametrize("url", [AMQP, "amqps://h", "pyamqp://h", f"redis://h;{AMQP}", ["redis://h", AMQP]])
    def test_a_handler_that_is_sent_over_amqp_without_confirms_is_warned_of(self, url, sending):
        with celery_app(broker_url=url):
            (message,) = check_celery(None)
        assert message.id == "clean_timestamps.W031"
        assert "(tests.send)" in message.msg

    def test_with_confirms_it_is_no_problem(self, sending):
        with celery_app(broker_url=AMQP, broker_transport_options={"confirm_publish": True}):
            assert found() == []

    def test_without_options_it_is_warned_of(self, sending):
        with celery_app(broker_url=AMQP, broker_transport_options=None):
            assert found() == ["W031"]

    def test_on_another_broker_it_is_no_problem(self, sending):
        with celery_app(broker_url="redis://127.0.0.1/0"):
            assert found() == []

    def test_a_handler_that_is_called_is_no_problem(self, handler):
        with celery_app(broker_url=AMQP):
            assert found() == []


class TestScheme:
    @pytest.mark.parametrize("name", ["broker_url", "broker_read_url", "broker_write_url"])
    def test_the_broker_that_loses_messages_is_warned_of(self, name):
        with celery_app(**{"broker_url": "memory://", name: "filesystem://"}):
            assert found() == ["W032"]

    def test_ours_is_no_problem(self):
        with celery_app(broker_url="atomicfs://localhost/tmp/broker"):
            assert found() == []


class TestLimits:
    @pytest.mark.parametrize("name", ["task_time_limit", "task_soft_time_limit"])
    @pytest.mark.parametrize(("limit", "ids"), [(34, ["W033"]), (35, []), (None, [])])
    def test_a_limit_shorter_than_a_drain_and_a_lease_is_warned_of(self, name, limit, ids, handler):
        with celery_app(broker_url="memory://", **{name: limit}):
            assert found() == ids

    def test_the_longest_lease_counts(self, handler):
        on_timestamp(name="tests.slow", lease_seconds=300)(lambda event: None)
        with celery_app(broker_url="memory://", task_time_limit=304):
            (message,) = check_celery(None)
        assert "may take 305" in message.msg

    def test_without_handlers_any_limit_will_do(self):
        with celery_app(broker_url="memory://", task_time_limit=1):
            assert found() == []

    @pytest.mark.parametrize(
        ("annotations", "ids"),
        [
            ({"clean_timestamps.drain": {"time_limit": 60}}, []),
            ({"clean_timestamps.drain": {"time_limit": 10}}, ["W033"]),
            ({"clean_timestamps.drain": {"rate_limit": "1/s"}}, ["W033"]),
            ({"*": {"rate_limit": "1/s"}}, ["W033"]),
            ([], ["W033"]),
        ],
    )
    def test_a_limit_of_the_tasks_own_counts(self, annotations, ids, handler):
        with celery_app(broker_url="memory://", task_time_limit=20, task_annotations=annotations) as app:
            assert found() == ids
            # What finalizes an app too early keeps the project's receivers from being called.
            assert not app.finalized


class TestSilence:
    def test_an_app_without_a_broker_of_its_own_is_warned_of(self, handler):
        with celery_app("shop"):
            (message,) = check_celery(None)
        assert message.id == "clean_timestamps.W034"
        assert "The Celery app 'shop' has no broker_url" in message.msg

    def test_without_handlers_it_may_be_silent(self):
        with celery_app():
            assert found() == []

    def test_an_eager_app_needs_no_broker(self, handler):
        with celery_app(task_always_eager=True):
            assert found() == []

    def test_switched_off_it_may_be_silent(self, handler, settings):
        settings.CLEAN_TIMESTAMPS = {"DOORBELL": False}
        with celery_app():
            assert found() == []

    def test_the_app_that_celery_makes_by_itself_is_none_of_the_projects(self, handler):
        with celery_app("default"):
            assert found() == []


class TestAbsentApp:
    @pytest.fixture
    def shop(self, tmp_path, monkeypatch, settings):
        """Make a project ``shop`` whose settings these are."""
        (tmp_path / "shop").mkdir()
        (tmp_path / "shop" / "__init__.py").write_text("")
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.setattr(_state, "default_app", None)
        monkeypatch.setattr(_state._tls, "current_app", None)
        settings.SETTINGS_MODULE = "shop.settings.production"
        importlib.invalidate_caches()
        yield tmp_path / "shop"
        for name in [each for each in sys.modules if each.partition(".")[0] == "shop"]:
            del sys.modules[name]

    def test_an_app_that_nobody_imported_is_warned_of(self, shop, handler):
        (shop / "celery.py").write_text("")
        (message,) = check_celery(None)
        assert message.id == "clean_timestamps.W034"
        assert message.msg.startswith("shop.celery was not imported")
        assert "'from shop.celery import app as celery_app' in shop/__init__.py" in message.hint

    def test_one_that_was_imported_is_not(self, shop, handler):
        (shop / "celery.py").write_text("")
        importlib.import_module("shop.celery")
        assert found() == []

    def test_a_project_without_such_a_module_does_without_celery(self, shop, handler):
        assert found() == []

    def test_nor_do_handlers_need_it_where_there_are_none(self, shop):
        (shop / "celery.py").write_text("")
        assert found() == []

    def test_switched_off_it_is_no_problem(self, shop, handler, settings):
        (shop / "celery.py").write_text("")
        settings.CLEAN_TIMESTAMPS = {"DOORBELL": False}
        assert found() == []

    @pytest.mark.parametrize("module", ["project_settings", None])
    def test_settings_that_are_in_no_package_tell_nothing(self, module, shop, handler, settings):
        (shop.parent / "project_settings.py").write_text("")
        settings.SETTINGS_MODULE = module
        assert found() == []
