"""A project on an SQLite file, whose commands run in processes of their own."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from uuid import uuid4

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = """
DATABASES = {{"default": {{"ENGINE": "django.db.backends.sqlite3", "NAME": {name!r}}}}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = ["django.contrib.contenttypes", "django_clean_timestamps", "tests.testapp", *{apps!r}]
CLEAN_TIMESTAMPS = {{"LEASE_SECONDS": 2}}
SECRET_KEY = "project"
USE_TZ = True
"""
HANDLERS = """
import time

from django_clean_timestamps.delivery import on_timestamp
from tests.testapp.models import Box


@on_timestamp()
def hear(event):
    Box.objects.create(name=str(event.position))
    time.sleep({seconds!r})
"""


class Project:
    def __init__(self, directory, *, handler_seconds=None):
        self.directory = directory
        self.file = directory / "db.sqlite3"
        apps = []
        if handler_seconds is not None:
            apps.append("listener")
            (directory / "listener").mkdir()
            (directory / "listener" / "__init__.py").touch()
            (directory / "listener" / "timestamp_handlers.py").write_text(HANDLERS.format(seconds=handler_seconds))
        (directory / "project_settings.py").write_text(SETTINGS.format(name=str(self.file), apps=apps))

    def start(self, *arguments):
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "project_settings",
            "PYTHONPATH": os.pathsep.join([str(self.directory), str(ROOT)]),
        }
        return subprocess.Popen(
            [sys.executable, "-W", "error::DeprecationWarning:__main__", "-m", "django", *arguments],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments):
        with self.start(*arguments) as process:
            out, err = process.communicate(timeout=60)
        return process.returncode, out, err

    def query(self, sql):
        with closing(sqlite3.connect(self.file, timeout=20)) as connection, connection:
            return connection.execute(sql).fetchall()

    def add_pending(self, count=1):
        for _ in range(count):
            self.query(
                "INSERT INTO clean_timestamps_pending (event_id, kind, entity_type, entity_id, occurred_at) "
                f"VALUES ('{uuid4().hex}', 1, 'testapp.note', '1', '2026-01-01 12:00:00')"
            )

    def event_count(self):
        return self.query("SELECT count(*) FROM clean_timestamps_event")[0][0]

    def heard(self):
        """Return the positions that the handler has written down, in that order."""
        return [int(name) for (name,) in self.query("SELECT name FROM testapp_box ORDER BY id")]
