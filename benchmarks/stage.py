"""Where the sides of ``latency`` and ``throughput`` take their turns: servers, a writer, and each side's workers."""

import math
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks import processes
from benchmarks.database import empty, settle
from benchmarks.models import AutoNow, Effect, Entity
from benchmarks.peers.sides import Side
from benchmarks.project import moments
from benchmarks.servers import NotStartedError, Redis, StompRabbitMQ, started

LAST_SECONDS = 20
"""How long the last effects are waited for."""

BACKLOG_SECONDS = 20
"""After how long a backlog is left, with what was done of it."""

VACUUM_SECONDS = 2
"""How often the tables are vacuumed while a side has its turn: a queue's statistics are wrong soon without."""

WARM_UP_SHARE = 0.1
"""The share of a backlog that comes before what is counted: the workers start meanwhile."""


@contextmanager
def stage(wanted: Sequence[Side]) -> Iterator["Stage"]:
    """Start what the sides need that can be had here, and say which sides cannot."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="clean_timestamps_bench_")))
        redis = stack.enter_context(started(Redis()))
        os.environ["BENCHMARK_BROKER_URL"] = redis.url
        sides = [side for side in wanted if _is_installed(side)]
        if any(side.needs_rabbitmq for side in sides):
            try:
                server = stack.enter_context(started(StompRabbitMQ()))
                os.environ["BENCHMARK_STOMP_PORT"] = str(server.stomp_port)
            except NotStartedError as error:
                sides = [side for side in sides if not side.needs_rabbitmq]
                _say(f"What needs RabbitMQ is left out: {error}")
        yield Stage(sides, redis, directory)


class Stage:
    """
    Runs one side at a time.

    Args:
        sides: Those that can run here.
        redis: The broker of Celery's.
        directory: For files.
    """

    def __init__(self, sides: Sequence[Side], redis: Redis, directory: Path) -> None:
        self.sides = sides
        self.redis = redis
        self.directory = directory
        self.turn = 0

    def in_turn(self, rounds: int) -> Iterator[Side]:
        """Yield each side once a round; the order turns by one each time."""
        for number in range(rounds):
            first = number % len(self.sides)
            yield from (*self.sides[first:], *self.sides[:first])

    def paced(self, side: Side, *, rate: float, seconds: float) -> list[float]:
        """
        Write rows at a steady rate, and return how many milliseconds each one's effect took from COMMIT.

        What has not come 20 seconds after the last row was written counts as if it came then.

        Raises:
            RuntimeError: An effect came twice.
        """
        effects, commits, log, env = self._begin(side, 1)
        pace = ["--rate", str(rate), "--seconds", str(seconds), "--effects", str(effects), "--commits", str(commits)]
        writer = processes.module("benchmarks.project.writer", side.name, *pace)
        with processes.running(side.workers(1, str(self.directory)), env, log):
            with processes.beside(writer, env, log) as has_ended:
                self._wait(side, has_ended)
            committed = dict(moments.read(commits))
            self._wait(side, lambda: not committed.keys() - dict(moments.read(effects)).keys(), LAST_SECONDS)
        return self._waits(side, committed, effects)

    def backlog(self, side: Side, rows: int, count: int) -> float:
        """Write a backlog, start so many worker processes, and return how many effects a second they had."""
        effects, commits, log, env = self._begin(side, count)
        workers = side.workers(count, str(self.directory))
        if side.needs_queue:
            with processes.running(workers, env, log):
                pace = ["--rate", "1", "--seconds", "0", "--effects", str(effects), "--commits", str(commits)]
                processes.run(processes.module("benchmarks.project.writer", side.name, *pace), env, log)
            effects.unlink()
            empty(Effect)
        processes.run(processes.module("benchmarks.project.writer", side.name, "--backlog", str(rows)), env, log)
        settle(side.model, Effect, *side.tables())
        with processes.running(workers, env, log):
            self._wait(side, lambda: moments.count(effects) >= rows, BACKLOG_SECONDS)
        return _rate(side, sorted(moment for _, moment in moments.read(effects)))

    def _begin(self, side: Side, count: int) -> tuple[Path, Path, Path, dict[str, str]]:
        """Leave nothing of the turn before; return the files of this one, and its environment."""
        self.turn += 1
        self.redis.command("FLUSHALL")
        empty(Entity, AutoNow, Effect, *(model for each in self.sides for model in each.tables()))
        settle(side.model, Effect, *side.tables())
        os.environ["BENCHMARK_TURN"] = str(self.turn)
        effects, commits = self.directory / f"effects{self.turn}", self.directory / f"commits{self.turn}"
        env = processes.environment(**side.environment_of(count), **{moments.EFFECTS_FILE: str(effects)})
        return effects, commits, self.directory / f"log{self.turn}", env

    def _wait(self, side: Side, is_over: Callable[[], bool], seconds: float = math.inf) -> None:
        """Wait, and meanwhile vacuum, as a database does that is left its autovacuum."""
        begun = vacuumed = time.monotonic()
        while not is_over() and time.monotonic() - begun < seconds:
            time.sleep(0.1)
            if time.monotonic() - vacuumed > VACUUM_SECONDS:
                settle(side.model, Effect, *side.tables())
                vacuumed = time.monotonic()

    def _waits(self, side: Side, committed: dict[str, int], effects: Path) -> list[float]:
        came = moments.read(effects)
        if len(came) != len(by_key := dict(came)):
            raise RuntimeError(f"{side.name}: of {len(by_key)} rows came {len(came)} effects")
        if missing := committed.keys() - by_key.keys():
            _say(f"{side.name}: of {len(committed)} effects {len(missing)} had not come {LAST_SECONDS} seconds later")
        now = time.monotonic_ns()
        return [(by_key.get(key, now) - moment) / 1e6 for key, moment in committed.items()]


def _rate(side: Side, came: Sequence[int]) -> float:
    first = int(len(came) * WARM_UP_SHARE)
    if len(came) < 2 or came[-1] == came[first]:
        raise RuntimeError(f"{side.name}: {len(came)} effects came, which is too few to tell how many come in a second")
    return (len(came) - 1 - first) / (came[-1] - came[first]) * 1e9


def _is_installed(side: Side) -> bool:
    if side.is_installed():
        return True
    _say(f"{side.name} is left out: pip install -r benchmarks/peers/requirements.txt")
    return False


def _say(text: str) -> None:
    print(text, file=sys.stderr)
