"""A database that lacks the metrics' tables, or does not answer: a clear page, never a stack trace."""

import pytest
from django.db import OperationalError

from django_clean_timestamps.admin.dashboard import reading
from django_clean_timestamps.admin.dashboard.fragments import MARKER
from django_clean_timestamps.delivery.models import ParkedEvent
from django_clean_timestamps.metrics.models import MetricRollup, MetricSeries
from tests.admin.dashboard.figures import alert, file_url, text_of, url
from tests.admin.deliveries import park
from tests.eventlog.log import dropped

pytestmark = pytest.mark.django_db(databases=["default", "other"], transaction=True)

WAY_OUT = "run 'manage.py migrate clean_timestamps --database default'"


@pytest.mark.parametrize("page", ["", "operation", "deliveries"])
def test_a_missing_table_is_named_with_the_way_out(admin_client, figures, page):
    with dropped(MetricSeries):
        response = admin_client.get(url(page))
    assert response.status_code == 503
    text = text_of(response)
    assert "clean_timestamps_metricseries" in text
    assert WAY_OUT in text


def test_also_where_the_request_is_a_transaction(admin_client, figures):
    from django.db import transaction

    with dropped(MetricRollup), transaction.atomic():
        response = admin_client.get(url())
        assert response.status_code == 503
        # The transaction is still usable.
        assert admin_client.user.__class__.objects.exists()


def test_a_fragment_says_so_too(admin_client, figures):
    with dropped(MetricSeries):
        response = admin_client.get(url(), {"fragment": "1"})
    assert response.status_code == 503
    assert "<html" not in response.content.decode()
    assert WAY_OUT in text_of(response)
    assert MARKER not in response.headers


def test_and_a_file(admin_client, figures):
    with dropped(MetricSeries):
        response = admin_client.get(file_url("overview", "latency"))
    assert (response.status_code, response["Content-Type"]) == (503, "text/plain; charset=utf-8")
    assert WAY_OUT in response.content.decode()


def test_and_what_can_be_done(admin_client, figures):
    from django_clean_timestamps.metrics.alerts.models import AlertState

    alert()
    with dropped(AlertState):
        response = admin_client.get(f"{url('silence')}?rule=latency&subject=x")
    assert response.status_code == 503


def test_a_database_that_does_not_answer_is_told_of(admin_client, figures, monkeypatch):
    def refuse(*asked):
        raise OperationalError("could not connect\nto the server")

    monkeypatch.setattr("django_clean_timestamps.admin.dashboard.asked.read_freshness", refuse)
    text = text_of(admin_client.get(url()))
    assert "the database 'default' said" in text
    assert "could not connect to the server”" in text
    assert "load the page again then" in text
    monkeypatch.setattr(reading, "_missing_tables", refuse)
    assert "could not connect to the server”" in text_of(admin_client.get(url()))


def test_a_database_without_deliveries_hides_nothing_of_the_others(admin_client, figures, caplog):
    park(5)
    with dropped(ParkedEvent, using="other"):
        response = admin_client.get(url("deliveries"))
    assert [group.database for group in response.context["groups"]] == ["default"]
    assert "The parked events of 'other' cannot be read" in caplog.text


def test_an_action_on_such_a_database_says_what_to_do(admin_client, figures):
    with dropped(ParkedEvent, using="other"):
        response = admin_client.get(url("retry"), {"database": "other"})
    assert response.status_code == 302
    text = text_of(admin_client.get(response["Location"]))
    assert "manage.py migrate clean_timestamps --database other" in text
