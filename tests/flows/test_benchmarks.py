"""The benchmarks run to their end on this database. How long anything took is not looked at here."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
WRITES = ["create", "save", "save_update_fields", "touch", "bulk_create", "update", "bulk_update", "delete"]
TABLES = {
    "Writes in one transaction": WRITES,
    "Bulk writes inside capture_events()": WRITES[4:],
    "Each write in a transaction of its own": WRITES[:4],
    "Loading": ["iterate", "load", "instantiate"],
    "Memory": ["instance", "event", "event_sizeof", "touched"],
}
DATABASES = {"sqlite": "SQLite", "postgresql": "PostgreSQL", "mariadb": "MariaDB"}
DATABASE = os.environ.get("TEST_DATABASE", "sqlite")


def run_benchmarks(*arguments: str) -> "subprocess.CompletedProcess[str]":
    name = f"{os.environ.get('TEST_DATABASE_NAME', 'clean_timestamps')}_bench_{os.getpid()}"
    environment = {**os.environ, "BENCHMARK_DATABASE_NAME": name}
    environment.pop("DJANGO_SETTINGS_MODULE", None)
    command = [sys.executable, "-m", "benchmarks", "--quick", "--database", DATABASE, *arguments]
    return subprocess.run(command, check=False, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def report() -> dict[str, str]:
    """The paragraphs of the report by their first line; the header is the one that begins with the date."""
    done = run_benchmarks()
    assert (done.returncode, done.stderr) == (0, "")
    paragraphs = done.stdout.strip().split("\n\n")
    return dict((paragraph.split("\n", 1)) for paragraph in paragraphs)


def rows_of(report: dict[str, str], title: str) -> dict[str, list[str]]:
    [table] = [table for first_line, table in report.items() if first_line.startswith(title)]
    return {line.split()[0]: line.split()[1:] for line in table.splitlines()[1:]}


def test_the_report_names_what_it_was_measured_on(report):
    [header] = [f"{first_line}\n{rest}" for first_line, rest in report.items() if first_line.startswith("date ")]
    facts = dict(line.split(maxsplit=1) for line in header.splitlines())
    assert list(facts) == ["date", "command", "machine", "python", "django", "database", "method"]
    assert facts["command"] == f"python -m benchmarks --database {DATABASE} --quick"
    assert facts["database"].startswith(DATABASES[DATABASE])


@pytest.mark.parametrize("title", TABLES)
def test_each_table_has_a_row_for_each_benchmark(report, title):
    assert list(rows_of(report, title)) == TABLES[title]


@pytest.mark.parametrize("title", [title for title in TABLES if title != "Memory"])
def test_each_row_has_times_and_a_ratio(report, title):
    for cells in rows_of(report, title).values():
        _rows, *times, ratio = map(float, cells[:5])
        assert all(math.isfinite(number) and number > 0 for number in (*times, ratio))


def test_an_instance_takes_more_than_the_legacy_one(report):
    """The sides' models have the same columns, so what is more is ours; where it is not, the measurement is broken."""
    _rows, _plain, legacy, ours, judged, *_ = rows_of(report, "Memory")["instance"]
    assert float(judged) == pytest.approx(float(ours) - float(legacy), abs=0.2)
    assert float(judged) > 0


def test_named_benchmarks_come_as_json():
    done = run_benchmarks("--format", "json", "loading.iterate", "memory.event")
    [measured] = json.loads(done.stdout)
    assert measured["run"]["vendor"] == DATABASE
    iterate, event = measured["results"]
    assert (iterate["group"], iterate["name"]) == ("loading", "iterate")
    assert 0 < iterate["lowest_ratio"] <= iterate["highest_ratio"] < math.inf
    assert (event["name"], event["ratio"], event["target"], event["met"]) == ("event", None, 192, True)


def test_an_unknown_name_is_refused_with_the_known_ones():
    done = run_benchmarks("nonsense")
    assert done.returncode != 0
    assert "nonsense" in done.stderr
    assert "writes.create" in done.stderr
