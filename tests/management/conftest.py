import json
from io import StringIO
from types import SimpleNamespace

import pytest
from django.core.management import CommandError, call_command

from django_clean_timestamps.delivery.models import ParkedEvent, Subscription
from django_clean_timestamps.management import handler_command
from tests.eventlog.conftest import committing  # noqa: F401 - a fixture


@pytest.fixture(autouse=True)
def patient(settings):
    """Let what failed not be tried again in the same test by chance."""
    settings.CLEAN_TIMESTAMPS = {"BACKOFF_SECONDS": (1e6, 1e6)}


@pytest.fixture
def delivering(committing):  # noqa: F811 - the fixture
    """Let the test commit and deliver, and delete what subscriptions it leaves."""
    yield
    for alias in ("default", "other"):
        for model in (Subscription, ParkedEvent):
            model.objects.using(alias).all().delete()


@pytest.fixture
def rung(monkeypatch):
    """Return the list of the logs that the doorbell was rung for."""
    logs = []
    monkeypatch.setattr(handler_command, "ring", logs.append)
    return logs


@pytest.fixture
def run():
    """Return a function that runs a command and returns its exit code and what it printed."""

    def run(name, *arguments, stderr=None, **options):
        stdout, stderr = StringIO(), stderr or StringIO()
        code = 0
        try:
            call_command(name, *arguments, stdout=stdout, stderr=stderr, **options)
        except SystemExit as ended:
            code = int(ended.code)
        except CommandError as error:
            code = error.returncode
            stderr.write(str(error))
        return SimpleNamespace(code=code, out=stdout.getvalue(), err=stderr.getvalue())

    return run


@pytest.fixture
def rows(run):
    """Return a function that runs a command with ``--format json`` and returns its exit code and its rows."""

    def rows(name, *arguments):
        done = run(name, *arguments, "--format", "json")
        return done.code, json.loads(done.out)["databases"]

    return rows


@pytest.fixture
def answers(rows):
    """Return a function that returns the sentences about an entity, in the log of default."""

    def answers(entity, *words, label=None):
        label = label or entity._meta.label_lower
        _, (row,) = rows("timestamps_explain", label, str(entity.pk), "--database", "default", *words)
        return row["answers"]

    return answers


class OnlyDefault:
    """Keep every entity from the alias ``other``."""

    def allow_migrate(self, db, app_label, **hints):
        return db == "default" or app_label == "clean_timestamps"


@pytest.fixture
def only_default(settings):
    settings.DATABASE_ROUTERS = [OnlyDefault()]


@pytest.fixture
def unreachable(settings):
    """Let an alias ``away`` be of a server that does not answer."""
    from copy import deepcopy

    from django.db import connections

    away = {**deepcopy(connections["default"].settings_dict), "HOST": "127.0.0.1", "PORT": "1"}
    if "sqlite" in away["ENGINE"]:
        away["NAME"] = "/dev/null/none.sqlite3"
    connections.settings["away"] = away
    yield "away"
    del connections.settings["away"]
    connections["default"].ensure_connection()
    if hasattr(connections._connections, "away"):
        del connections["away"]
