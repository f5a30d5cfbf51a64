"""The overview: how things stand, four tiles, charts, and all operations."""

import pytest
from django.db import connection
from django.test import override_settings
from django.test.utils import CaptureQueriesContext

from tests.admin.dashboard.figures import (
    BULK,
    NOTES,
    TASKS,
    alert,
    chart_data,
    observe,
    process,
    roll_up,
    sample,
    text_of,
    url,
)


def tiles(response):
    return {tile.key: tile for tile in response.context["tiles"]}


def operations(response):
    return [(row.model, row.operation) for row in response.context["operations"].rows]


def test_all_is_well(metrics_client, figures):
    response = metrics_client.get(url())
    text = text_of(response)
    assert "Everything is well." in text
    assert "Data " in text
    assert " s old." in text
    assert {tile.mark.word for tile in tiles(response).values()} == {"well"}


def test_the_tiles_have_the_latest_figures_and_from_where_on_they_are_bad(metrics_client, figures):
    found = tiles(metrics_client.get(url(), {"range": "1h"}))
    assert found["latency"].value == pytest.approx(0.004, rel=0.01)
    assert found["validation_errors"].value == 0
    assert (found["undelivered"].value, found["oldest_event"].value) == (3, 1.5)
    limits = {key: tile.limit.translate({0x2068: None, 0x2069: None, 0xA0: " "}) for key, tile in found.items()}
    assert limits == {
        "latency": "warns over 5 ms",
        "validation_errors": "warns over 0.5%",
        "undelivered": "warns over 1k",
        "oldest_event": "warns over 2 min",
    }
    assert found["latency"].period == "latest 1\xa0minute"
    assert found["undelivered"].period == "now"


@override_settings(CLEAN_TIMESTAMPS={"ALERTS": {"undelivered": False, "oldest_event": {"warning": None}}})
def test_a_rule_that_is_switched_off_has_no_limit(metrics_client, figures):
    found = tiles(metrics_client.get(url()))
    assert found["undelivered"].limit == ""
    assert found["oldest_event"].limit.startswith("critical over")


def test_a_figure_over_its_limit_that_nobody_was_told_of_is_not_called_well(metrics_client, figures):
    sample(handler="shop.slow", waiting=1_001, oldest=9)
    assert tiles(metrics_client.get(url()))["undelivered"].mark.word == "over, not yet sure"


def test_without_samples_nothing_is_said_of_the_queue(metrics_client, db):
    observe(NOTES, [0.001], ago=4)
    roll_up()
    found = tiles(metrics_client.get(url()))
    assert found["undelivered"].shown is None
    assert found["undelivered"].mark.word == "no data"


def test_an_alert_is_told_of_with_its_time(metrics_client, figures):
    alert()
    response = metrics_client.get(url())
    text = text_of(response)
    assert "Warning More than 5% of update of testapp.note on default have taken over 5 ms since" in text
    assert "everything else is well." in text
    assert tiles(response)["latency"].mark.word == "warning"


@pytest.mark.parametrize(
    ("rule", "level", "said"),
    [
        ("validation_errors", "critical", "Critical More than 1% of writes to testapp.note have been refused since"),
        ("undelivered", "warning", "More than 1k events have waited for delivery since"),
        ("oldest_event", "critical", "The oldest undelivered event has waited for over 10 min since"),
        ("dead_events", "warning", "More than 0 events have been dead since"),
        ("collector_silence", "warning", "No process has collected for over 3 min since"),
    ],
)
def test_each_rule_has_its_words(metrics_client, figures, rule, level, said):
    alert(rule, "testapp.note" if rule == "validation_errors" else "all", level=level)
    assert said in text_of(metrics_client.get(url()))


def test_the_worst_comes_first_and_the_others_are_counted(metrics_client, figures):
    alert()
    alert("undelivered", "all", level="critical")
    alert("oldest_event", "all", state="no_data", level="critical")
    text = text_of(metrics_client.get(url()))
    assert "Critical More than 5k events" in text
    assert "and 2 other alerts are open." in text


@pytest.mark.parametrize(
    ("asked", "latency", "errors"),
    [
        ({}, "warning", "critical"),
        ({"model": "testapp.note", "operation": "update", "database": "default"}, "warning", "critical"),
        ({"model": "testapp.note", "operation": "touch"}, "no data", "critical"),
        ({"model": "testapp.task"}, "well", "well"),
    ],
)
def test_a_tile_tells_of_the_alerts_of_what_is_asked_for(metrics_client, figures, asked, latency, errors):
    alert()
    alert("validation_errors", "testapp.note", level="critical")
    found = tiles(metrics_client.get(url(), asked))
    assert (found["latency"].mark.word, found["validation_errors"].mark.word) == (latency, errors)


def test_data_that_ended_is_told_of(metrics_client, figures):
    alert(state="no_data")
    assert "No data has come for update of testapp.note on default since" in text_of(metrics_client.get(url()))


def test_a_silenced_alert_is_not_loud(metrics_client, figures):
    alert(silenced_until="2999-01-01T00:00:00+00:00", silenced_by="ada")
    response = metrics_client.get(url())
    assert "Everything is well, or silenced." in text_of(response)
    assert tiles(response)["latency"].mark.word == "silenced"
    alert("undelivered", "all")
    assert "everything else is well or silenced." in text_of(metrics_client.get(url()))


def test_an_alert_of_another_day_is_told_with_its_date(metrics_client, figures):
    alert(since="2026-03-02T10:30:00+00:00")
    assert "since March 2 10:30 a.m.;" in text_of(metrics_client.get(url()))


def test_every_chart_has_a_table_a_file_and_a_sentence(metrics_client, figures):
    response = metrics_client.get(url())
    page = response.content.decode()
    charts = response.context["content"].charts
    assert list(charts) == ["latency", "errors", "queue", "oldest", "rates"]
    for key in charts:
        assert f'id="{key}-summary"' in page
        assert f'id="{key}-caption"' in page
        assert f"/csv/overview/{key}/?range=24h" in page


def test_each_table_equals_its_json(metrics_client, figures):
    response = metrics_client.get(url(), {"range": "1h"})
    data = chart_data(response)
    assert list(data) == ["latency", "errors", "queue", "oldest", "rates"]
    for key, found in data.items():
        table = response.context["content"].table(key)
        assert [int(row[0].timestamp()) for row in table.rows] == found["times"]
        columns = {column.key: place for place, column in enumerate(table.columns)}
        for series in found["series"]:
            in_table = [row[columns[series["key"]]] for row in table.rows]
            assert [value is None for value in series["values"]] == [value is None for value in in_table]
            pairs = [pair for pair in zip(series["values"], in_table, strict=True) if None not in pair]
            assert pairs
            assert all(shown == pytest.approx(value, rel=1e-5) for shown, value in pairs)


def test_gaps_stay_gaps(metrics_client, figures):
    data = chart_data(metrics_client.get(url(), {"range": "1h"}))
    values = data["latency"]["series"][0]["values"]
    assert sum(value is not None for value in values) == 6


def test_the_operations_lead_to_their_pages(metrics_client, figures):
    response = metrics_client.get(url(), {"range": "6h"})
    assert operations(response) == [
        ("testapp.note", "update"),
        ("–", "write_events"),
        ("testapp.task", "create"),
        ("–", "handler shop.mail"),
        ("testapp.task", "queryset_update"),
    ]
    first = response.context["operations"].rows[0]
    assert first.url == f"{url('operation')}?range=6h&model=testapp.note&operation=update&database=default"
    assert first.figures.count == 301
    assert first.bad == frozenset()
    assert response.context["operations"].rows[3].bad == {"failed"}


def test_an_operation_over_its_limits_is_marked(metrics_client, db):
    observe(NOTES, [0.02] * 10, ago=4)
    observe(BULK, [0.02] * 10, ago=4)
    observe(("testapp.note", "update", "invalid", "default"), [0.001] * 5, ago=4)
    roll_up()
    rows = {row.operation: row.bad for row in metrics_client.get(url()).context["operations"].rows}
    assert rows == {"update": {"p95", "refused"}, "queryset_update": frozenset()}


@pytest.mark.parametrize(
    ("sort", "first"), [("model", "–"), ("-model", "testapp.task"), ("p95", "–"), ("-p95", "–"), ("-rows", "–")]
)
def test_the_table_is_sorted_as_asked_for(metrics_client, figures, sort, first):
    assert operations(metrics_client.get(url(), {"sort": sort}))[0][0] == first


def test_what_has_no_figure_comes_last_either_way(metrics_client, db):
    observe(NOTES, [0.001], ago=4)
    observe(("testapp.task", "create", "failed", "default"), [0.001], ago=4)
    roll_up()
    for sort in ("p95", "-p95"):
        assert operations(metrics_client.get(url(), {"sort": sort}))[-1] == ("testapp.task", "create")


def test_a_column_that_is_sorted_by_says_so_and_turns_round(metrics_client, figures):
    response = metrics_client.get(url(), {"sort": "-p95"})
    headings = {heading.key: heading for heading in response.context["operations"].headings}
    assert headings["p95"].direction == "descending"
    assert "sort=p95" in headings["p95"].url
    assert (headings["model"].direction, headings["count"].direction) == ("", "")
    assert "sort=-count" in headings["count"].url
    assert "sort=model" in headings["model"].url
    assert 'aria-sort="descending"' in response.content.decode()
    again = metrics_client.get(url(), {"sort": "p95"}).context["operations"].headings
    assert {heading.key: heading for heading in again}["p95"].direction == "ascending"


def test_a_column_that_does_not_exist_changes_nothing(metrics_client, figures):
    assert operations(metrics_client.get(url(), {"sort": "nothing"}))[0] == ("testapp.note", "update")


def test_the_database_is_a_column_where_there_are_several(metrics_client, figures):
    assert ">Database<" not in metrics_client.get(url()).content.decode()
    observe(("testapp.task", "create", "ok", "other"), [0.001], ago=4)
    roll_up()
    response = metrics_client.get(url())
    assert [heading.key for heading in response.context["operations"].headings][2] == "database"
    assert ">other</bdi>" in response.content.decode()


@pytest.mark.parametrize("whose", ["admin_client", "metrics_client"])
def test_it_asks_the_database_twelve_times_at_most(request, figures, whose):
    client = request.getfixturevalue(whose)
    alert()
    for asked in ({}, {"range": "30d"}, {"model": "testapp.note", "operation": "update"}):
        with CaptureQueriesContext(connection) as queries:
            assert client.get(url(), asked).status_code == 200
        assert len([each for each in queries if "SAVEPOINT" not in each["sql"]]) <= 12


# Nothing to see.


def test_nothing_was_ever_collected(metrics_client):
    response = metrics_client.get(url())
    text = text_of(response)
    assert response.status_code == 200
    assert "Nothing has been collected yet" in text
    assert "timestamps_relay --watch" in text
    assert response.context["sections"] == []


@override_settings(CLEAN_TIMESTAMPS={"METRICS": False})
def test_it_is_switched_off(metrics_client):
    assert "Recording is switched off: take 'METRICS': False out of CLEAN_TIMESTAMPS." in text_of(
        metrics_client.get(url())
    )


def test_nothing_in_this_range(metrics_client, db):
    observe(NOTES, [0.001], ago=200)
    roll_up()
    response = metrics_client.get(url(), {"range": "1h"})
    text = text_of(response)
    assert "Nothing in this range" in text
    assert "Choose another range." in text
    assert response.context["empty"].links[0][1] == f"{url()}?range=6h"
    assert "Everything is well." in text
    assert "Nothing in this range" not in text_of(metrics_client.get(url(), {"range": "6h"}))


def test_nothing_of_what_was_asked_for_in_the_longest_range(metrics_client, db):
    observe(NOTES, [0.001], ago=4)
    observe(TASKS, [0.001], ago=40 * 24 * 60)
    roll_up()
    response = metrics_client.get(url(), {"range": "30d", "model": "testapp.task", "operation": "create"})
    assert response.context["empty"].links == (("Everything in this range", f"{url()}?range=30d"),)
    assert "The filters leave something out" in text_of(response)


def test_nothing_in_a_range_of_ones_own(metrics_client, figures):
    asked = {"range": "own", "from": "2020-01-01T00:00", "to": "2020-01-02T00:00"}
    links = metrics_client.get(url(), asked).context["empty"].links
    assert [text for text, _link in links] == [
        "The last 1 h",
        "The last 6 h",
        "The last 24 h",
        "The last 7 d",
        "The last 30 d",
    ]


def test_nothing_in_thirty_days(metrics_client, db):
    observe(NOTES, [0.001], ago=40 * 24 * 60)
    roll_up()
    empty = metrics_client.get(url(), {"range": "30d"}).context["empty"]
    assert (empty.steps, empty.links) == (("Nothing was recorded in the range that was asked for.",), ())


def test_the_collector_is_silent(metrics_client, figures):
    process(ago=400)
    roll_up(sampled_ago=400)
    response = metrics_client.get(url())
    text = text_of(response)
    assert "Critical No process has collected for 6." in text
    assert "The collector is silent" in text
    assert url("health") in [link for _text, link in response.context["notice"].links]
    assert {tile.mark.word for tile in tiles(response).values()} == {"no data"}
    assert tiles(response)["undelivered"].period == "when last looked at"
    # What there is, is shown.
    assert len(response.context["sections"]) == 4


def test_figures_that_nobody_has_summed_up_yet(metrics_client, db):
    observe(NOTES, [0.001], ago=1)
    text = text_of(metrics_client.get(url()))
    assert "Nothing in this range" in text
    assert "No data Nothing has been collected yet." in text
