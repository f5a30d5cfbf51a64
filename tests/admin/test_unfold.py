"""The package's pages on a site of django-unfold, with its templates."""

import copy
from pathlib import Path

import pytest
from django.urls import path
from django.utils import timezone

from django_clean_timestamps.admin import register_pages
from django_clean_timestamps.delivery.models import ParkedEvent, Subscription
from tests.admin.deliveries import add_handler, logged, park, states, subscription, table, told
from tests.admin.log import place

unfold = pytest.importorskip("unfold")

pytestmark = [
    pytest.mark.django_db(databases=["default", "other"]),
    # On Django 6.1: unfold's actions.
    pytest.mark.filterwarnings("ignore:Overriding get_action_choices"),
]

urlpatterns: list = []


@pytest.fixture(autouse=True)
def _unfold(settings, _site):
    from unfold.sites import UnfoldAdminSite

    site = UnfoldAdminSite()
    register_pages(site)
    urlpatterns[:] = [path("admin/", site.urls)]
    templates = copy.deepcopy(settings.TEMPLATES)
    # As in a project that lists unfold before Django's admin.
    templates[0]["DIRS"] = [Path(unfold.__file__).parent / "templates"]
    settings.TEMPLATES = templates
    settings.ROOT_URLCONF = __name__


@pytest.fixture
def dead(db):
    add_handler()
    place(1)
    subscription(cursor=1, owner="worker:7", lease_until=timezone.now())
    return park(1, state="dead", last_error="refused")


def test_the_lists_answer_and_tell(admin_client, dead):
    assert "shop.mail" in table(admin_client.get("/admin/clean_timestamps/subscription/"))
    page = admin_client.get("/admin/clean_timestamps/parkedevent/")
    assert "refused" in table(page)
    for part in ('class="action-select"', 'value="retry_now"', "clean_timestamps/admin.css", "?handler=shop.mail"):
        assert part in page.content.decode()


def test_empty_lists_answer(admin_client):
    assert "No subscriptions." in admin_client.get("/admin/clean_timestamps/subscription/").content.decode()
    assert "No parked events." in admin_client.get("/admin/clean_timestamps/parkedevent/").content.decode()


@pytest.mark.parametrize("page", ["change", "history"])
@pytest.mark.parametrize("model", [Subscription, ParkedEvent])
def test_the_pages_of_a_row_answer(admin_client, dead, model, page):
    row = model.objects.get()
    response = admin_client.get(f"/admin/clean_timestamps/{model._meta.model_name}/{row.pk}/{page}/")
    assert response.status_code == 200


def test_an_events_page_tells_what_became_of_it(admin_client, dead):
    assert "refused" in admin_client.get("/admin/clean_timestamps/event/1/change/?database=default").content.decode()


def test_an_event_is_skipped_once_a_reason_is_given(admin_client, dead):
    url, data = "/admin/clean_timestamps/parkedevent/", {"action": "skip", "_selected_action": dead.pk}
    assert 'name="timestamp_reason"' in admin_client.post(url, data | {"index": 0}).content.decode()
    response = admin_client.post(url, data | {"post": "yes", "timestamp_reason": "old"})
    assert told(response, admin_client) == [("success", "1 parked event was skipped.")]
    assert states() == {1: "skipped"}
    assert len(logged()) == 1
