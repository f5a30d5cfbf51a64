"""Somebody who uses the tracker all the time, so that the dashboard moves: in a thread, as long as the demo runs."""

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from django.core.exceptions import ValidationError
from django.db import Error, close_old_connections, connection

from django_clean_timestamps.context import timestamp_context
from django_clean_timestamps.metrics.recording import FLUSHER
from tracker.models import Comment, Task

__all__ = ["running_traffic", "use_once"]

PAUSE_SECONDS = 0.3
REASONS = ("triage", "review", "stand-up", "customer call", "nightly tidy-up")


@contextmanager
def running_traffic() -> Iterator[None]:
    """Let somebody use the tracker while the block runs."""
    is_stopping = threading.Event()
    thread = threading.Thread(target=_use, args=(is_stopping,), name="demo traffic", daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_stopping.set()
        thread.join(5)


def _use(is_stopping: threading.Event) -> None:
    chance = random.Random()
    while not is_stopping.wait(PAUSE_SECONDS * chance.uniform(0.3, 1.7)):
        close_old_connections()
        # The site or the worker may be writing for longer than SQLite waits; the next one may have more luck.
        with suppress(Error):
            use_once(chance)
        # What a request would do at its end.
        FLUSHER.flush_here()
    connection.close()


def use_once(chance: random.Random) -> None:
    """Do one of the things that people do with a task."""
    task = Task.objects.order_by("pk")[chance.randrange(Task.objects.count())]
    with timestamp_context(reason=chance.choice(REASONS), actor="demo traffic"):
        action: Callable[[Task, random.Random], None] = chance.choices(ACTIONS, weights=WEIGHTS)[0]
        action(task, chance)


def _move(task: Task, chance: random.Random) -> None:
    task.status = chance.choice(Task.Status.values)
    task.save()


def _touch(task: Task, chance: random.Random) -> None:
    task.touch()


def _comment(task: Task, chance: random.Random) -> None:
    Comment.objects.create(task=task, body=f"Looked at it ({chance.choice(REASONS)}).")
    # It would fill the page of the task.
    for comment in Comment.objects.filter(task=task, body__startswith="Looked at it").order_by("-pk")[5:]:
        comment.delete()


def _touch_many(task: Task, chance: random.Random) -> None:
    Task.objects.filter(project=task.project).touch()


def _try_the_impossible(task: Task, chance: random.Random) -> None:
    with suppress(ValidationError):
        task.touch("x" * 201)


ACTIONS = (_move, _touch, _comment, _touch_many, _try_the_impossible)
WEIGHTS = (50, 30, 20, 5, 1)
