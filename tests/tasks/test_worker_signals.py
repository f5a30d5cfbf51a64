"""What a worker does when it is ready and when it is told to stop, and how its tasks are registered."""

import logging
import sys
from types import SimpleNamespace

import pytest

from django_clean_timestamps.delivery import doorbell
from django_clean_timestamps.tasks import running, worker
from tests.brokers import celery_app
from tests.tasks.messages import app_fixture, ours, take_all  # noqa: F401 - one is used by name


@pytest.mark.parametrize("flag", ["should_stop", "should_terminate"])
def test_a_worker_is_stopping_from_its_signal_on_whatever_the_exit_code(flag, monkeypatch):
    from celery.worker import state

    assert not running.is_stopping()
    for value, stopping in [(False, False), (0, True), (1, True), (None, False)]:
        monkeypatch.setattr(state, flag, value)
        assert running.is_stopping() is stopping


def test_a_process_that_is_no_worker_is_not_stopping(monkeypatch):
    monkeypatch.delitem(sys.modules, "celery.worker.state", raising=False)
    assert not running.is_stopping()


def test_a_worker_that_is_ready_sends_a_sweep(app):
    worker._send_sweep(SimpleNamespace(app=app), signal="worker_ready")
    (message,) = take_all(app)
    assert message.headers["task"] == doorbell.SWEEP
    assert message.headers["expires"]


def test_a_worker_whose_sweep_cannot_be_sent_is_ready_all_the_same(caplog):
    with celery_app(broker_url="redis://127.0.0.1:1/0") as app:
        worker._send_sweep(SimpleNamespace(app=app))
    assert [record.levelno for record in ours(caplog)] == [logging.WARNING]
    assert "refused" in caplog.text


@pytest.mark.parametrize("name", [doorbell.DRAIN, doorbell.SWEEP])
def test_whatever_the_project_wants_of_its_tasks_ours_are_acknowledged_early_and_keep_no_result(name):
    with celery_app(task_acks_late=True, task_ignore_result=False) as app:
        task = app.tasks[name]
        assert (task.acks_late, task.ignore_result) == (False, True)


def test_celery_finds_them_by_itself():
    with celery_app() as app:
        app.autodiscover_tasks(["django_clean_timestamps"], force=True)
        assert {doorbell.DRAIN, doorbell.SWEEP} <= set(app.tasks)
