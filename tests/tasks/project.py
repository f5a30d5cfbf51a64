"""A project as a newcomer writes it, on an SQLite file, with Celery's workers and beats in processes of their own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.brokers import Broker

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60

SETTINGS = """
import json, os

CELERY_BROKER_URL = {url!r}
CELERY_BROKER_TRANSPORT_OPTIONS = {options!r}
CELERY_TASK_DEFAULT_QUEUE = {queue!r}
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
CLEAN_TIMESTAMPS = json.loads(os.environ.get("SHOP_TIMESTAMPS", "{{}}"))
DATABASES = {{
    "default": {{
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": {database!r},
        "OPTIONS": {{"transaction_mode": "IMMEDIATE", "timeout": 20}},
    }}
}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = ["django.contrib.contenttypes", "django_clean_timestamps", "tests.testapp", "kitchen", *{apps!r}]
SECRET_KEY = "shop"
USE_TZ = True
"""
CELERY = """
import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
app = Celery("shop")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
"""
HANDLERS = """
import os
import time
from pathlib import Path

from django_clean_timestamps.delivery import on_timestamp

FOLDER = Path(__file__).parent


@on_timestamp(atomic=False)
def cook(event):
    with (FOLDER / "begun").open("a") as file:
        file.write(event.entity_id + "\\n")
    time.sleep(float(os.environ.get("COOKING_SECONDS", 0)))
    with (FOLDER / "cooked").open("a") as file:
        file.write(event.entity_id + "\\n")
"""


class Project:
    """
    A project named ``shop`` whose one handler writes down what it heard.

    Args:
        directory: Where it is written.
        broker: The broker of its Celery app.
        apps: More apps.
        timestamps: Its ``CLEAN_TIMESTAMPS``.
    """

    def __init__(self, directory: Path, broker: Broker, *apps: str, **timestamps: Any) -> None:
        self.directory = directory
        self.broker = broker
        self.timestamps = timestamps
        for package in ("shop", "kitchen"):
            (directory / package).mkdir()
            (directory / package / "__init__.py").write_text("")
        (directory / "shop" / "__init__.py").write_text("from shop.celery import app as celery_app\n")
        (directory / "shop" / "celery.py").write_text(CELERY)
        (directory / "shop" / "settings.py").write_text(
            SETTINGS.format(
                url=broker.url,
                options=broker.options,
                queue=broker.queue,
                database=str(directory / "db.sqlite3"),
                apps=apps,
            )
        )
        (directory / "kitchen" / "timestamp_handlers.py").write_text(HANDLERS)
        self.manage("migrate", "--run-syncdb", "--verbosity=0")

    def manage(self, *arguments: str) -> str:
        """Return what one of Django's commands printed."""
        done = subprocess.run(
            [sys.executable, "-m", "django", *arguments],
            cwd=self.directory,
            env=self._environment(),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def save_notes(self, count: int) -> list[str]:
        """Save notes in a process of its own and return their keys."""
        program = "from tests.testapp.models import Note; print(*(Note.objects.create().pk for _ in range({})))"
        return self.manage("shell", "--verbosity=0", "-c", program.format(count)).split()

    @contextlib.contextmanager
    def celery(self, *arguments: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
        """Run a command of Celery's until the block ends; it is killed if it has not ended by itself."""
        log = self.directory / f"{arguments[0]}.log"
        with log.open("w") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", "celery", "-A", "shop", *arguments],
                cwd=self.directory,
                env=self._environment(**environment),
                stdout=file,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        try:
            yield process
        except BaseException:
            print(log.read_text())  # noqa: T201 - for whoever looks why
            raise
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def worker(self, *arguments: str, **environment: str) -> contextlib.AbstractContextManager[Any]:
        quiet = ("--without-mingle", "--without-gossip", "--without-heartbeat", "--loglevel=INFO")
        return self.celery("worker", *quiet, *arguments, **environment)

    def beat(self, *arguments: str) -> contextlib.AbstractContextManager[Any]:
        return self.celery("beat", "--loglevel=DEBUG", *arguments)

    def log(self, command: str) -> str:
        return (self.directory / f"{command}.log").read_text()

    def lines(self, name: str) -> list[str]:
        """Return the keys that the handler wrote down."""
        path = self.directory / "kitchen" / name
        return path.read_text().split() if path.exists() else []

    def wait_for_lines(self, name: str, count: int) -> list[str]:
        wait_until(lambda: len(self.lines(name)) >= count, f"{count} lines in {name}")
        return self.lines(name)

    def _environment(self, **more: str) -> dict[str, str]:
        return {
            **os.environ,
            **more,
            "DJANGO_SETTINGS_MODULE": "shop.settings",
            "SHOP_TIMESTAMPS": json.dumps(self.timestamps),
            "PYTHONPATH": os.pathsep.join([str(self.directory), str(ROOT)]),
            # Celery warns of it where it runs as root, as tests often do.
            "C_FORCE_ROOT": "1",
        }


def wait_until(holds: Any, what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, f"in vain for {what}"
        time.sleep(0.02)
