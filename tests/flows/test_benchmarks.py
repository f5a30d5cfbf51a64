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
LOG = [
    *("save", "create", "touch", "save_alone", "update_alone", "touched_parents"),
    *("bulk_create", "upsert", "bulk_update", "delete", "update", "update_scattered", "queryset_touch"),
]
COMPARED = {
    "Writes in one transaction": WRITES,
    "Bulk writes inside capture_events()": WRITES[4:],
    "Each write in a transaction of its own": WRITES[:4],
    "Loading": ["iterate", "load", "instantiate"],
}
OTHERS = {
    "Memory": ["instance", "event", "event_sizeof", "touched"],
    "With the event log": LOG,
    "Sequencing": ["backlog"],
    "Delivery by one process": ["engine", "engine_in_batches", "bulk_create", "create"],
    "A page of the feed": ["page", "page_by_model", "nothing_new"],
    "By the rows in the log": [
        "save",
        "sequencer_pass",
        "scattered_pass",
        "page_at_head",
        "page_in_the_middle",
        "page_by_model",
        "delivery_batch",
        "new_subscription",
        "new_replay",
        "replay_page",
    ],
}
TABLES = {**COMPARED, **OTHERS}
DATABASES = {"sqlite": "SQLite", "postgresql": "PostgreSQL", "mariadb": "MariaDB"}
DATABASE = os.environ.get("TEST_DATABASE", "sqlite")


def run_benchmarks(*arguments: str) -> "subprocess.CompletedProcess[str]":
    name = f"{os.environ.get('TEST_DATABASE_NAME', 'clean_timestamps')}_bench_{os.getpid()}"
    environment = {**os.environ, "BENCHMARK_DATABASE_NAME": name}
    environment.pop("DJANGO_SETTINGS_MODULE", None)
    command = [sys.executable, "-m", "benchmarks", "--quick", "--database", DATABASE, *arguments]
    return subprocess.run(command, check=False, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600)


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


@pytest.mark.parametrize("title", COMPARED)
def test_each_row_has_times_and_a_ratio(report, title):
    for cells in rows_of(report, title).values():
        _rows, *times, ratio = map(float, cells[:5])
        assert all(math.isfinite(number) and number > 0 for number in (*times, ratio))


@pytest.mark.parametrize(("name", "baseline"), [("save", "auto_now"), ("update", "bare")])
def test_the_log_is_judged_beside_its_baseline(report, name, baseline):
    assert baseline in rows_of(report, "With the event log")[name]


def test_what_the_log_adds_to_a_save_is_the_difference_to_the_log_off():
    done = run_benchmarks("--format", "json", "log.save", "log.bulk_create")
    [measured] = json.loads(done.stdout)
    save, bulk_create = measured["results"]
    legacy, off, on = (save["medians"][side] for side in ("auto_now", "log off", "log on"))
    assert save["figure"] == pytest.approx((on - off) / legacy)
    assert bulk_create["figure"] == pytest.approx(bulk_create["ratio"])
    assert {save["target"], bulk_create["target"]} == {0.2 if DATABASE == "postgresql" else 0.15, 1.5}


def test_a_rate_meets_its_target_by_reaching_it():
    done = run_benchmarks("--format", "json", "sequencing")
    [backlog] = json.loads(done.stdout)[0]["results"]
    assert backlog["unit"] == "per_second"
    assert backlog["met"] == (backlog["figure"] >= backlog["target"])


def test_growth_compares_logs_of_different_sizes():
    done = run_benchmarks("--format", "json", "--rows", "40000", "growth.page_at_head")
    [page] = json.loads(done.stdout)[0]["results"]
    assert list(page["medians"]) == ["500", "2,000"]
    assert page["ratio"] == pytest.approx(page["medians"]["2,000"] / page["medians"]["500"])


def test_growth_takes_more_rows_than_its_smallest_log():
    done = run_benchmarks("--rows", "10000", "growth")
    assert done.returncode == 2
    assert "more than 10000" in done.stderr


def test_the_dashboard_is_asked_beside_a_short_log_and_a_long_one():
    done = run_benchmarks("--format", "json", "--rows", "40000", "dashboard.overview_30d")
    [page] = json.loads(done.stdout)[0]["results"]
    assert (page["rows"], page["unit"], page["target"]) == (40, "ms", 200)
    assert list(page["medians"]) == ["500", "2,000"]
    assert page["figure"] == page["medians"]["2,000"]


def test_the_dashboard_is_measured_by_itself():
    done = run_benchmarks("dashboard", "writes")
    assert done.returncode == 2
    assert "name it without others" in done.stderr


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
