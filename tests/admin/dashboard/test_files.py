"""Every chart and table as a file."""

import pytest

from tests.admin.dashboard.figures import alert, example, file_url, lines_of, notice, process, reason, url
from tests.admin.deliveries import park

pytestmark = pytest.mark.django_db(databases=["default", "other"])


@pytest.mark.parametrize("page", ["overview", "operation", "deliveries", "alerts", "health"])
def test_every_chart_and_table_of_a_page_has_one(admin_client, figures, page):
    alert()
    notice()
    process()
    reason("import")
    example()
    park(5)
    content = admin_client.get(url("" if page == "overview" else page)).context["content"]
    keys = [*content.charts, *content.tables]
    assert keys
    for key in keys:
        response = admin_client.get(file_url(page, key))
        assert response.status_code == 200
        assert response["Content-Type"] == "text/csv; charset=utf-8"
        assert f'filename="{page}-{key}.csv"' in response["Content-Disposition"]
        lines = lines_of(response)
        table = content.table(key)
        assert lines[0] == [column.name for column in table.columns]
        assert len(lines) == len(table.rows) + 1


def test_figures_are_exact_and_times_in_utc(metrics_client, figures, settings):
    settings.TIME_ZONE = "Europe/Berlin"
    head, *rows = lines_of(metrics_client.get(file_url("overview", "latency"), {"range": "1h"}))
    assert head == ["time", "p95_seconds", "p50_seconds", "p99_seconds"]
    assert all(row[0].endswith("+00:00") for row in rows)
    known = [float(row[1]) for row in rows if row[1]]
    assert len(known) == 6
    assert known[0] == pytest.approx(0.004, rel=0.01)


def test_the_table_of_operations_is_a_file_too(metrics_client, figures):
    head, first, *_rest = lines_of(metrics_client.get(file_url("overview", "operations"), {"sort": "model"}))
    assert head[:5] == ["model", "operation", "database", "count", "rows_count"]
    assert first[0] == ""


def test_what_a_spreadsheet_would_run_is_made_a_text(admin_client, figures):
    reason("=HYPERLINK(1)")
    _head, row = lines_of(admin_client.get(file_url("operation", "reasons"), {"model": "testapp.note"}))
    assert row[0] == "'=HYPERLINK(1)"


def test_reasons_and_keys_are_for_those_who_may_view_the_model(metrics_client, figures):
    reason("secret")
    example("4711", text="secret")
    for key in ("reasons", "examples"):
        assert len(lines_of(metrics_client.get(file_url("operation", key)))) == 1


def test_a_level_is_written_by_its_name(metrics_client, figures):
    from tests.admin.dashboard.figures import change

    change(1, "firing", "warning", ago=600)
    _head, row = lines_of(metrics_client.get(file_url("alerts", "episodes")))
    assert "warning" in row


def test_a_table_that_does_not_exist_is_not_found(metrics_client, figures):
    assert metrics_client.get(file_url("overview", "nothing")).status_code == 404
