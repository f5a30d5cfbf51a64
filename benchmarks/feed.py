"""Pages of the feed."""

from collections.abc import Callable
from functools import partial

from benchmarks.database import settle
from benchmarks.filling import MODELS, empty_log, fill_events, set_head
from benchmarks.measuring import Benchmark, Plan, Result, timed
from django_clean_timestamps.eventlog import Page, changed_since
from django_clean_timestamps.eventlog.cursor import Cursor, write_cursor
from django_clean_timestamps.eventlog.models import Event, LogHead, Pending

EVENTS = 100_000
LIMIT = 500
TARGET_MS = 3
CALLS = 5
"""How many calls make a sample."""

FEED = "feed"


def page(count: int, limit: int) -> Callable[[], Page]:
    return partial(changed_since, at(count // 2), limit=limit)


def page_by_model(count: int, limit: int) -> Callable[[], Page]:
    """Return a page of one model, whose events are every second."""
    return partial(changed_since, at(count // 2), limit=limit, models=[MODELS[0]])


def nothing_new(count: int, limit: int) -> Callable[[], Page]:
    return partial(changed_since, at(count), limit=limit)


def at(position: int) -> str:
    return write_cursor(Cursor("default", position))


def benchmarks() -> list[Benchmark]:
    return [_benchmark(make) for make in (page, page_by_model, nothing_new)]


def _benchmark(make: Callable[[int, int], Callable[[], Page]]) -> Benchmark:
    def measure(plan: Plan) -> Result:
        count, limit = plan.rows(EVENTS), plan.rows(LIMIT)
        empty_log()
        fill_events(count)
        set_head(count)
        settle(Pending, Event, LogHead)
        read = make(count, limit)
        expected = 0 if make is nothing_new else limit
        if (found := len(read().changes)) != expected:
            raise RuntimeError(f"The feed gave {found} events instead of {expected}")
        samples = [timed(lambda: [read() for _ in range(CALLS)], plan.clock) / CALLS * 1e3 for _ in range(plan.rounds)]
        empty_log()
        return Result(rows=expected, unit="ms", samples={FEED: samples}, subject=FEED, baseline=None, target=TARGET_MS)

    return Benchmark(group="feed", name=make.__name__, measure=measure)
