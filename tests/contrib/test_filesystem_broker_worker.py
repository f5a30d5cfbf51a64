"""Celery's own worker on the broker."""

import json
import os
import signal
import time
from contextlib import contextmanager

import pytest

from tests.contrib.broker_app import make_app
from tests.contrib.broker_processes import SECONDS, finish, running

# No database takes part, so one of three runs is enough.
pytestmark = pytest.mark.sqlite


@contextmanager
def celery(folder, *words, **options):
    # With Django's settings in the environment Celery would set Django up.
    environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    environment["BROKER_FOLDER"] = str(folder)
    with running("-m", "celery", "-A", "tests.contrib.broker_app", *words, env=environment, **options) as process:
        yield process


class Worker:
    """A worker that runs, and its log."""

    def __init__(self, process, log):
        self.process = process
        self.log = log

    def wait_for(self, text):
        deadline = time.monotonic() + SECONDS
        while text not in self.log.read_text():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.02)

    def stop(self):
        """Stop it as an operator would, and see that nothing is amiss."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(SECONDS) == 0
        for word in ("Traceback", "ERROR", "CRITICAL"):
            assert word not in self.log.read_text()

    def kill(self):
        self.process.kill()
        self.process.wait()


@contextmanager
def working(folder, *words, pool="solo"):
    log = folder / f"{pool}.log"
    with (
        log.open("w") as stream,
        celery(folder, "worker", "-l", "INFO", "-c", "2", "-P", pool, *words, stdout=stream, stderr=stream) as process,
    ):
        worker = Worker(process, log)
        worker.wait_for(" ready.")
        yield worker


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder, an app that publishes to it, and a worker that runs all the while: to start one takes a second."""
    folder = tmp_path_factory.mktemp("broker")
    with make_app(folder) as app, working(folder, "-B", pool="prefork") as worker:
        yield folder, app, worker
        worker.stop()


def test_a_worker_runs_tasks_and_sends_their_results(site):
    _, app, _ = site
    results = [app.tasks["add"].delay(number, 1) for number in range(20)]
    assert [result.get(timeout=SECONDS) for result in results] == list(range(1, 21))


def test_a_worker_answers_a_ping(site):
    folder, _, _ = site
    with celery(folder, "inspect", "ping", "--json") as inspect:
        (line,) = finish(inspect)
    assert list(json.loads(line).values()) == [{"ok": "pong"}]


def test_a_worker_runs_what_its_own_beat_sends(site):
    _, _, worker = site
    worker.wait_for("Task tick")


def test_a_worker_leaves_an_expired_task_out_and_runs_a_delayed_one_late(site):
    _, app, worker = site
    expired = app.tasks["add"].apply_async((1, 1), expires=-1)
    delayed = app.tasks["add"].apply_async((2, 2), countdown=0.5)
    assert delayed.get(timeout=SECONDS) == 4
    worker.wait_for(f"Discarding revoked task: add[{expired.id}]")


def test_a_worker_survives_what_is_no_message_and_what_is_no_task(site):
    folder, app, worker = site
    queue = folder / "messages" / "celery.queue"
    app.tasks["add"].apply_async((1, 1), queue="nobody")
    (whole,) = (folder / "messages" / "nobody.queue").iterdir()
    (folder / "0-no-task").write_text('{"properties": {}, "body": "{}"}')

    queue.mkdir(exist_ok=True)
    (queue / "0-empty.msg").touch()
    (queue / "0-truncated.msg").write_bytes(whole.read_bytes()[:100])
    (queue / "0-foreign").write_text("Hello.")
    (queue / "0-folder").mkdir()
    (folder / "0-no-task").rename(queue / "0-no-task.msg")
    assert app.tasks["add"].delay(2, 2).get(timeout=SECONDS) == 4

    assert [path.name for path in queue.glob("0-*")] == []
    rejected = {path.name for path in (folder / "messages" / ".rejected").glob("*/*")}
    assert rejected == {"0-empty.msg", "0-truncated.msg", "0-foreign", "0-folder"}
    for name in rejected:
        assert worker.log.read_text().count(f"{name} is no message") == 1
    assert "unknown message" in worker.log.read_text()


def test_a_waiting_task_outlives_workers_that_are_stopped_and_killed(tmp_path):
    with make_app(tmp_path) as app:
        waiting = app.tasks["add"].apply_async((1, 1), countdown=3_600)
        with working(tmp_path, pool="threads") as worker:
            worker.wait_for(f"add[{waiting.id}] received")
            assert app.tasks["add"].delay(1, 2).get(timeout=SECONDS) == 3
            worker.stop()
        with working(tmp_path, pool="solo") as worker:
            worker.wait_for(f"add[{waiting.id}] received")
            worker.process.send_signal(signal.SIGSTOP)
            # Told to a worker that is killed before it hears of it, and not to the next one.
            app.control.shutdown()
            worker.kill()
        with working(tmp_path, pool="solo") as worker:
            worker.wait_for(f"add[{waiting.id}] received")
            assert app.tasks["add"].delay(1, 2).get(timeout=SECONDS) == 3
            worker.kill()


def test_a_worker_says_why_its_folder_cannot_be_made(tmp_path):
    folder = tmp_path / "file"
    folder.touch()
    with (tmp_path / "log").open("w") as stream, celery(folder, "worker", stdout=stream, stderr=stream) as process:
        Worker(process, tmp_path / "log").wait_for(f"The broker's folder {folder}/messages cannot be made")
