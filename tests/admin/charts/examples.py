"""Charts to draw in tests, and what their pages hold."""

import html
import json
import re
from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from django_clean_timestamps.admin.charts import (
    Bar,
    BarList,
    Episode,
    EpisodeChart,
    EpisodeRow,
    HeatMap,
    Histogram,
    Level,
    Line,
    LineChart,
    Sparkline,
    Threshold,
    Unit,
)

NOON = datetime(2025, 11, 27, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
WARNING = Threshold(value=0.005, level=Level.WARNING)
CRITICAL = Threshold(value=0.010, level=Level.CRITICAL)

figures = st.one_of(st.just(0.0), st.floats(min_value=1e-12, max_value=1e12))
some_figures = st.one_of(st.none(), figures)


def minutes(count, *, since=NOON, step=MINUTE):
    return tuple(since + number * step for number in range(count))


def lines_of(*values, key="latency", unit=Unit.SECONDS, scale="log", **options):
    """Return a chart of lines named a, b, c …, of one period a minute."""
    lines = tuple(
        Line(key="abcdefgh"[place], label=f"p{place}", values=tuple(each)) for place, each in enumerate(values)
    )
    options = {"times": minutes(len(values[0])), "step": MINUTE, "title": "Latency", "lines": lines, **options}
    return LineChart(key=key, unit=unit, scale=scale, **options)


def heat_map(*counts, bounds=(0.001, 0.002, 0.004, 0.008), **options):
    return HeatMap(
        key="heat", title="Latencies", times=minutes(len(counts)), step=MINUTE, bounds=bounds, counts=counts, **options
    )


def histogram(*counts, bounds=(0.001, 0.002, 0.004, 0.008), **options):
    return Histogram(key="histogram", title="Latencies", bounds=bounds, counts=counts, **options)


def bar_list(*bars, **options):
    bars = tuple(Bar(label=label, value=value) for label, value in bars)
    return BarList(key="reasons", title="Reasons", heading="Reason", value_heading="Touches", bars=bars, **options)


def sparkline(*values, unit=Unit.SECONDS):
    return Sparkline(key="spark", title="p95", unit=unit, values=values)


def episode(level, began, ended=None):
    """Return an episode that began and ended so many minutes after noon."""
    return Episode(
        level=level, began_at=NOON + began * MINUTE, ended_at=None if ended is None else NOON + ended * MINUTE
    )


def episodes(*rows, until=100):
    """Return a chart of the given minutes from noon on, a row for each list of episodes."""
    return EpisodeChart(
        key="alerts",
        title="Alerts",
        since=NOON,
        until=NOON + until * MINUTE,
        rows=tuple(EpisodeRow(label=f"rule {place}", episodes=tuple(row)) for place, row in enumerate(rows)),
    )


ONE_OF_EACH = {
    "lines": lines_of([0.001, None, 0.012], [0.002, 0.003, None], thresholds=(WARNING, CRITICAL)),
    "heat map": heat_map((1, 2, 0), None, (0, 9, 1), thresholds=(WARNING,)),
    "histogram": histogram(5, 3, 1, thresholds=(WARNING,)),
    "bars": bar_list(("import", 12), ("edit", 4)),
    "episodes": episodes([episode(Level.WARNING, 10, 20), episode(Level.CRITICAL, 50)]),
    "sparkline": sparkline(0.001, None, 0.002),
}


def data_of(page):
    """Return what a script reads from a page."""
    return json.loads(html.unescape(re.search(r'data-chart="([^"]*)"', page)[1]))


def text_of(page):
    """Return what a page tells, without its tags."""
    return html.unescape(re.sub(r"<[^>]*>", "", str(page))).replace("\N{NO-BREAK SPACE}", " ")
