"""Results as tables and as JSON, under a header that says what they were measured on."""

import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import django

from benchmarks.database import describe_database, vendor
from benchmarks.measuring import AUTO_NOW, Benchmark, Plan, Result

TITLES = {
    "writes": "Writes in one transaction; touch beside the save of auto_now (us a row)",
    "listening": "Bulk writes inside capture_events(), which builds their events (us a row)",
    "alone": "Each write in a transaction of its own, COMMIT included (us a row)",
    "loading": "Loading (us a row)",
    "memory": "Memory (bytes)",
    "log": "With the event log (us a row); of single writes, what it adds as a share of auto_now",
    "sequencing": "Sequencing (events a second)",
    "feed": "A page of the feed (ms)",
    "delivery": "Delivery by one process (events a second); from commit: sequenced too; by hand: the effect alone",
    "growth": "By the rows in the log, PostgreSQL vacuumed before each round (us; the largest log beside the smallest)",
    "latency": "From COMMIT to the effect's (ms)",
    "throughput": "A backlog, from COMMIT to the effect's (events a second)",
    "doorbell": "With a broker and a handler (us a save, COMMIT included); what they add as a share of auto_now",
    "worker": "A Celery worker over a backlog (resident MB of its processes, by how much of it they have handled)",
    "recording": "A write with METRICS on beside the same with it off (us a row)",
    "observing": "Observing a latency, the fold included (us an observation); append_alone: without it",
    "sketch": "A sketch of some thousand latencies (us a call; the size in bytes)",
    "dashboard": "The overview of 40 series, by the range shown and by the rows in the log (ms a page)",
    "peers": "Beside other packages, in one transaction (us a row of auto_now, ratios to it)",
}

Measured = Sequence[tuple[Benchmark, Result]]


def describe_run(command: str, plan: Plan) -> dict[str, str]:
    """Return what a reader must know of the run, by heading."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    clock = "the process's CPU time" if plan.clock is time.process_time else "the time taken"
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "command": command,
        "machine": f"{cores} cores, {platform.system()} {platform.machine()}, load {os.getloadavg()[0]:.1f}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "django": django.get_version(),
        "database": describe_database(),
        "method": f"{plan.rounds} rounds, sides in turn in one process, fresh rows; medians of {clock}, the ratio of "
        "the medians, the lowest and the highest ratio of a round",
    }


def as_text(run: Mapping[str, str], measured: Measured) -> str:
    """Return the header and one table for each group."""
    width = max(map(len, run))
    header = "\n".join(f"{heading:<{width}}  {text}" for heading, text in run.items())
    groups = dict.fromkeys(benchmark.group for benchmark, _ in measured)
    tables = [_table(group, [pair for pair in measured if pair[0].group == group]) for group in groups]
    return "\n\n".join([header, *tables])


def as_values(run: Mapping[str, str], measured: Measured) -> dict[str, Any]:
    """Return the same as JSON-ready values, unrounded."""
    return {"run": {**run, "vendor": vendor()}, "results": [_values(*pair) for pair in measured]}


def _values(benchmark: Benchmark, result: Result) -> dict[str, Any]:
    return {
        "group": benchmark.group,
        "name": benchmark.name,
        "rows": result.rows,
        "unit": result.unit,
        "medians": dict(result.medians),
        "ratio": result.ratio,
        "lowest_ratio": result.spread[0] if result.spread else None,
        "highest_ratio": result.spread[1] if result.spread else None,
        "figure": result.figure,
        "target": result.target,
        "met": result.met,
    }


def _table(group: str, measured: Measured) -> str:
    lines = _LINES.get(group, _time_lines)(measured)
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    rows = [
        "  ".join(cell.rjust(width) if column else cell.ljust(width) for column, (cell, width) in enumerate(cells))
        for cells in (list(zip(line, widths, strict=True)) for line in lines)
    ]
    return "\n".join([TITLES[group], *(row.rstrip() for row in rows)])


def _time_lines(measured: Measured) -> list[list[str]]:
    sides = list(measured[0][1].medians)
    lines = [["", "rows", *sides, "ratio", "of a round", "target", ""]]
    for benchmark, result in measured:
        times = [f"{result.medians[side]:.2f}" for side in sides]
        ratio, spread = f"{result.ratio:.2f}", "{:.2f}–{:.2f}".format(*result.spread or (0, 0))
        lines.append([benchmark.name, str(result.rows), *times, ratio, spread, *_verdict(result)])
    return lines


def _memory_lines(measured: Measured) -> list[list[str]]:
    sides = list(dict.fromkeys(side for _, result in measured for side in result.medians))
    lines = [["", "rows", *sides, "judged", "target", ""]]
    for benchmark, result in measured:
        sizes = [f"{result.medians[side]:.1f}" if side in result.medians else "" for side in sides]
        lines.append([benchmark.name, str(result.rows), *sizes, f"{result.figure:.1f}", *_verdict(result)])
    return lines


def _log_lines(measured: Measured) -> list[list[str]]:
    sides = list(dict.fromkeys(side for _, result in measured for side in result.medians))
    lines = [["", "rows", *sides, "beside", "ratio", "of a round", "judged", "target", ""]]
    for benchmark, result in measured:
        times = [f"{result.medians[side]:.2f}" if side in result.medians else "" for side in sides]
        ratio, spread = f"{result.ratio:.2f}", "{:.2f}–{:.2f}".format(*result.spread or (0, 0))
        judged = f"{result.figure:+.2f}" if result.without else f"{result.figure:.2f}"
        beside = result.baseline or ""
        lines.append([benchmark.name, str(result.rows), *times, beside, ratio, spread, judged, *_verdict(result)])
    return lines


def _median_lines(measured: Measured) -> list[list[str]]:
    lines = [["", "rows", "median", "of a round", "target", ""]]
    for benchmark, result in measured:
        digits = 0 if result.unit == "per_second" else 2
        values = result.samples[result.subject]
        median, spread = f"{result.figure:.{digits}f}", f"{min(values):.{digits}f}–{max(values):.{digits}f}"
        lines.append([benchmark.name, str(result.rows), median, spread, *_verdict(result)])
    return lines


def _rate_lines(measured: Measured) -> list[list[str]]:
    """One column for each side, of which one may have been left out, and the judged one's range."""
    sides = list(dict.fromkeys(side for _, result in measured for side in result.medians))
    lines = [["", "rows", *sides, "judged", "of a round", "target", ""]]
    for benchmark, result in measured:
        digits = 0 if result.unit == "per_second" else 1
        cells = [f"{result.medians[side]:.{digits}f}" if side in result.medians else "" for side in sides]
        values = result.samples[result.subject]
        spread = f"{min(values):.{digits}f}–{max(values):.{digits}f}"
        lines.append([benchmark.name, str(result.rows), *cells, result.subject, spread, *_verdict(result)])
    return lines


def _peer_lines(measured: Measured) -> list[list[str]]:
    sides = list(measured[0][1].medians)
    lines = [["", "rows", "us", *sides]]
    for benchmark, result in measured:
        legacy = result.medians[AUTO_NOW]
        ratios = [f"{result.medians[side] / legacy:.2f}" for side in sides]
        lines.append([benchmark.name, str(result.rows), f"{legacy:.2f}", *ratios])
    return lines


def _verdict(result: Result) -> tuple[str, str]:
    if result.target is None:
        return "", ""
    return f"{result.target:g}", "met" if result.met else "missed"


_LINES: Mapping[str, Callable[[Measured], list[list[str]]]] = {
    "memory": _memory_lines,
    "peers": _peer_lines,
    "log": _log_lines,
    "sequencing": _median_lines,
    "feed": _median_lines,
    "delivery": _rate_lines,
    "latency": _rate_lines,
    "throughput": _rate_lines,
    "doorbell": _log_lines,
    "worker": _memory_lines,
    "dashboard": _rate_lines,
    "sketch": _median_lines,
}
