"""Processes as projects have them record what they did: commands, forks, gunicorn's and Celery's."""

import http.client
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from tests.faults.celery_processes import CeleryWorker
from tests.faults.metric_figures import stored, stored_by_writer
from tests.faults.processes import free_port
from tests.faults.waiting import wait_until

pytestmark = pytest.mark.faults

ROOT = Path(__file__).resolve().parents[2]
CREATED = ("faults.counter", "create")


def test_a_command_that_lives_a_moment_records_what_it_did(database):
    assert database.run("save_once") == 1
    assert stored(database)[CREATED] == 1


@pytest.mark.parametrize("way", ["fork", "process", "pool"])
def test_a_parent_and_its_forked_children_each_record_their_own_once(database, way):
    made = database.run("fork_in_between", count=5, way=way)
    assert stored(database)[CREATED] == made == 25
    # A process of a pool may have got more than its share, or none.
    assert len(stored_by_writer(database)) == 4 if way != "pool" else 2 <= len(stored_by_writer(database)) <= 3


def test_forks_while_the_parent_writes_cut_no_connection_and_lose_nothing(server_database):
    process = server_database.start("fork_while_flushing", forks=50)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert errors == ""
    made = int(output.splitlines()[-1])
    assert sum(stored(server_database).values()) == made
    assert len(stored_by_writer(server_database)) == 1


class Gunicorn:
    """A server with two workers, which were forked of a process that had the application loaded and had saved."""

    def __init__(self, database, folder):
        self.port = free_port()
        self.log = folder / "gunicorn.log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "gunicorn", "--preload", "--workers", "2", "--graceful-timeout", "60"),
                    *("--worker-tmp-dir", str(folder), "--bind", f"127.0.0.1:{self.port}"),
                    "tests.faults.site:application",
                ],
                cwd=ROOT,
                env={**os.environ, **database.environment(), "FAULTS_PRELOADED": "1"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def save(self):
        """Return which worker has answered; None where nobody listens."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("GET", "/save")
            response = connection.getresponse()
            assert response.status == 200
            return int(response.read())
        except ConnectionRefusedError:
            return None
        finally:
            connection.close()

    def kill(self):
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def gunicorn(database, tmp_path):
    server = Gunicorn(database, tmp_path)
    yield server
    server.kill()


def test_gunicorn_with_preloaded_workers_records_every_request_and_ends_on_sigterm(database, gunicorn):
    answered, lock = [], threading.Lock()

    def ask():
        worker = gunicorn.save()
        with lock:
            answered.extend([worker] * (worker is not None))

    def have_both_answered():
        ask()
        return len(set(answered)) == 2

    wait_until(have_both_answered, "two workers that answer")
    threads = [threading.Thread(target=lambda: [ask() for _ in range(25)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answered) > 100
    gunicorn.process.send_signal(signal.SIGTERM)
    # By itself: it would kill workers that hang only after a minute.
    assert gunicorn.process.wait(30) == 0, gunicorn.log.read_text()
    saved = database.value("SELECT count(*) FROM faults_counter")
    # With what was saved before any worker was there.
    assert saved == len(answered) + 1
    assert stored(database)[CREATED] == saved, gunicorn.log.read_text()
    assert len(stored_by_writer(database)) == 3
    assert "rror" not in gunicorn.log.read_text()


class ShortLived(CeleryWorker):
    """A worker whose processes end after some tasks, and are replaced."""

    arguments = (*CeleryWorker.arguments, "--max-tasks-per-child", "5")


def test_celerys_processes_record_what_their_tasks_did(database, delivery_on, redis):
    assert_recorded(database, delivery_on(database), redis, CeleryWorker, writers=2)


def test_celerys_processes_that_are_replaced_record_what_their_tasks_did(postgresql, delivery_on, redis):
    assert_recorded(postgresql, delivery_on(postgresql), redis, ShortLived, writers=42 // 5)


def assert_recorded(database, delivery, redis, kind, writers):
    """Hold what stands in the tables against the tasks, of which so many processes at least have done some."""
    delivery.broker = redis.url
    worker = delivery.start_celery(kind)
    sent = delivery.run("send_tasks", count=42)
    wait_until(lambda: database.value("SELECT count(*) FROM faults_counter") == sent, "every task done")
    worker.stop()
    assert stored(database)[CREATED] == sent, worker.log.read_text()
    assert len(stored_by_writer(database)) >= writers
    assert set(database.query("SELECT DISTINCT kind FROM clean_timestamps_metricwriter")) == {("worker",)}
