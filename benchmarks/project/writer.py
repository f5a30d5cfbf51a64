"""
``python -m benchmarks.project.writer``: writes rows of one side, each in a transaction of its own, or a backlog.

Paced, it first writes slowly until the worker answers, then at the given rate whatever the side does, so that a slow
one cannot slow down what it is measured by. The moments at which the transactions had committed go to a file.
"""

import argparse
import sys
import time
from functools import partial
from pathlib import Path

from django.db import transaction

WARM_UP_SECONDS = 1.0
FIRST_ANSWER_SECONDS = 60
PART = 1_000
"""How many rows of a backlog are written in one transaction."""


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("side")
    parser.add_argument("--backlog", type=int)
    parser.add_argument("--rate", type=float)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--effects", type=Path)
    parser.add_argument("--commits", type=Path)
    options = parser.parse_args()

    import django

    django.setup()
    from benchmarks.peers.sides import SIDES
    from benchmarks.project import celery as _app  # noqa: F401 - the doorbell rings by it

    side = SIDES[options.side]
    if options.backlog:
        write_backlog(side, options.backlog)
    else:
        write_paced(side, options.rate, options.seconds, options.effects, options.commits)
    return 0


def write_backlog(side, count):
    for start in range(0, count, PART):
        with transaction.atomic():
            rows = side.model.objects.bulk_create(
                [side.model(name=f"row {number}") for number in range(start, min(start + PART, count))]
            )
            side.announce_all([row.pk for row in rows])
        # As writes do that are not all at once: each part rings for itself.
        time.sleep(0.03)


def write_paced(side, rate, seconds, effects, commits):
    from benchmarks.project import moments

    committed = {}
    deadline = time.monotonic() + FIRST_ANSWER_SECONDS
    while not moments.count(effects):
        if time.monotonic() > deadline:
            raise SystemExit(f"{side.name}: nothing came in {FIRST_ANSWER_SECONDS} seconds")
        write(side, {})
        time.sleep(0.1)
    at_rate(side, {}, rate, WARM_UP_SECONDS)
    at_rate(side, committed, rate, seconds)
    moments.write(commits, committed)


def at_rate(side, committed, rate, seconds):
    begun = time.monotonic()
    for number in range(int(rate * seconds)):
        wait = begun + number / rate - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        write(side, committed)


def write(side, committed):
    made = []
    with transaction.atomic():
        # Before the side's own: what it does after COMMIT is a part of what is measured.
        transaction.on_commit(partial(note, made, committed))
        made.append(side.model.objects.create(name="name").pk)
        side.announce(made[0])


def note(made, committed):
    committed[str(made[0])] = time.monotonic_ns()


if __name__ == "__main__":
    sys.exit(main())
