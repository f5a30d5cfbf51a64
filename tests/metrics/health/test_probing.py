"""Whether a database answers, whatever it does."""

import socket
import threading
from contextlib import contextmanager
from copy import deepcopy

import pytest
from django.db import OperationalError, connection, connections

from django_clean_timestamps.metrics.health.probing import Asker, select_one
from tests.eventlog.conftest import committing  # noqa: F401 - a fixture


@pytest.fixture
def asker(committing):  # noqa: F811 - the fixture
    """An asker, of which no thread is left at the end."""
    asker = Asker()
    yield asker
    for question in asker._under_way.values():
        question.join(60)
        assert not question.is_alive()


@contextmanager
def alias(name, **changes):
    """Let there be another database, like the default one but for what is named."""
    connections.settings[name] = {**deepcopy(connections["default"].settings_dict), **changes}
    try:
        yield name
    finally:
        del connections.settings[name]


def test_a_database_that_answers(asker):
    answer = asker.ask("default", select_one)
    assert (answer.value, answer.error) == (None, None)


def test_what_the_work_returns_is_the_answer(asker):
    assert asker.ask("other", lambda connection: connection.alias).value == "other"


def test_several_are_asked_at_once(asker):
    both = threading.Barrier(2)
    answers = asker.ask_all(["default", "other"], lambda connection: both.wait(30) and connection.alias)
    assert {alias: answer.error for alias, answer in answers.items()} == {"default": None, "other": None}


def test_it_asks_over_a_connection_of_its_own_and_closes_it(asker):
    used = []

    def look(own):
        select_one(own)
        used.append((own, own.connection))

    assert asker.ask("default", look).error is None
    ((own, raw),) = used
    assert own is not connection
    assert raw is not connection.connection
    with pytest.raises(Exception, match=r"(?i)closed|gone|2006"):
        raw.cursor().execute("SELECT 1")


def test_a_database_that_nobody_can_reach(asker, vendor):
    away = {"NAME": "/dev/null/none.sqlite3"} if vendor == "sqlite" else {"HOST": "127.0.0.1", "PORT": "1"}
    with alias("away", **away):
        answer = asker.ask("away", select_one)
    assert isinstance(answer.error, OperationalError)


def test_a_database_that_is_not_in_the_settings(asker):
    assert "nowhere" in str(asker.ask("nowhere", select_one).error)


def test_whoever_asks_meanwhile_gets_the_same_answer_and_nobody_waits_for_longer_than_a_second(asker):
    gate, asked = threading.Event(), []

    def wait(own):
        asked.append(own.alias)
        gate.wait(60)
        return "late"

    # Both end while the database is silent.
    for _ in range(2):
        assert isinstance(asker.ask("default", wait).error, TimeoutError)
    assert asked == ["default"]
    gate.set()
    (question,) = asker._under_way.values()
    question.join(60)
    assert asker.ask("default", wait).value == "late"
    assert asked == ["default", "default"]


@pytest.mark.postgres
@pytest.mark.mariadb
def test_a_server_that_is_silent_is_left_and_its_thread_ends(asker, vendor):
    statement = "SELECT pg_sleep(300)" if vendor == "postgresql" else "SELECT sleep(300)"

    def sleep(own):
        with own.cursor() as cursor:
            cursor.execute(statement)

    assert asker.ask("default", sleep).error is not None
    # The fixture waits for the thread, which would sleep on for minutes.
    (question,) = asker._under_way.values()
    question.join(60)
    assert isinstance(question.answer.error, OperationalError)
    if vendor == "postgresql":
        # The server looks at its client no sooner than it has slept.
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = %s AND pid <> pg_backend_pid()",
                [statement],
            )


@pytest.mark.postgres
@pytest.mark.mariadb
def test_a_server_that_takes_the_connection_and_says_nothing(asker):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        with alias("mute", HOST="127.0.0.1", PORT=port):
            assert asker.ask("mute", select_one).error is not None
            # The fixture waits for the thread, which the driver lets go before long.
            (question,) = asker._under_way.values()
            question.join(60)
    assert isinstance(question.answer.error, OperationalError)


def test_a_question_that_ends_as_it_is_cut_off_is_left_alone(asker):
    asker.ask("default", select_one)
    (question,) = asker._under_way.values()
    question._cut_off()
    assert question.answer.error is None


def test_a_question_that_has_no_connection_yet_cannot_be_cut_off(asker):
    gate = threading.Event()
    assert isinstance(asker.ask("default", lambda own: gate.wait(60)).error, TimeoutError)
    gate.set()


@pytest.mark.postgres
def test_a_pool_is_not_made_with_these_timeouts(asker):
    with alias("pooled", OPTIONS={"pool": True}):
        options = asker.ask("pooled", lambda own: own.settings_dict["OPTIONS"]).value
        assert options == {"connect_timeout": 2}
        assert connections.settings["pooled"]["OPTIONS"] == {"pool": True}
