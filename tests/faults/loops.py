"""Loops in which a crowd works while something is killed, and the figures they leave."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.faults.databases import Database
from tests.faults.deliveries import Delivery
from tests.faults.oracle import Verdict
from tests.faults.processes import descendants
from tests.faults.writers import acknowledged, read_so_far

__all__ = ["FIGURES", "HEADINGS", "SECONDS", "run_delivery_loop", "run_loop"]

SECONDS = float(os.environ.get("CHAOS_SECONDS", "5"))
HEADINGS = ("loop", "cycles", "events", "lost", "doubled", "untrue", "out of order", "forgotten", "retried")
BLAME = " failed on event "
FIGURES: list[tuple[Any, ...]] = []


def run_loop(
    name: str,
    database: Database,
    folder: Path,
    *,
    strike: Callable[[], object] | None = None,
    every: tuple[float, float] = (0.3, 0.8),
    seconds: float = SECONDS,
    **crowd: Any,
) -> dict[str, Any]:
    """
    Let a crowd work, strike at the database meanwhile, and hold what is left against the oracle.

    Args:
        name: How the figures call it.
        database: Where the crowd writes.
        folder: Where the crowd leaves what it has done.
        strike: What is done to the database again and again; it returns once the database is up.
        every: How long the crowd works in between, at least and at most, in seconds.
        seconds: How long the crowd works in all.
        **crowd: Attributes of the ``Crowd``.

    Returns:
        What the crowd said: ``committed`` writes, ``errors`` by their text, ``cycles``.
    """
    database.run("prepare")
    said = _let_work(name, database, folder, strike, every, seconds, crowd)
    verdict = database.judge(acknowledged(folder))
    seen, cursor = read_so_far(folder)
    feed = seen + database.run("feed", cursor=cursor)["ids"]
    _note(name, said, verdict)
    log = database.state().event_ids
    place = next((at for at, (read, kept) in enumerate(zip(feed, log, strict=False)) if read != kept), None)
    assert feed == log, f"the feed has {len(feed)} events and the log {len(log)}; they part at position {place}"
    return said


def run_delivery_loop(
    name: str,
    delivery: Delivery,
    *,
    strike: Callable[[], object] | None = None,
    every: tuple[float, float] = (0.3, 0.8),
    seconds: float = SECONDS,
    finish: Callable[[float], object] | None = None,
    **crowd: Any,
) -> dict[str, Any]:
    """
    Let a crowd of writers and workers work, and hold what the handlers have done against the oracle.

    The events in the figures are the effects.

    Args:
        name: How the figures call it.
        delivery: The handlers, on the database where the crowd writes.
        strike: As with ``run_loop()``.
        every: As with ``run_loop()``.
        seconds: As with ``run_loop()``.
        finish: Returns once what is left is delivered, and fails after so many seconds; by default a worker does that to
            which nothing happens.
        **crowd: Attributes of the ``Crowd``.

    Returns:
        What the crowd said, and how many effects were there before the last worker came, as ``effects``.
    """
    delivery.begin()
    shape = {"writers": 2, "workers": 3, "sequencers": 0, **crowd}
    said = _let_work(name, delivery.database, delivery.folder, strike, every, seconds, shape, delivery.environment)
    said["effects"] = sum(delivery.effect_count(facts["name"]) for facts in delivery.handlers)
    # Whoever is killed all the time may fall behind those who write.
    (finish or delivery.deliver_all)(60 + seconds)
    _note(name, said, delivery.judge(list(acknowledged(delivery.folder))))
    # No handler fails by itself here: what the database did must not be taken for that.
    blamed = [line for path in delivery.folder.glob("*.log") for line in path.read_text().splitlines() if BLAME in line]
    assert not blamed, "\n".join(blamed[:20])
    # Or nobody has delivered anything under the strikes.
    assert said["effects"] > 0, said
    return said


def _let_work(
    name: str,
    database: Database,
    folder: Path,
    strike: Callable[[], object] | None,
    every: tuple[float, float],
    seconds: float,
    crowd: Mapping[str, Any],
    environment: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    chance, cycles = random.Random(name), 0
    facts = {"seconds": seconds, "folder": str(folder), "seed": chance.randrange(1 << 30), **crowd}
    with (folder / "crowd.log").open("w") as errors:
        process = database.start_module(
            "tests.faults.writers", json.dumps(facts), environment=environment, errors=errors
        )
    deadline = time.monotonic() + seconds
    try:
        while strike and (left := deadline - time.monotonic()) > every[0]:
            time.sleep(min(left, chance.uniform(*every)))
            strike()
            cycles += 1
    except BaseException:
        # And whom it has forked, or they would go on for ever.
        for pid in [process.pid, *descendants(process.pid)]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.communicate()
        raise
    said = database.result(process, seconds=seconds + 60)
    return {**said, "strikes": cycles, "is_struck": strike is not None}


def _note(name: str, said: Mapping[str, Any], verdict: Verdict) -> None:
    """Add a row to the figures, and fail where anything is wrong."""
    FIGURES.append(
        (
            name,
            said["cycles"] + said["strikes"],
            verdict.events,
            len(verdict.lost),
            len(verdict.doubled),
            len(verdict.untrue),
            len(verdict.out_of_order),
            len(verdict.forgotten),
            sum(said["errors"].values()),
        )
    )
    assert not said["unexpected"], "\n".join(said["unexpected"])
    assert not verdict.findings, "\n".join(verdict.findings[:50])
    # Or it has shown nothing.
    assert said["committed"] > 0, said
    assert not said["is_struck"] or said["strikes"] > 0
