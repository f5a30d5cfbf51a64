"""When a process writes its metrics, and what it never does to whoever works."""

import logging
import sqlite3
import threading

import pytest
from django.core import mail
from django.db import OperationalError, connection, transaction

from django_clean_timestamps.metrics import flushing as module
from django_clean_timestamps.metrics.flushing import Flusher, _interval_of, is_testing
from django_clean_timestamps.metrics.models import MetricLease, MetricMinute, MetricWriter
from django_clean_timestamps.metrics.recorder import Recorder

SAVE = ("shop.order", "update", "ok", "default")


@pytest.fixture
def made(monkeypatch):
    """Return a flusher that does not take this for a test."""
    monkeypatch.setattr(module, "is_testing", lambda: False)
    recorder = Recorder(lambda: None)
    flusher = Flusher(recorder)
    recorder._wake = flusher.start
    yield flusher
    flusher._stop.set()
    if flusher._thread is not None:
        flusher._thread.join(20)


@pytest.fixture
def flushed(made, monkeypatch):
    """Return how often the flusher has flushed, which then does nothing else."""
    flushes = []
    monkeypatch.setattr(made, "_flush", lambda: flushes.append(threading.current_thread().name))
    return flushes


def test_under_a_test_runner_nothing_flushes_by_itself(db):
    assert is_testing()
    flusher = Flusher(Recorder(lambda: None))
    flusher.start()
    flusher.recorder.observe(SAVE, 0.001)
    flusher.flush_here()
    flusher.finish()
    assert flusher._thread is None
    assert not MetricMinute.objects.exists()


def test_outside_a_test_runner_it_is_told(monkeypatch):
    monkeypatch.delattr(mail, "outbox")
    monkeypatch.setattr(module, "_has_tested", False)
    assert not is_testing()


def test_what_tests_have_done_is_not_written_behind_them(monkeypatch):
    assert is_testing()
    monkeypatch.delattr(mail, "outbox")
    assert is_testing()


class TestByAThread:
    @pytest.fixture(autouse=True)
    def _server(self, monkeypatch):
        monkeypatch.setattr(Flusher, "_is_sqlite", lambda self: False)
        monkeypatch.setattr(module, "FOLD_SECONDS", 0.01)

    def test_the_first_observation_starts_it_and_the_end_writes_the_rest(self, made, flushed):
        made.recorder.observe(SAVE, 0.001)
        made.start()
        assert made._thread.daemon
        made.finish()
        assert flushed == ["clean-timestamps-metrics"]
        assert not made._thread.is_alive()

    def test_it_folds_and_flushes_when_it_is_time(self, made, monkeypatch):
        flushes = threading.Semaphore(0)
        monkeypatch.setattr(made, "_flush", flushes.release)
        made._interval = 0.02
        made.recorder.observe(SAVE, 0.001)
        for _ in range(3):
            assert flushes.acquire(timeout=20)
        made.finish()
        assert not made.recorder._queue

    def test_a_thread_that_was_started_before_a_test_runner_came_does_nothing(self, made, flushed, monkeypatch):
        monkeypatch.setattr(module, "is_testing", lambda: True)
        made._flush_and_close()
        assert flushed == []

    def test_what_is_observed_behind_its_end_is_written_too(self, transactional_db, made, flushed):
        made.recorder.observe(SAVE, 0.001)
        made.finish()
        made.recorder.observe(SAVE, 0.001)
        made.finish()
        assert flushed[0] == "clean-timestamps-metrics"
        assert flushed[-1] == "MainThread"

    def test_the_end_does_not_wait_for_a_flush_that_hangs(self, made, monkeypatch):
        begun, hanging = threading.Event(), threading.Event()

        def hang():
            begun.set()
            assert hanging.wait(20)

        monkeypatch.setattr(module, "EXIT_SECONDS", 0.01)
        monkeypatch.setattr(made, "_flush", hang)
        made._interval = 0.0
        made.recorder.observe(SAVE, 0.001)
        assert begun.wait(20)
        made.finish()
        assert made._thread.is_alive()
        hanging.set()

    def test_nothing_is_done_on_the_threads_of_others(self, made, flushed):
        made.recorder.observe(SAVE, 0.001)
        made.flush_here()
        assert flushed == []

    def test_a_fork_begins_with_a_thread_of_its_own(self, made, flushed):
        made.recorder.observe(SAVE, 0.001)
        made.finish()
        made.begin()
        made.recorder.begin()
        assert made._thread is None
        made.recorder.observe(SAVE, 0.001)
        made.finish()
        assert len(flushed) == 2


class TestOnSQLite:
    @pytest.fixture(autouse=True)
    def _sqlite(self, monkeypatch):
        monkeypatch.setattr(Flusher, "_is_sqlite", lambda self: True)

    @pytest.fixture
    def clock(self, monkeypatch):
        now = [1_000.0]
        monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
        return now

    def test_it_is_flushed_at_the_end_of_a_request_once_a_minute(self, transactional_db, made, flushed, clock):
        made.flush_here()
        assert flushed == []
        made.recorder.observe(SAVE, 0.001)
        made.flush_here(sender=object(), signal=object())
        assert made._thread is None
        assert flushed == ["MainThread"]
        clock[0] += 59
        made.flush_here()
        assert len(flushed) == 1
        clock[0] += 1
        made.flush_here()
        assert len(flushed) == 2

    def test_it_is_folded_each_second(self, transactional_db, made, flushed, clock):
        for _ in range(3):
            made.recorder.observe(SAVE, 0.001)
            made.flush_here()
        assert len(made.recorder._queue) == 2
        clock[0] += 1
        made.flush_here()
        assert not made.recorder._queue

    def test_not_inside_a_transaction(self, transactional_db, made, flushed):
        made.recorder.observe(SAVE, 0.001)
        with transaction.atomic():
            made.flush_here()
        assert flushed == []

    def test_the_end_of_the_process_writes_what_is_left(self, transactional_db, made, flushed):
        made.finish()
        assert flushed == []
        made.recorder.observe(SAVE, 0.001)
        made.finish()
        assert flushed == ["MainThread"]

    def test_while_somebody_else_uses_it_it_is_tried_again_in_a_second_and_nothing_is_said(
        self, transactional_db, made, monkeypatch, clock, caplog
    ):
        flushes = []

        def flush():
            flushes.append(1)
            if len(flushes) == 1:
                raise busy()

        monkeypatch.setattr(made, "_flush", flush)
        made.recorder.observe(SAVE, 0.001)
        made.flush_here()
        clock[0] += 1
        made.flush_here()
        made.flush_here()
        assert len(flushes) == 2
        assert caplog.records == []

    def test_the_end_of_the_process_tries_for_a_second(self, transactional_db, made, monkeypatch):
        flushes = []

        def flush():
            flushes.append(1)
            if len(flushes) < 3:
                raise busy()

        monkeypatch.setattr(made, "_flush", flush)
        made.recorder.observe(SAVE, 0.001)
        made.finish()
        assert len(flushes) == 3

    def test_no_database_of_that_name_is_no_error(self, made, flushed, settings):
        settings.CLEAN_TIMESTAMPS = {"METRICS_DATABASE": "nowhere"}
        made.recorder.observe(SAVE, 0.001)
        made.flush_now()
        assert flushed == []


def busy():
    """Return what Django raises where SQLite's lock is somebody else's."""
    cause = sqlite3.OperationalError("database is locked")
    cause.sqlite_errorcode = sqlite3.SQLITE_BUSY
    error = OperationalError("database is locked")
    error.__cause__ = cause
    return error


class TestConnection:
    @pytest.mark.postgres
    @pytest.mark.mariadb
    @pytest.mark.parametrize("was_open", [True, False])
    def test_it_is_left_as_it_was_found(self, transactional_db, made, monkeypatch, was_open):
        seen = []

        def work():
            if was_open:
                connection.ensure_connection()
            made.flush_now()
            seen.append(connection.connection is not None)
            connection.close()

        monkeypatch.setattr(made, "_flush", lambda: seen.append(connection.get_autocommit()))
        thread = threading.Thread(target=work)
        thread.start()
        thread.join(20)
        assert seen == [True, was_open]

    @pytest.mark.sqlite
    def test_it_begins_no_transaction_beside_that_of_somebody_else(self, transactional_db, made, monkeypatch):
        seen, before = [], connection.transaction_mode
        monkeypatch.setattr(made, "_flush", lambda: seen.append(connection.transaction_mode))
        made.flush_now()
        assert seen == ["EXCLUSIVE"]
        assert connection.transaction_mode == before

    @pytest.mark.sqlite
    def test_a_busy_database_is_not_waited_for(self, transactional_db, made, monkeypatch):
        def timeout():
            with connection.cursor() as cursor:
                cursor.execute("PRAGMA busy_timeout")
                return cursor.fetchone()[0]

        seen = []
        monkeypatch.setattr(made, "_flush", lambda: seen.append(timeout()))
        before = timeout()
        made.flush_now()
        assert seen == [0]
        assert timeout() == before


class TestWriting:
    def test_what_was_observed_stands_there_with_its_process(self, transactional_db, made):
        made.recorder.observe(SAVE, 0.001)
        made.flush()
        assert MetricMinute.objects.get().writer_id == MetricWriter.objects.get().pk == made.recorder.writer
        assert MetricLease.objects.get().owner == made.recorder.writer

    def test_a_sign_of_life_is_written_once_a_minute(self, transactional_db, made, monkeypatch):
        beats = []
        made.flush()
        monkeypatch.setattr(made._store, "beat", lambda: beats.append(1))
        made.flush()
        assert beats == []
        made._beaten_at -= 60
        made.flush()
        assert beats == [1]

    def test_the_end_of_a_process_does_not_keep_house(self, transactional_db, made):
        made._stop.set()
        made.flush()
        assert not MetricLease.objects.exists()

    def test_another_database_is_taken_up(self, transactional_db, made, settings):
        made.flush()
        first = made._store
        made.flush()
        assert made._store is first
        settings.CLEAN_TIMESTAMPS = {"METRICS_DATABASE": "other"}
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "Store", lambda recorder, using, process: Stored(using))
            patch.setattr(module, "Keeper", lambda owner, using: Stored(using))
            patch.setattr(module, "_living", lambda using: 1)
            made.flush()
        assert made._store.using == "other"

    def test_two_flushes_at_once_are_one(self, made, flushed):
        with made._flushing:
            made.flush()
        assert flushed == []


class Stored:
    def __init__(self, using):
        self.using = using

    def flush(self):
        pass

    beat = keep = flush


class TestFailing:
    def failing(self, made, monkeypatch, error):
        def fail():
            raise error

        monkeypatch.setattr(made, "_flush", fail)

    def test_a_database_that_is_down_is_told_of_once(self, made, monkeypatch, caplog):
        self.failing(made, monkeypatch, OperationalError("connection\nrefused"))
        made.flush()
        self.failing(made, monkeypatch, OperationalError("still refused"))
        made.flush()
        assert [record.getMessage() for record in caplog.records] == [
            "Metrics could not be written; they are kept, and tried again: OperationalError: connection refused"
        ]

    def test_and_again_after_it_was_up(self, made, monkeypatch, caplog):
        for _ in range(2):
            self.failing(made, monkeypatch, OperationalError("refused"))
            made.flush()
            monkeypatch.setattr(made, "_flush", lambda: None)
            made.flush()
        assert len(caplog.records) == 2

    def test_what_nobody_thought_of_is_logged_whole(self, made, monkeypatch, caplog):
        self.failing(made, monkeypatch, RuntimeError("odd"))
        with caplog.at_level(logging.ERROR):
            made.flush()
        assert "RuntimeError: odd" in caplog.text


@pytest.mark.parametrize(("writers", "seconds"), [(1, 10), (16, 10), (32, 20), (96, 60), (1_000, 60)])
def test_many_processes_write_less_often(writers, seconds):
    assert _interval_of(writers) == seconds


@pytest.mark.sqlite
def test_a_file_that_was_deleted_is_not_made_again(made, flushed, monkeypatch, tmp_path):
    monkeypatch.setattr(connection, "is_in_memory_db", lambda: False)
    monkeypatch.setitem(connection.settings_dict, "NAME", tmp_path / "gone.sqlite3")
    made.recorder.observe(SAVE, 0.001)
    made.finish()
    assert flushed == []
    assert list(tmp_path.iterdir()) == []


def test_settings_that_cannot_be_used_are_not_told_to_whoever_ends_a_request(made, flushed, settings):
    made.recorder._is_awake = True
    settings.CLEAN_TIMESTAMPS = {"METRICS_DATABASE": 5}
    made.flush_here()
    assert flushed == []
