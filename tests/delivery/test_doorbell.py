"""Whether a ring becomes a message, and what that is like."""

import json
import logging
import os
import subprocess
import sys
import textwrap
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from celery import Celery, _state
from django.db import transaction
from django.test import TestCase, override_settings

from django_clean_timestamps.delivery import doorbell
from django_clean_timestamps.delivery.doorbell import ringing
from tests.brokers import broker_fixture, celery_app, redis_broker_fixture  # noqa: F401 - used by name
from tests.delivery.bells import (
    PATIENCE,
    doorbell_threads,
    fresh_doorbell_fixture,  # noqa: F401 - used by name
    heard_fixture,  # noqa: F401 - used by name
    published_fixture,  # noqa: F401 - used by name
)
from tests.testapp.models import Note

ROOT = Path(__file__).resolve().parents[2]
MEMORY = {"broker_url": "memory://"}


def ring_and_wait(published, using="default"):
    doorbell.ring(using)
    return published.get(timeout=PATIENCE)


def assert_silence(published):
    threads = doorbell_threads()
    doorbell.ring("default")
    assert doorbell_threads() == threads
    assert published.empty()


# Where it is silent.


def test_without_handlers_it_is_silent(published):
    with celery_app(**MEMORY):
        assert_silence(published)


def test_switched_off_it_is_silent(published, heard, settings):
    settings.CLEAN_TIMESTAMPS = {"DOORBELL": False}
    with celery_app(**MEMORY):
        assert_silence(published)


def test_without_a_broker_of_the_projects_own_it_is_silent(published, heard, caplog):
    # Celery itself would look for one on this machine.
    with celery_app():
        assert_silence(published)
    assert caplog.records == []


def test_without_a_celery_app_it_is_silent_and_makes_none(published, heard, monkeypatch):
    monkeypatch.setattr(_state, "default_app", None)
    monkeypatch.setattr(_state._tls, "current_app", None)
    assert_silence(published)
    assert _state.default_app is None


@pytest.mark.django_db
def test_a_testcase_is_silent(published, heard):
    with celery_app(**MEMORY), TestCase.captureOnCommitCallbacks(execute=True):
        with transaction.atomic():
            Note.objects.create(title="a")
        Note.objects.update(title="b")
    assert published.empty()
    assert ringing._decision is None


# Where it rings.


@pytest.mark.parametrize("name", ["CELERY_BROKER_URL", "CELERY_BROKER_WRITE_URL"])
def test_a_broker_in_the_environment_counts(name, published, heard, monkeypatch):
    monkeypatch.setenv(name, "memory://")
    with celery_app() as app:
        assert ring_and_wait(published) == (app, "default")


@pytest.mark.parametrize("name", ["broker_url", "broker_write_url"])
def test_a_broker_that_the_app_is_configured_with_counts(name, published, heard):
    with celery_app(**{name: "memory://"}) as app:
        assert ring_and_wait(published) == (app, "default")


def test_a_broker_in_the_projects_settings_counts(published, heard, settings):
    settings.CELERY_BROKER_URL = "memory://"
    with celery_app() as app:
        app.config_from_object("django.conf:settings", namespace="CELERY")
        assert ring_and_wait(published) == (app, "default")


def test_the_app_is_that_of_the_thread_that_rings(published, heard):
    with celery_app(**MEMORY), Celery("of the thread", broker="memory://", set_as_current=False, fixups=[]) as mine:

        def work():
            mine.set_current()
            doorbell.ring("default")

        worker = threading.Thread(target=work)
        worker.start()
        worker.join(PATIENCE)
        assert published.get(timeout=PATIENCE) == (mine, "default")


def test_what_is_configured_later_counts_from_then_on(published, heard):
    with celery_app() as app:
        assert_silence(published)
        app.conf.broker_url = "memory://"
        assert ring_and_wait(published) == (app, "default")
        app.conf.broker_url = None
        before = ringing._decision
        doorbell.ring("default")
        assert ringing._decision is not before
        assert published.empty()


def test_another_configuration_counts_from_then_on(published, heard):
    with celery_app() as app:
        assert_silence(published)
        app.config_from_object({"broker_url": "memory://"})
        assert ring_and_wait(published) == (app, "default")


def test_settings_that_a_test_changes_count_at_once(published, heard):
    with celery_app() as app:
        app.config_from_object("django.conf:settings", namespace="CELERY")
        assert_silence(published)
        with override_settings(CELERY_BROKER_URL="memory://"):
            assert ring_and_wait(published) == (app, "default")
        doorbell.ring("default")
        assert published.empty()


def test_the_configuration_is_asked_once(published, heard):
    with celery_app(**MEMORY):
        doorbell.ring("default")
        decision = ringing._decision
        doorbell.ring("other")
        doorbell.ring("default")
        assert ringing._decision is decision


def test_its_own_drain_does_not_ring_for_its_log(published, heard):
    with celery_app(**MEMORY) as app:
        with doorbell.draining("default"):
            doorbell.ring("default")
            assert ring_and_wait(published, "other") == (app, "other")
            with doorbell.draining("other"):
                doorbell.ring("other")
            doorbell.ring("default")
            elsewhere = threading.Thread(target=doorbell.ring, args=("default",))
            elsewhere.start()
            elsewhere.join(PATIENCE)
            assert published.get(timeout=PATIENCE) == (app, "default")
            assert published.empty()
        assert ring_and_wait(published) == (app, "default")


# The message.


def test_a_commit_is_a_message_that_names_the_database(broker, fresh_doorbell, heard, log):
    with celery_app(**broker.conf):
        with transaction.atomic():
            Note.objects.create(title="a")
            Note.objects.create(title="b")
        message = broker.wait_for()
    assert message["task"] == "clean_timestamps.drain"
    assert message["args"] == ["default"]
    assert message["ignore_result"] is True
    assert "clean_timestamps_context" not in message
    assert broker.take() is None


def test_a_commit_on_another_database_names_that(redis_broker, fresh_doorbell, heard, log):
    with celery_app(**redis_broker.conf):
        Note.objects.using("other").create(title="a")
        assert redis_broker.wait_for()["args"] == ["other"]


@pytest.mark.parametrize(("sweep_seconds", "good_for"), [(5, 60), (59, 60), (600, 600)])
def test_a_message_is_good_until_the_next_sweep_and_a_minute_at_least(
    sweep_seconds, good_for, broker, fresh_doorbell, heard, settings
):
    settings.CLEAN_TIMESTAMPS = {"SWEEP_SECONDS": sweep_seconds}
    with celery_app(**broker.conf):
        before = datetime.now(UTC)
        doorbell.ring("default")
        expires = datetime.fromisoformat(broker.wait_for()["expires"])
    assert before + timedelta(seconds=good_for) <= expires <= datetime.now(UTC) + timedelta(seconds=good_for)


def test_messages_go_to_the_queue_of_the_setting(broker, fresh_doorbell, heard, settings):
    other = f"{broker.queue}_other"
    settings.CLEAN_TIMESTAMPS = {"QUEUE": other}
    with celery_app(**broker.conf):
        doorbell.ring("default")
        assert broker.wait_for(other)["task"] == "clean_timestamps.drain"
        assert broker.take() is None


def test_messages_go_where_the_project_routes_them(redis_broker, fresh_doorbell, heard):
    other = f"{redis_broker.queue}_other"
    with celery_app(**redis_broker.conf, task_routes={"clean_timestamps.*": other}):
        doorbell.ring("default")
        assert redis_broker.wait_for(other)["task"] == "clean_timestamps.drain"


def test_another_app_gets_a_connection_of_its_own(redis_broker, fresh_doorbell, heard):
    for queue in (redis_broker.queue, f"{redis_broker.queue}_other"):
        with celery_app(**{**redis_broker.conf, "task_default_queue": queue}):
            for _ in range(2):
                doorbell.ring("default")
                assert redis_broker.wait_for(queue)["args"] == ["default"]
    publisher = ringing._thread._publish._publisher
    assert publisher.app.conf.task_default_queue == queue


def test_a_message_is_sent_while_the_committer_has_gone_on(redis_broker, fresh_doorbell, heard, monkeypatch, log):
    held, go_on = threading.Event(), threading.Event()
    send = ringing._Publishing.__call__

    def slowly(self, app, using):
        held.set()
        assert go_on.wait(PATIENCE)
        send(self, app, using)

    monkeypatch.setattr(ringing._Publishing, "__call__", slowly)
    with celery_app(**redis_broker.conf):
        Note.objects.create(title="a")
        assert held.wait(PATIENCE)
        Note.objects.create(title="b")
        assert redis_broker.take() is None
        go_on.set()
        redis_broker.wait_for()
        # For the second save, whose ring came while the first was being published.
        redis_broker.wait_for()


# Processes.


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_forked_process_has_a_thread_of_its_own_and_leaves_the_parents_connection_alone(
    broker, fresh_doorbell, heard, caplog
):
    with celery_app(**broker.conf):
        doorbell.ring("default")
        assert broker.wait_for()["args"] == ["default"]
        child = os.fork()
        if child == 0:
            code = 1
            try:
                doorbell.ring("of the child")
                code = len(doorbell_threads()) - 1
                ringing._thread.close()
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert broker.wait_for()["args"] == ["of the child"]
        connection = ringing._thread._publish._publisher._producer.connection
        doorbell.ring("default")
        assert broker.wait_for()["args"] == ["default"]
        assert ringing._thread._publish._publisher._producer.connection is connection
        ringing._thread.close()
        assert not connection.connected
    assert [record for record in caplog.records if record.levelno > logging.INFO] == []


PROGRAM = """
    import json
    import sys

    from celery import Celery
    from django.conf import settings

    settings.configure(
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        INSTALLED_APPS=["django.contrib.contenttypes", "django_clean_timestamps", "tests.testapp"],
        SECRET_KEY="program",
        USE_TZ=True,
    )
    import django

    django.setup()
    from django.core.management import call_command
    from django_clean_timestamps.delivery import on_timestamp
    from tests.testapp.models import Note

    call_command("migrate", run_syncdb=True, verbosity=0)
    on_timestamp(name="program.hear")(print)
    app = Celery("program", fixups=[])
    app.conf.update(json.loads(sys.argv[1]))
    for number in range(3):
        Note.objects.create(title=str(number))
"""


@pytest.mark.sqlite
def test_a_process_that_ends_publishes_what_it_rang_last(broker):
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PROGRAM), json.dumps(broker.conf)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    messages = broker.take_all()
    assert 1 <= len(messages) <= 3
    assert {message["task"] for message in messages} == {"clean_timestamps.drain"}


def test_a_fork_is_noticed_without_a_hook(published, heard, monkeypatch):
    with celery_app(**MEMORY) as app:
        ring_and_wait(published)
        parents = ringing._thread
        abandoned = len(ringing._abandoned)
        with monkeypatch.context() as patch:
            patch.setattr(parents, "pid", parents.pid + 1)
            assert ring_and_wait(published) == (app, "default")
        assert ringing._thread is not parents
        assert ringing._abandoned[abandoned:] == [parents]
        parents.close()
