"""
``python -m benchmarks.project.saver``: saves rows whenever it is told to, and says how long that took.

A line of its input is one round: ``MODEL TRANSACTIONS ROWS CLOCK``. It is timed from the first BEGIN to the last
COMMIT, with all that the process does meanwhile for the broker, in whichever thread.
"""

import gc
import logging
import sys
import time

from django.db import transaction

RING_SECONDS = 0.5


def main() -> int:
    import django

    django.setup()
    # That a broker does not answer is what is asked for.
    logging.getLogger("django_clean_timestamps").setLevel(logging.ERROR)
    from benchmarks import writes
    from benchmarks.database import empty, settle
    from benchmarks.models import AutoNow, Entity
    from benchmarks.project import celery as _app  # noqa: F401 - the doorbell rings by it
    from django_clean_timestamps.delivery.drain import drain
    from django_clean_timestamps.delivery.registry import has_handlers
    from django_clean_timestamps.eventlog.models import Pending

    if has_handlers():
        drain()
        # Rings for the first time while the broker still answers, if it does.
        Entity.objects.create(name="first")
        time.sleep(RING_SECONDS)
    print("ready", flush=True)
    for line in sys.stdin:
        name, transactions, rows, clock_name = line.split()
        model = {"AutoNow": AutoNow, "Entity": Entity}[name]
        clock = getattr(time, clock_name)
        empty(model, Pending)
        given = writes.stored(model, int(transactions) * int(rows))
        empty(Pending)
        settle(model, Pending)
        # What that rang for is published before the round.
        time.sleep(RING_SECONDS / 10)
        parts = [given[start : start + int(rows)] for start in range(0, len(given), int(rows))]
        gc.collect()
        start = clock()
        for part in parts:
            save(part)
        seconds = clock() - start
        expected = len(given) if model is Entity else 0
        if (found := Pending.objects.count()) != expected:
            raise SystemExit(f"{len(given)} saves left {found} events instead of {expected}")
        # Only now: the others write the same tables when it is their turn.
        print(seconds, flush=True)
    return 0


def save(rows):
    if len(rows) == 1:
        rows[0].name = "another name"
        rows[0].save()
        return
    with transaction.atomic():
        for row in rows:
            row.name = "another name"
            row.save()


if __name__ == "__main__":
    sys.exit(main())
