"""``timestamps_relay`` as a process of its own."""

import signal
import time

import pytest

from tests.management.project import Project
from tests.management.relaying import RELAY


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    project = Project(tmp_path_factory.mktemp("relay"))
    code, _, err = project.run("migrate", "--run-syncdb", "-v0")
    assert code == 0, err
    return project


@pytest.mark.sqlite
class TestProcess:
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_it_sequences_what_comes_and_ends_at_a_signal(self, project, number):
        # The project is that of other tests, too.
        project.query("DELETE FROM clean_timestamps_pending")
        before = project.event_count()
        with project.start(RELAY, "--watch", "--interval", "0.1") as process:
            try:
                assert process.stdout.readline().startswith("Watching default every 0.1 seconds")
                project.add_pending(2)
                wait_until(lambda: project.event_count() == before + 2)
                process.send_signal(number)
                out, err = process.communicate(timeout=20)
            finally:
                process.kill()
        assert (process.returncode, out, err) == (0, "Stopped\n", "")

    def test_a_long_interval_does_not_delay_the_end(self, project):
        with project.start(RELAY, "--watch", "--interval", "600") as process:
            try:
                process.stdout.readline()
                project.add_pending()
                process.terminate()
                process.communicate(timeout=20)
            finally:
                process.kill()
        assert process.returncode == 0

    def test_a_database_that_fails_is_logged_and_tried_again(self, project):
        with project.start(RELAY, "--watch", "--interval", "0.1") as process:
            try:
                process.stdout.readline()
                before = project.event_count()
                project.query("ALTER TABLE clean_timestamps_pending RENAME TO away")
                assert "could not be drained, and is tried again: The tables" in process.stderr.readline()
                project.query("ALTER TABLE away RENAME TO clean_timestamps_pending")
                project.add_pending()
                wait_until(lambda: project.event_count() > before)
                assert process.stderr.readline() == "The log of 'default' is drained again\n"
                process.terminate()
                process.communicate(timeout=20)
            finally:
                process.kill()
        assert process.returncode == 0

    def test_the_exit_code_reaches_the_shell(self, project):
        assert project.run(RELAY)[0] == 0
        assert project.run(RELAY, "--database", "nowhere")[0] == 2
        project.query("ALTER TABLE clean_timestamps_loghead RENAME TO away")
        try:
            project.add_pending()
            assert project.run(RELAY)[0] == 1
        finally:
            project.query("ALTER TABLE away RENAME TO clean_timestamps_loghead")


@pytest.mark.sqlite
class TestProcessWithHandler:
    """The handler of the project writes one row for each event, and takes its time."""

    @pytest.fixture
    def slow(self, tmp_path):
        project = Project(tmp_path, handler_seconds=0.02)
        code, _, err = project.run("migrate", "--run-syncdb", "-v0")
        assert code == 0, err
        return project

    def test_it_delivers_what_comes(self, slow):
        with slow.start(RELAY, "--watch") as process:
            try:
                assert process.stdout.readline().startswith("Watching default every 0.25 seconds")
                slow.add_pending(2)
                wait_until(lambda: slow.heard() == [1, 2])
                slow.add_pending(1)
                wait_until(lambda: slow.heard() == [1, 2, 3])
                process.terminate()
                out, err = process.communicate(timeout=20)
            finally:
                process.kill()
        assert (process.returncode, out, err) == (0, "Stopped\n", "")

    def test_the_end_loses_nothing_and_doubles_nothing(self, slow):
        slow.add_pending(60)
        with slow.start(RELAY, "--watch") as process:
            try:
                wait_until(slow.heard)
                process.terminate()
                process.communicate(timeout=20)
            finally:
                process.kill()
        assert process.returncode == 0
        assert len(slow.heard()) < 60
        assert slow.query("SELECT owner, lease_until FROM clean_timestamps_subscription") == [("", None)]
        code, out, _ = slow.run(RELAY, "--once")
        assert code == 0
        assert "delivered" in out
        assert slow.heard() == list(range(1, 61))

    def test_a_relay_that_was_killed_is_replaced_by_the_next(self, slow):
        slow.add_pending(60)
        with slow.start(RELAY, "--watch") as process:
            try:
                wait_until(slow.heard)
            finally:
                process.kill()
        with slow.start(RELAY, "--watch") as process:
            try:
                wait_until(lambda: len(slow.heard()) == 60)
                process.terminate()
                process.communicate(timeout=20)
            finally:
                process.kill()
        assert slow.heard() == list(range(1, 61))


def wait_until(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
