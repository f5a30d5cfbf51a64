"""What can be asked for, and what is answered where the address makes no sense."""

import pytest

from tests.admin.dashboard.figures import NOTES, chart_data, file_url, observe, roll_up, text_of, url


def selects(response):
    return {each.name: each for each in response.context["form"].selects}


def test_the_ranges_lead_to_the_same_with_another_range(metrics_client, figures):
    response = metrics_client.get(url(), {"model": "testapp.note"})
    ranges = response.context["form"].ranges
    assert [each.value for each in ranges] == ["1h", "6h", "24h", "7d", "30d"]
    assert [each.value for each in ranges if each.is_chosen] == ["24h"]
    assert ranges[0].url == f"{url()}?range=1h&model=testapp.note"


def test_the_lists_offer_what_there_is_by_its_kind(metrics_client, figures):
    found = selects(metrics_client.get(url(), {"model": "testapp.note"}))
    assert list(found) == ["model", "operation", "outcome"]
    assert [each.value for each in found["model"].choices] == ["", "testapp.note", "testapp.task"]
    assert [each.is_chosen for each in found["model"].choices] == [False, True, False]
    assert [each.label for each in found["operation"].choices] == [
        "single rows",
        "create",
        "touch",
        "update",
        "queryset_update",
        "write_events",
        "handler shop.mail",
    ]
    assert [each.label for each in found["outcome"].choices] == ["all outcomes", "well", "refused", "failed"]


def test_the_database_is_offered_where_there_are_several(metrics_client, figures):
    observe(("testapp.task", "create", "ok", "other"), [0.001], ago=4)
    roll_up()
    found = selects(metrics_client.get(url(), {"database": "other"}))
    assert [each.value for each in found["database"].choices] == ["", "default", "other"]


def test_what_is_chosen_is_kept_by_each_form_and_can_be_cleared(metrics_client, figures):
    asked = {"range": "7d", "model": "testapp.note", "operation": "update"}
    response = metrics_client.get(url(), asked)
    form = response.context["form"]
    assert form.kept_range == [("range", "7d")]
    assert form.kept_choices == [("model", "testapp.note"), ("operation", "update")]
    assert form.is_narrow
    assert form.clear_url == f"{url()}?range=7d"
    assert f'href="{form.clear_url}"' in response.content.decode()


def test_other_pages_take_over_what_they_ask_for_too(metrics_client, figures):
    response = metrics_client.get(url(), {"range": "7d", "model": "testapp.note"})
    tabs = {str(title): link for title, link, _is_current in response.context["tabs"]}
    assert tabs["Operation"] == f"{url('operation')}?range=7d&model=testapp.note"
    assert tabs["Alerts"] == f"{url('alerts')}?range=7d"


def test_an_own_range_is_read_in_the_viewers_zone_and_shown_in_it(metrics_client, figures, settings):
    settings.TIME_ZONE = "Europe/Berlin"
    asked = {"range": "own", "from": "2026-01-31T14:30", "to": "2026-01-31T18:00"}
    response = metrics_client.get(url(), asked)
    form = response.context["form"]
    assert response.status_code == 200
    assert (form.is_own, form.first, form.last, form.zone) == (
        True,
        "2026-01-31T14:30",
        "2026-01-31T18:00",
        "Europe/Berlin",
    )
    assert response.context["asked"].filters.start_at.hour == 13
    assert 'class="timestamp-own" open' in response.content.decode()
    assert response.context["tabs"][-2][1].startswith(f"{url('alerts')}?range=own&from=2026-01-31T13%3A30")


def test_a_model_shows_its_own_figures(metrics_client, figures):
    whole = metrics_client.get(url(), {"range": "1h"})
    narrow = metrics_client.get(url(), {"range": "1h", "model": "testapp.task"})
    assert max(filter(None, chart_data(whole)["errors"]["series"][1]["values"])) == 71
    assert max(filter(None, chart_data(narrow)["errors"]["series"][1]["values"])) == 20


def test_an_operation_with_limits_of_its_own_shows_them(metrics_client, figures, settings):
    settings.CLEAN_TIMESTAMPS = {"ALERTS": {"latency": {"operations": {"handler:shop.mail": {"warning": 50}}}}}
    (chart,) = metrics_client.get(url(), {"operation": "handler:shop.mail"}).context["content"].sections[0].charts
    assert [threshold.value for threshold in chart.thresholds] == [0.05]
    (chart,) = metrics_client.get(url(), {"operation": "queryset_update"}).context["content"].sections[0].charts
    assert chart.thresholds == ()


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"range": "99h"}, "The range is none of 1h, 6h, 24h, 7d, 30d and own."),
        ({"range": "own", "from": "yesterday"}, "from is no time; give one like 2026-01-31T14:30."),
        ({"from": "2026-01-31T14:30", "to": "2026-01-31T14:31"}, "An own range is from 5 minutes to 400 days long"),
        ({"model": "<b>shop</b>"}, "No figures are kept of the model that was asked for; there are those of: testapp"),
        ({"outcome": "fine"}, "No figures are kept of the outcome that was asked for"),
    ],
)
@pytest.mark.parametrize("page", ["", "operation", "alerts"])
def test_what_makes_no_sense_is_told_and_the_default_shown(metrics_client, figures, asked, said, page):
    response = metrics_client.get(url(page), asked)
    assert response.status_code == 400
    text = text_of(response)
    assert said in text
    assert "What you see below is the default." in text
    assert response.context["asked"].filters.as_query() == {"range": "24h"}
    assert "<b>shop" not in response.content.decode()


def test_a_file_of_what_makes_no_sense_is_refused(metrics_client, figures):
    response = metrics_client.get(file_url("overview", "latency"), {"range": "99h"})
    assert (response.status_code, response["Content-Type"]) == (400, "text/plain; charset=utf-8")
    assert response.content.startswith(b"The range is none of")


def test_a_page_without_filters_offers_none(metrics_client, figures):
    response = metrics_client.get(url("alerts"))
    assert response.context["form"].selects == []
    assert not response.context["form"].is_narrow
    assert "timestamp-controls" not in metrics_client.get(url("health")).content.decode()


def test_a_single_model_needs_no_list(metrics_client, db):
    observe(NOTES, [0.001], ago=4)
    roll_up()
    assert list(selects(metrics_client.get(url()))) == ["outcome"]
    assert list(selects(metrics_client.get(url(), {"model": "testapp.note"}))) == ["model", "outcome"]
