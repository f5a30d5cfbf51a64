"""Test runners run clean beside the metrics: no thread, no connection of theirs, no warning, and nothing is left over."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.faults

ROOT = Path(__file__).resolve().parents[2]
PROJECT = """
import threading

from django.test import TestCase, TransactionTestCase

from tests.faults.app.models import Counter
from tests.faults.writes import new_name


def save():
    for _ in range(3):
        Counter.objects.create(name=new_name())
    assert "clean-timestamps-metrics" not in [thread.name for thread in threading.enumerate()]


class InATransaction(TestCase):
    def test_first(self):
        save()
        self.client.get("/save")

    def test_second(self):
        save()


class WithRealTransactions(TransactionTestCase):
    def test_first(self):
        save()
        self.client.get("/save")

    def test_second(self):
        save()


class InParallel(TransactionTestCase):
    def test_a_thread(self):
        from django.db import connection

        def work():
            save()
            connection.close()

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
"""
RUNNERS = {
    "django": ("django", "test", "--noinput"),
    "pytest_django": ("pytest", "-p", "no:randomly", "-p", "no:cacheprovider", "-W", "error"),
}
PARALLEL = {
    "django": ("django", "test", "--noinput", "--parallel", "2"),
    "xdist": ("pytest", "-p", "no:randomly", "-p", "no:cacheprovider", "-W", "error", "-n", "2"),
}


@pytest.mark.parametrize("runner", RUNNERS)
def test_a_projects_tests_run_clean(database, tmp_path, runner):
    assert_clean(database, tmp_path, RUNNERS[runner])


@pytest.mark.parametrize("runner", PARALLEL)
def test_they_run_clean_in_several_processes(postgresql, tmp_path, runner):
    assert_clean(postgresql, tmp_path, PARALLEL[runner])


def assert_clean(database, tmp_path, command):
    """Run the tests of a project, and see that they leave nothing."""
    project = tmp_path / "project"
    project.mkdir()
    (project / "test_project.py").write_text(PROJECT)
    (project / "pytest.ini").write_text("[pytest]\n")
    run = subprocess.run(
        [sys.executable, "-W", "error", "-m", *command],
        cwd=project,
        env={**os.environ, **database.environment(), "PYTHONDEVMODE": ""},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    said = run.stdout + run.stderr
    assert run.returncode == 0, said
    assert "5 passed" in said or "Ran 5 tests" in said, said
    assert "arning" not in said, said
    assert "Metrics" not in said, said
    # What the tests did is nothing that the project's own database should know of.
    assert database.value("SELECT count(*) FROM clean_timestamps_metricminute") == 0
    assert database.value("SELECT count(*) FROM clean_timestamps_metricwriter") == 0
