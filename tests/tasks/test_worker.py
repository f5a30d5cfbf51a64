"""Real workers and beats: what is saved is handled, whatever the pool, and a worker that is told to stop stops."""

import importlib.util
import signal
import sqlite3
from contextlib import closing

import pytest

from tests.brokers import broker_fixture, redis_broker_fixture  # noqa: F401 - used by name
from tests.tasks.project import PATIENCE, Project, wait_until

# The projects are on SQLite whatever the tests run on, so once is enough.
pytestmark = pytest.mark.sqlite

POOLS = [("--pool=prefork", "--concurrency=2"), ("--pool=threads", "--concurrency=2"), ("--pool=solo",)]


@pytest.fixture
def make_project(tmp_path):
    return lambda broker, *apps, **timestamps: Project(tmp_path, broker, *apps, **timestamps)


def pending(project):
    with closing(sqlite3.connect(project.directory / "db.sqlite3", timeout=20)) as database:
        return database.execute("SELECT count(*) FROM clean_timestamps_pending").fetchone()[0]


def test_what_is_saved_is_handled_by_a_worker(broker, make_project):
    # The schedule has no part in it.
    project = make_project(broker, SWEEP_SECONDS=3_600)
    with project.worker(*POOLS[0]):
        wait_until(lambda: "ready" in project.log("worker"), "the worker")
        keys = project.save_notes(5)
        assert project.wait_for_lines("cooked", 5) == keys
    assert "Traceback" not in project.log("worker")


@pytest.mark.parametrize("pool", POOLS, ids=lambda pool: pool[0].partition("=")[2])
def test_what_was_saved_while_there_was_no_worker_is_handled_when_one_is_ready(redis_broker, make_project, pool):
    project = make_project(redis_broker, DOORBELL=False, SWEEP_SECONDS=3_600)
    keys = project.save_notes(3)
    with project.worker(*pool):
        assert project.wait_for_lines("cooked", 3) == keys
    assert "Traceback" not in project.log("worker")


@pytest.mark.parametrize("pool", POOLS, ids=lambda pool: pool[0].partition("=")[2])
def test_a_worker_that_is_told_to_stop_ends_its_batch_and_sends_the_rest_on(redis_broker, make_project, pool):
    project = make_project(redis_broker, DOORBELL=False, SWEEP_SECONDS=3_600, BATCH_SIZE=1)
    keys = project.save_notes(100)
    with project.worker(*pool, COOKING_SECONDS="0.3") as worker:
        project.wait_for_lines("begun", 1)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(PATIENCE) == 0
    # All of it would have taken three times as long as a worker may take to stop.
    begun = project.lines("begun")
    assert 1 <= len(begun) < len(keys)
    assert project.lines("cooked") == begun == keys[: len(begun)]
    # No schedule and no save wakes the next one up but the message that the first one left.
    assert {message["task"] for message in redis_broker.take_all()} >= {"clean_timestamps.drain"}


def test_beat_sweeps_without_an_entry_of_the_projects(redis_broker, make_project):
    project = make_project(redis_broker, SWEEP_SECONDS=0.2)
    with project.beat():
        messages = [redis_broker.wait_for() for _ in range(3)]
    assert {message["task"] for message in messages} == {"clean_timestamps.sweep"}
    assert all(message["expires"] for message in messages)
    assert all(message["ignore_result"] for message in messages)


def test_a_worker_with_a_beat_in_it_sweeps(redis_broker, make_project):
    project = make_project(redis_broker, DOORBELL=False, SWEEP_SECONDS=0.2)
    with project.worker("--beat", *POOLS[0]):
        wait_until(lambda: "ready" in project.log("worker"), "the worker")
        keys = project.save_notes(3)
        assert project.wait_for_lines("cooked", 3) == keys
        wait_until(
            lambda: (
                project.log("worker").count("sending due task clean_timestamps.sweep") > 1
                or project.log("worker").count("Sending due task clean_timestamps.sweep") > 1
            ),
            "sweeps",
        )


@pytest.mark.skipif(
    importlib.util.find_spec("django_celery_beat") is None,
    reason="django-celery-beat is not installed: it has no release for this Django yet",
)
def test_the_scheduler_that_keeps_its_entries_in_the_database_sweeps(redis_broker, make_project):
    project = make_project(redis_broker, "django_celery_beat", SWEEP_SECONDS=0.2)
    for _ in range(2):
        with project.beat("--scheduler=django_celery_beat.schedulers:DatabaseScheduler"):
            message = redis_broker.wait_for()
            assert (message["task"], message["args"]) == ("clean_timestamps.sweep", [])
            assert message["expires"]
    with closing(sqlite3.connect(project.directory / "db.sqlite3")) as database:
        entries = database.execute(
            "SELECT name, task, enabled, expire_seconds, every, period FROM django_celery_beat_periodictask AS task "
            "JOIN django_celery_beat_intervalschedule AS interval ON interval.id = task.interval_id"
        ).fetchall()
    assert entries == [("clean_timestamps.sweep", "clean_timestamps.sweep", 1, 60, 1, "seconds")]


def test_a_sweep_brings_positions_where_nobody_hears(redis_broker, make_project):
    project = make_project(redis_broker, DOORBELL=False, SWEEP_SECONDS=3_600)
    (project.directory / "kitchen" / "timestamp_handlers.py").unlink()
    project.save_notes(2)
    assert pending(project) == 2
    with project.worker(*POOLS[2]):
        wait_until(lambda: pending(project) == 0, "positions")
