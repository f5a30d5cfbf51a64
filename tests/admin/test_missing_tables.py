"""The pages of delivery in a database that has none of its tables, or not all."""

import pytest
from django.contrib.auth.models import User
from django.test import RequestFactory

from django_clean_timestamps.admin.databases import key_of
from django_clean_timestamps.delivery.models import ParkedEvent, Subscription
from django_clean_timestamps.eventlog.models import Event, LogHead
from tests.admin.deliveries import park, subscription, url
from tests.admin.site import site
from tests.eventlog.log import dropped

pytestmark = pytest.mark.usefixtures("committing")

of_every_page = pytest.mark.parametrize("model", [Subscription, ParkedEvent])


def request_of(**asked):
    request = RequestFactory().get("/", asked)
    request.user = User(pk=1, username="ada", is_staff=True, is_active=True, is_superuser=True)
    return request


@of_every_page
@pytest.mark.parametrize(("alias", "other"), [("default", "other"), ("other", "default")])
def test_a_list_says_what_to_do_and_leads_to_the_other_databases(model, alias, other):
    with dropped(model, using=alias):
        response = site.get_model_admin(model).changelist_view(request_of(database=alias))
        page = response.render().content.decode()
    assert f"manage.py migrate clean_timestamps --database {alias}" in page
    assert f'<a href="{url(model)}?database={other}">Database {other}</a>' in page


@of_every_page
def test_with_one_database_it_leads_nowhere(model, monkeypatch):
    monkeypatch.setattr(
        "django_clean_timestamps.admin.databases.router.allow_migrate_model", lambda alias, model: alias == "default"
    )
    with dropped(model):
        page = site.get_model_admin(model).changelist_view(request_of()).render().content.decode()
    assert "manage.py migrate clean_timestamps --database default" in page
    assert "Other databases" not in page


@of_every_page
def test_a_page_says_what_to_do(model):
    with dropped(model, using="other"):
        page = site.get_model_admin(model).change_view(request_of(), key_of(1, "other")).render().content.decode()
    assert "manage.py migrate clean_timestamps --database other" in page
    assert 'class="timestamp-event"' not in page


def test_a_parked_event_whose_log_cannot_be_read_is_shown_whole():
    row = park(7, last_error="refused")
    with dropped(Event, LogHead):
        response = site.get_model_admin(ParkedEvent).change_view(request_of(), str(row.pk))
        assert "refused" in response.render().content.decode()
    assert response.context_data["event_url"] is None


def test_subscriptions_whose_log_cannot_be_read_are_shown(caplog):
    subscription(cursor=41)
    with dropped(Event, LogHead):
        page = site.get_model_admin(Subscription).changelist_view(request_of()).render().content.decode()
    assert "41" in page
    assert "the log cannot be read" in page
    assert "The log of 'default' cannot be read: The tables of the event log" in caplog.text
