from types import SimpleNamespace

import pytest

from django_clean_timestamps.delivery import failures
from tests.eventlog.conftest import committing  # noqa: F401 - a fixture


@pytest.fixture
def log(committing):  # noqa: F811
    """Let the test commit into empty logs, which are emptied again."""


@pytest.fixture(autouse=True)
def longest_waits(monkeypatch):
    """Let every wait by chance be ten minutes longer than it can be, so that nothing is due before a test wants it."""
    monkeypatch.setattr(failures, "random", SimpleNamespace(uniform=lambda _, longest: longest + 600))
