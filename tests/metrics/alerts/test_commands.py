"""A short process on SQLite that finds something: it tells it before it ends, and the next does not tell it again."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.sqlite

ROOT = Path(__file__).resolve().parents[3]

SETTINGS = """
SECRET_KEY = "x"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {{
    "default": {{
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": {database!r},
        "OPTIONS": {{"transaction_mode": "IMMEDIATE"}},
    }}
}}
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "django_clean_timestamps", "tracker"]
CLEAN_TIMESTAMPS = {{"ALERTS": {{"undelivered": {{"warning": 0, "for": 1}}}}}}
"""

BEGIN = """
import json, threading, time
import django
django.setup()
from django_clean_timestamps.metrics.models import MetricLease
from django_clean_timestamps.metrics.recording import FLUSHER
from django_clean_timestamps.signals import timestamp_alert
from tracker.models import Project

def tell(alert, **kwargs):
    time.sleep({seconds})
    print(json.dumps([alert.key, threading.current_thread() is threading.main_thread()]), flush=True)

timestamp_alert.connect(tell, weak=False)
# The process before may still have the lease.
MetricLease.objects.update(lease_until=None, evaluated_at=0)
"""
WRITE = "Project.objects.create(name='a', slug=str(time.time_ns()))\n"
KEY = "undelivered/all/1.1.1/firing"


@pytest.fixture
def run(tmp_path):
    """Return what runs a script in a process of its own, and returns what it told and whether that was at its end."""
    (tmp_path / "quiet_settings.py").write_text(SETTINGS.format(database=str(tmp_path / "db.sqlite3")))
    paths = [str(tmp_path), str(ROOT), str(ROOT / "example_project")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "DJANGO_SETTINGS_MODULE": "quiet_settings"}

    def run(*arguments):
        done = subprocess.run(
            [sys.executable, *arguments], env=environment, capture_output=True, text=True, timeout=120, check=True
        )
        return [json.loads(line) for line in done.stdout.splitlines()]

    run("-m", "django", "migrate", "-v0")
    return run


def test_it_is_told_at_its_very_end(run):
    assert run("-c", BEGIN.format(seconds=0.6) + WRITE) == [[KEY, True]]
    assert run("-c", BEGIN.format(seconds=0.6) + WRITE) == []


def test_a_slow_sink_that_was_begun_before_is_waited_for(run):
    assert run("-c", BEGIN.format(seconds=0.6) + WRITE + "FLUSHER.flush_now()\n") == [[KEY, False]]
    assert run("-c", BEGIN.format(seconds=0.6) + WRITE + "FLUSHER.flush_now()\n") == []
