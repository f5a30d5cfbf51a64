"""Each chart, its table, its file and the JSON tell the same."""

import csv
import io
import json
import math
from datetime import datetime
from itertools import groupby

import pytest

from django_clean_timestamps.admin.charts import path_boxes, path_points
from tests.browser.looking import PAGES

CHARTS_WITH_LINES = [
    ("overview", "latency"),
    ("overview", "errors"),
    ("overview", "queue"),
    ("overview", "oldest"),
    ("overview", "rates"),
    ("operation", "latency"),
    ("operation", "outcomes"),
    ("deliveries", "queue"),
    ("deliveries", "lag-waiting"),
    ("deliveries", "lag-oldest"),
]

# The keys of a chart's lines, and where api/v1/series has them.
IN_API = {
    "p50": ("trend", "p50_seconds"),
    "p95": ("trend", "p95_seconds"),
    "p99": ("trend", "p99_seconds"),
    "error_rate": ("trend", "error_rate"),
    "waiting": ("backlog", "waiting_count"),
    "oldest": ("backlog", "oldest_seconds"),
    "written": ("rates", "written_per_second"),
    "delivered": ("rates", "delivered_per_second"),
    "failed": ("rates", "failed_per_second"),
}


@pytest.fixture(scope="module")
def charts(browser, site):
    """Return what stands in the charts of a page, by its name: all are read from one answer each."""
    from tests.browser.looking import Looker

    found = {}

    def charts(name):
        if name not in found:
            looker = Looker(browser, site)
            page = looker.open(name)
            found[name] = page.evaluate(READ_CHARTS), looker
        return found[name][0]

    yield charts
    for _, looker in found.values():
        looker.close()


READ_CHARTS = """() => Object.fromEntries(Array.from(document.querySelectorAll("figure[data-chart]"), (figure) => [
    figure.id, {
        data: figure.dataset.chart,
        paths: Array.from(figure.querySelectorAll(".timestamp-paths path.timestamp-line:not(.timestamp-dots)"),
            (path) => path.getAttribute("d")),
        dots: Array.from(figure.querySelectorAll(".timestamp-paths path.timestamp-dots"), (path) => path.getAttribute("d")),
        bars: figure.querySelector(".timestamp-paths path.timestamp-bar")?.getAttribute("d"),
        band: figure.querySelector(".timestamp-paths path.timestamp-band")?.getAttribute("d"),
        legend: Array.from(figure.querySelectorAll(".timestamp-legend bdi"), (each) => each.textContent),
        heads: Array.from(figure.querySelectorAll("thead th"), (each) => each.textContent),
        rows: Array.from(figure.querySelectorAll("tbody tr"), (row) =>
            Array.from(row.children, (cell) => cell.textContent)),
        file: figure.parentElement.querySelector("a[download]").href,
    }]))"""


def place(value, panel):
    """Return where a figure stands in the drawing, 0 at the bottom."""
    low, high = panel["low"], panel["high"]
    value = min(max(value, low), high)
    share = math.log(value / low) / math.log(high / low) if panel["scale"] == "log" else (value - low) / (high - low)
    return 1 - panel["top"] - panel["height"] * (1 - share)


@pytest.mark.parametrize(("name", "key"), CHARTS_WITH_LINES, ids="-".join)
def test_a_charts_path_goes_through_its_figures(charts, name, key):
    chart = charts(name)[key]
    data = json.loads(chart["data"])
    lines = [each for each in data["series"] if each["panel"] == 0]
    # Drawn from the last to the first, so that the first lies on top.
    assert len(chart["paths"]) == len(lines)
    for line, path in zip(reversed(lines), chart["paths"], strict=True):
        wanted = [
            (
                (time + data["step"] / 2 - data["since"]) / (data["until"] - data["since"]),
                place(value, data["panels"][0]),
            )
            for time, value in zip(data["times"], line["values"], strict=True)
            if value is not None
        ]
        drawn = [point for run in path_points(path) for point in run]
        alone = [point for dots in chart["dots"] for run in path_points(dots) for point in run]
        assert wanted
        for point in wanted:
            assert any(point == pytest.approx(each, abs=2e-5) for each in (*drawn, *alone)), line["key"]
        assert all(any(each == pytest.approx(point, abs=2e-5) for point in wanted) for each in drawn)


def middles(data):
    return [(time + data["step"] / 2 - data["since"]) / (data["until"] - data["since"]) for time in data["times"]]


def test_the_bars_below_a_chart_end_at_their_figures(charts):
    chart = charts("overview")["errors"]
    data = json.loads(chart["data"])
    (counts,) = (each["values"] for each in data["series"] if each["panel"] == 1)
    panel = data["panels"][1]
    wanted = [(x, place(value, panel)) for x, value in zip(middles(data), counts, strict=True) if value]
    boxes = path_boxes(chart["bars"])
    drawn = [((box.left + box.right) / 2, box.top) for box in boxes]
    assert len(wanted) > 100
    assert [number for point in drawn for number in point] == pytest.approx(
        [number for point in wanted for number in point], abs=2e-5
    )
    assert [box.bottom for box in boxes] == pytest.approx([place(0, panel)] * len(boxes), abs=1e-5)


def test_the_band_lies_between_what_the_rate_is_at_least_and_at_most(charts):
    chart = charts("overview")["errors"]
    data = json.loads(chart["data"])
    heads = [head.partition(" (")[0] for head in chart["heads"]]
    columns = [heads.index(f"99% interval, {edge}") for edge in ("at least", "at most")]
    assert "(%)" in chart["heads"][columns[0]]
    half_step = data["step"] / 2 / (data["until"] - data["since"])
    pieces = path_points(chart["band"])
    known = [(x, row) for x, row in zip(middles(data), chart["rows"], strict=True)]
    runs = [list(run) for is_known, run in groupby(known, lambda each: each[1][columns[0]] != "–") if is_known]
    assert len(pieces) == len(runs)
    for piece, run in zip(pieces, runs, strict=True):
        lower, upper = (
            [(x, place(float(row[column]) / 100, data["panels"][0])) for x, row in run] for column in columns
        )
        if len(run) == 1:
            # It has no neighbours, so it is as wide as its period.
            lower, upper = (
                [(x + side, y) for x, y in edge for side in (-half_step, half_step)] for edge in (lower, upper)
            )
        # Along the upper edge and back along the lower one; the table rounds to three digits.
        wanted = [*upper, *reversed(lower)]
        assert [point.x for point in piece] == pytest.approx([x for x, _ in wanted], abs=1e-5)
        assert [point.y for point in piece] == pytest.approx([y for _, y in wanted], abs=2e-3)


READ_COUNTS = """(key) => {
    const figure = document.getElementById(key);
    return {
        paths: Array.from(figure.querySelectorAll(".timestamp-paths path"), (path) => [
            Number((path.getAttribute("class").match(/shade-(\\d)/) || [0, 0])[1]), path.getAttribute("d")]),
        grid: Array.from(figure.querySelectorAll(".timestamp-plot > text.timestamp-value"),
            (text) => [text.textContent, parseFloat(text.getAttribute("y"))]),
        rows: Array.from(figure.querySelectorAll("tbody tr"), (row) =>
            Array.from(row.children, (cell) => cell.textContent)),
    };
}"""


def figure_of(text):
    """Return the number that is written beside a line of the grid."""
    text = text.strip("\u2068\u2069")
    return float(text.rstrip("k")) * (1_000 if text.endswith("k") else 1)


def count_of(text):
    return 0 if text == "–" else int(text.replace(",", ""))


def test_each_cell_of_the_heat_map_has_the_shade_of_its_count(looker):
    heat = looker.open("operation").evaluate(READ_COUNTS, "heat")
    counts = [[count_of(text) for text in row[1:]] for row in heat["rows"]]
    highest = max(map(max, counts))
    wanted = {
        (column, bucket): math.ceil(math.sqrt(count / highest) * 6)
        for column, buckets in enumerate(counts)
        for bucket, count in enumerate(buckets)
        if count
    }
    drawn = {}
    for shade, path in heat["paths"]:
        for box in path_boxes(path):
            edges = [box.left * len(counts), box.right * len(counts)]
            bucket = box.bottom * len(counts[0])
            assert edges == pytest.approx([round(edge) for edge in edges], abs=1e-3)
            assert [bucket, box.top * len(counts[0])] == pytest.approx([round(bucket), round(bucket) + 1], abs=1e-3)
            for column in range(*map(round, edges)):
                assert (column, round(bucket)) not in drawn
                drawn[column, round(bucket)] = shade
    assert len(wanted) > 100
    assert drawn == wanted


def test_each_bar_of_the_histogram_is_as_high_as_its_count(looker):
    histogram = looker.open("operation").evaluate(READ_COUNTS, "histogram")
    counts = [count_of(row[2]) for row in histogram["rows"]]
    ((_, path),) = histogram["paths"]
    marks = {figure_of(text): 1 - y / 100 for text, y in histogram["grid"]}
    highest = max(marks)
    wanted = [
        ((place + 0.5) / len(counts), marks[0] + (marks[highest] - marks[0]) * count / highest)
        for place, count in enumerate(counts)
        if count
    ]
    drawn = [((box.left + box.right) / 2, box.top) for box in path_boxes(path)]
    assert len(wanted) > 10
    assert [number for point in drawn for number in point] == pytest.approx(
        [number for point in wanted for number in point], abs=1e-4
    )


def test_each_bar_of_a_list_is_as_long_as_its_count(looker):
    page = looker.open("operation")
    widths = page.locator("#reasons rect").evaluate_all("found => found.map((each) => each.getAttribute('width'))")
    file = page.locator(".timestamp-panel", has=page.locator("#reasons")).locator("a[download]")
    lines = list(csv.reader(io.StringIO(page.request.get(file.get_attribute("href")).body().decode("utf-8-sig"))))
    counts = [float(line[1]) for line in lines[1:]]
    assert [float(width.rstrip("%")) for width in widths] == pytest.approx(
        [count / max(counts) * 100 for count in counts], abs=0.01
    )


@pytest.mark.parametrize(("name", "key"), CHARTS_WITH_LINES, ids="-".join)
def test_its_table_its_json_and_its_file_are_equal(looker, charts, name, key):
    chart = charts(name)[key]
    data = json.loads(chart["data"])
    answer = looker.page().request.get(chart["file"])
    lines = list(csv.DictReader(io.StringIO(answer.body().decode("utf-8-sig"))))
    in_file = {int(datetime.fromisoformat(next(iter(line.values()))).timestamp()): line for line in lines}
    assert len(chart["rows"]) == len(data["times"])
    heads = [head.partition(" (")[0] for head in chart["heads"]]
    for series in data["series"]:
        column = next(each for each in lines[0] if each.startswith(series["key"]))
        in_table = [row[heads.index(series["label"])] for row in chart["rows"]]
        assert [value is None for value in series["values"]] == [text == "–" for text in in_table]
        common = [index for index, time in enumerate(data["times"]) if time in in_file]
        # One may have ended between the two answers.
        assert len(common) >= len(data["times"]) - 2
        factor = None
        for index in common:
            value, told = series["values"][index], in_file[data["times"][index]][column]
            assert (value is None) == (told == ""), index
            if value is not None:
                assert float(told) == pytest.approx(value, rel=1e-5)
                factor = check_shown(in_table[index], value, factor)


def check_shown(text, value, factor):
    """Hold a cell against a figure, in the column's one unit, and return how many of these are one of the figure's."""
    if text.endswith(("k", "M")):
        shown = float(text[:-1].replace(",", "")) * {"k": 1e3, "M": 1e6}[text[-1]]
        assert shown == pytest.approx(value, rel=6e-3)
        return factor
    shown = float(text.replace(",", ""))
    places = len(text.partition(".")[2])
    if factor is None and shown and value:
        # The nearest of the units there are: seconds, their thousandths and millionths, minutes, hours, per cent.
        factor = min((1, 1e3, 1e6, 1 / 60, 1 / 3600, 100), key=lambda each: abs(math.log(value * each / shown)))
    if factor is not None:
        assert shown == pytest.approx(value * factor, abs=0.51 * 10**-places, rel=1e-5)
    return factor


def test_the_overviews_charts_equal_the_api(looker):
    page = looker.open("?range=1h")
    charts = page.evaluate(READ_CHARTS)
    answer = page.request.get("/timestamps/api/v1/series?range=1h")
    assert answer.status == 200
    told = answer.json()
    compared = set()
    for chart in charts.values():
        data = json.loads(chart["data"])
        for series in data["series"]:
            if series["key"] not in IN_API:
                continue
            part, name = IN_API[series["key"]]
            times = [int(datetime.fromisoformat(time).timestamp()) for time in told[part]["times"]]
            in_api = dict(zip(times, told[part][name], strict=True))
            in_chart = dict(zip(data["times"], series["values"], strict=True))
            common = in_api.keys() & in_chart.keys()
            assert len(common) >= len(in_chart) - 1
            for time in common:
                assert in_chart[time] == (None if in_api[time] is None else pytest.approx(in_api[time], rel=1e-5))
            compared.add(series["key"])
    assert compared == set(IN_API)


def test_the_table_of_operations_equals_the_api(looker):
    page = looker.open("?range=24h&sort=model")
    rows = page.locator(".timestamp-operations tbody tr").evaluate_all(
        "rows => rows.map((row) => Array.from(row.children, (cell) => cell.textContent.trim()))"
    )
    told = page.request.get("/timestamps/api/v1/series?range=24h").json()["operations"]
    in_api = {(each["model"] or "–", each["operation"].replace("handler:", "handler ")): each for each in told}
    assert {tuple(row[:2]) for row in rows} == set(in_api)
    for row in rows:
        count = row[2].replace(",", "")
        shown = float(count.rstrip("kM")) * {"k": 1e3, "M": 1e6}.get(count[-1], 1)
        assert shown == pytest.approx(in_api[tuple(row[:2])]["count"], rel=6e-3)


@pytest.mark.parametrize("name", PAGES)
def test_every_file_is_there(looker, name):
    page = looker.open(name)
    links = page.locator("a[download]").evaluate_all("links => links.map((link) => link.href)")
    assert links
    for link in links:
        answer = page.request.get(link)
        assert answer.status == 200, link
        assert answer.headers["content-type"].startswith("text/csv")
        assert len(answer.text().splitlines()) >= 1
