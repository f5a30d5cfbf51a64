"""
The sides of ``latency`` and ``throughput``: how each one hears of a row, and which processes it runs.

Each peer is set up as its manual asks for, for production. The row that is written, the effect, the number of worker
processes and the settings of their connections are the same.
"""

import importlib.util
import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

from django.db import transaction
from django.db.models import Model

from benchmarks.models import AutoNow, Entity
from benchmarks.project.timestamp_handlers import BATCH, HANDLER, SHARDS, SINGLE

CONCURRENCY = 5
"""How many jobs a worker of procrastinate runs at once, in threads: one at a time was slower here."""

PYTHON = (sys.executable, "-W", "ignore", "-m")

Command = Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Side(ABC):
    """
    One side.

    Attributes:
        name: As the report calls it.
        backlog: How many rows make the backlog of ``throughput``: some seconds of its work.
        environment: What its processes find in their environment beside what all have.
    """

    name: str
    backlog: int
    environment: Mapping[str, str] = field(default_factory=dict)

    model: ClassVar[type[Model]] = AutoNow
    package: ClassVar[str | None] = None
    needs_rabbitmq: ClassVar[bool] = False
    needs_queue: ClassVar[bool] = False
    """Whether its consumers must have run once before what is published is kept for them."""

    def is_installed(self) -> bool:
        return self.package is None or importlib.util.find_spec(self.package) is not None

    @abstractmethod
    def announce(self, key: int) -> None:
        """Do, in the transaction that wrote a row, what brings it to the worker."""

    @abstractmethod
    def announce_all(self, keys: Sequence[int]) -> None:
        """Do so for many, as fast as the side can."""

    @abstractmethod
    def workers(self, processes: int, directory: str) -> list[Command]:
        """Return the commands of its processes, with so many that handle."""

    def environment_of(self, processes: int) -> dict[str, str]:
        return dict(self.environment)

    def tables(self) -> Sequence[type[Model]]:
        """Return the models of what it keeps beside the rows."""
        return ()


class Ours(Side):
    """A handler in a Celery worker, with the schedule that rings where a doorbell was lost."""

    model = Entity

    def announce(self, key: int) -> None:
        """Nothing: the row is an entity."""

    def announce_all(self, keys: Sequence[int]) -> None:
        """Nothing either."""

    def workers(self, processes: int, directory: str) -> list[Command]:
        return [[*celery_worker(processes), "--beat", "--schedule", f"{directory}/beat"]]

    def environment_of(self, processes: int) -> dict[str, str]:
        return {**self.environment, SHARDS: str(processes)}

    def tables(self) -> Sequence[type[Model]]:
        from django_clean_timestamps.delivery.models import ParkedEvent, Subscription
        from django_clean_timestamps.eventlog.models import Event, LogHead, Pending

        return Pending, Event, LogHead, Subscription, ParkedEvent


class OnCommit(Side):
    """``transaction.on_commit(task.delay)``, which loses what the process or the broker does not live to publish."""

    def announce(self, key: int) -> None:
        from benchmarks.peers.on_commit_tasks import cause_effect

        transaction.on_commit(partial(cause_effect.delay, key))

    def announce_all(self, keys: Sequence[int]) -> None:
        for key in keys:
            self.announce(key)

    def workers(self, processes: int, directory: str) -> list[Command]:
        return [celery_worker(processes)]


class Procrastinate(Side):
    """A job for each row, in its transaction; the workers listen for notifications of PostgreSQL."""

    package = "procrastinate"

    def announce(self, key: int) -> None:
        from benchmarks.peers.procrastinate_tasks import cause_effect

        cause_effect.defer(key=key)

    def announce_all(self, keys: Sequence[int]) -> None:
        from benchmarks.peers.procrastinate_tasks import cause_effect

        cause_effect.batch_defer(*({"key": key} for key in keys))

    def workers(self, processes: int, directory: str) -> list[Command]:
        command = [
            *PYTHON,
            "django",
            "procrastinate",
            "worker",
            "--queues",
            "effects",
            "--concurrency",
            str(CONCURRENCY),
        ]
        return [command] * processes

    def tables(self) -> Sequence[type[Model]]:
        from procrastinate.contrib.django.models import ProcrastinateEvent, ProcrastinateJob, ProcrastinateWorker

        return ProcrastinateEvent, ProcrastinateJob, ProcrastinateWorker


class Outbox(Side):
    """A row of the outbox for each row; one process publishes them to RabbitMQ by STOMP, the others consume."""

    package = "django_outbox_pattern"
    needs_rabbitmq = True
    needs_queue = True

    def announce(self, key: int) -> None:
        self._published(key).save()

    def announce_all(self, keys: Sequence[int]) -> None:
        from django_outbox_pattern.headers import get_message_headers

        rows = [self._published(key) for key in keys]
        for row in rows:
            # What its save() does.
            row.headers = get_message_headers(row)
        type(rows[0]).objects.bulk_create(rows)

    def workers(self, processes: int, directory: str) -> list[Command]:
        callback = "benchmarks.peers.outbox_callbacks.cause_effect"
        consume = ["subscribe", callback, self.destination, self.destination.rpartition("/")[2]]
        return [[*PYTHON, "django", "publish"], *([[*PYTHON, "django", *consume]] * processes)]

    def tables(self) -> Sequence[type[Model]]:
        from django_outbox_pattern.models import Published, Received

        return Published, Received

    @property
    def destination(self) -> str:
        """Another one each turn, so that nothing is left of the one before."""
        return f"/topic/effects{os.environ.get('BENCHMARK_TURN', '')}"

    def _published(self, key: int) -> Any:
        from django_outbox_pattern.models import Published

        return Published(destination=self.destination, body={"id": key})


def celery_worker(processes: int) -> Command:
    """Return the command of one worker with so many processes that run tasks."""
    quiet = ("--loglevel", "WARNING", "--without-gossip", "--without-mingle", "--without-heartbeat")
    pool = ("--pool", "prefork", "--concurrency", str(processes))
    return [*PYTHON, "celery", "--app", "benchmarks.project.celery", "worker", *pool, *quiet]


RECONNECTING = {"BENCHMARK_RECONNECTING": "1"}
"""As Celery comes: it closes the connections to the database before and after each task."""

OURS = Ours(name="ours", backlog=12_000, environment={HANDLER: SINGLE})
OURS_RECONNECTING = Ours(name="ours, reconnecting", backlog=12_000, environment={HANDLER: SINGLE, **RECONNECTING})
IN_BATCHES = Ours(name="ours in batches", backlog=40_000, environment={HANDLER: BATCH})
ON_COMMIT = OnCommit(name="on_commit", backlog=3_000)
ON_COMMIT_RECONNECTING = OnCommit(name="on_commit, reconnecting", backlog=1_500, environment=RECONNECTING)
PROCRASTINATE = Procrastinate(name="procrastinate", backlog=1_500)
OUTBOX = Outbox(name="outbox-pattern", backlog=1_500)

PACED = (OURS, OURS_RECONNECTING, ON_COMMIT, ON_COMMIT_RECONNECTING, PROCRASTINATE, OUTBOX)
BACKLOGS = (OURS, IN_BATCHES, ON_COMMIT, ON_COMMIT_RECONNECTING, PROCRASTINATE, OUTBOX)
SIDES = {side.name: side for side in (*PACED, *BACKLOGS)}
