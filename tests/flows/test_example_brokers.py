"""The example on Redis and on RabbitMQ, its worker and its beat started as docker-compose.yml starts them."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from tests.brokers import Broker, broker_fixture  # noqa: F401 - used by name
from tests.flows.test_example_deployment import EXAMPLE, command

PATIENCE_SECONDS = 180
SECONDS_TO_STOP = 20

# A file, so that other processes can open it; the demo's check on each database is in test_example.py.
pytestmark = pytest.mark.sqlite

SETTINGS = """
from config.settings import *
CELERY_TASK_DEFAULT_QUEUE = {queue!r}
CELERY_BROKER_TRANSPORT_OPTIONS = {{**CELERY_BROKER_TRANSPORT_OPTIONS, **{options!r}}}
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
"""

WRITER = f"""
import time
import django
django.setup()
from demo.delivery import undelivered
from django_clean_timestamps.context import timestamp_context
from tracker.models import ProjectStatistics, Notification, Task
task = Task.objects.earliest("pk")
with timestamp_context(actor="a visitor"):
    task.touch("asked for")
deadline = time.monotonic() + {PATIENCE_SECONDS}
def lacks():
    yield from undelivered()
    if not Notification.objects.filter(task=task, reason="asked for").exists():
        yield f"nobody has told {{task.assignee}}"
while found := list(lacks()):
    if time.monotonic() > deadline:
        raise SystemExit("\\n".join(found))
    time.sleep(0.05)
assert ProjectStatistics.objects.get(project=task.project).last_reason == "asked for"
"""


class Site:
    """
    The example in a folder, with one broker.

    Args:
        folder: Where it keeps everything.
        broker: What carries its messages.
    """

    def __init__(self, folder: Path, broker: Broker) -> None:
        self.folder = folder
        (folder / "settings_here.py").write_text(SETTINGS.format(queue=broker.queue, options=broker.options))
        search_path = os.pathsep.join(
            [str(folder), str(EXAMPLE), str(EXAMPLE.parent), os.environ.get("PYTHONPATH", "")]
        )
        self.environment = os.environ | {
            "CELERY_BROKER_URL": broker.url,
            "DJANGO_SETTINGS_MODULE": "settings_here",
            "EXAMPLE_DATABASE": "sqlite",
            "EXAMPLE_DATA_DIR": str(folder),
            "PYTHONPATH": search_path,
        }

    def run(self, *words: str) -> None:
        completed = subprocess.run(
            [sys.executable, *words], cwd=EXAMPLE, env=self.environment, capture_output=True, text=True, check=False
        )
        assert completed.returncode == 0, completed.stderr

    @contextmanager
    def running(self, service: str) -> Iterator[Path]:
        """Let a service of docker-compose.yml run, and yield the file that it writes what it says to."""
        log = self.folder / f"{service}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", *command(service)],
                cwd=EXAMPLE,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            yield log
            process.terminate()
            # Told to stop while it sends over AMQP, Celery's beat now and then goes on for ever.
            with suppress(subprocess.TimeoutExpired):
                process.wait(SECONDS_TO_STOP)
        finally:
            process.kill()
            process.wait()


def wait_for(text: str, log: Path) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while text not in log.read_text():
        if time.monotonic() > deadline:
            pytest.fail(f"no {text!r} in:\n{log.read_text()}")
        time.sleep(0.05)


def test_a_write_is_delivered_and_its_task_sent_and_run(tmp_path: Path, broker: Broker) -> None:
    site = Site(tmp_path, broker)
    site.run("manage.py", "migrate", "--verbosity", "0")
    site.run("manage.py", "seed")
    with ExitStack() as stack:
        worker = stack.enter_context(site.running("worker"))
        beat = stack.enter_context(site.running("beat"))
        # Its handler is born at the first drain, and hears what comes later.
        wait_for("clean_timestamps.sweep", worker)
        site.run("-c", WRITER)
        wait_for("Sending due task clean_timestamps.sweep", beat)
    assert not (tmp_path / "broker").exists()
