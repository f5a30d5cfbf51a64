"""Who may see the dashboard, and where it stands."""

import pytest
from django.contrib import admin
from django.test import RequestFactory
from django.urls import NoReverseMatch, resolve, reverse

from django_clean_timestamps.admin import register_pages
from django_clean_timestamps.admin.dashboard.admin import PAGES, DashboardAdmin
from django_clean_timestamps.metrics.models import Dashboard
from tests.admin.dashboard.figures import file_url, url
from tests.admin.site import bare_site, site

pytestmark = pytest.mark.django_db(databases=["default", "other"])

KEYS = ["", "operation", "deliveries", "alerts", "health"]
ACTIONS = ["retry", "skip", "silence"]

of_every_page = pytest.mark.parametrize("page", KEYS)


@of_every_page
def test_whoever_may_view_metrics_sees_every_page(metrics_client, figures, page):
    assert metrics_client.get(url(page)).status_code == 200


@of_every_page
def test_a_colleague_without_the_permission_does_not(log_in, page):
    assert log_in("view_event", "view_note").get(url(page)).status_code == 403


@pytest.mark.parametrize("page", ACTIONS)
def test_nor_does_he_get_at_what_can_be_done(log_in, page):
    client = log_in("manage_deliveries", "view_parkedevent", "manage_alerts")
    assert client.get(url(page)).status_code == 403


def test_nor_at_a_file(log_in):
    assert log_in("view_event").get(file_url("overview", "latency")).status_code == 403


@of_every_page
def test_a_stranger_is_asked_to_log_in(client, db, page):
    response = client.get(url(page))
    assert response.status_code == 302
    assert "/login/" in response["Location"]


def test_nothing_is_sent_to_a_page(admin_client, figures):
    assert admin_client.post(url()).status_code == 403
    assert admin_client.post(file_url("overview", "latency")).status_code == 403


def test_a_head_is_answered(admin_client, figures):
    assert admin_client.head(url()).status_code == 200


def test_the_admins_index_leads_to_it(metrics_client):
    page = metrics_client.get(reverse("timestamps:index")).content.decode()
    assert f'"{url()}"' in page
    assert "add/" not in page


def test_the_index_of_others_does_not(log_in):
    assert url() not in log_in("view_note").get(reverse("timestamps:index")).content.decode()


def test_the_overview_has_two_names():
    assert reverse("timestamps:clean_timestamps_dashboard_changelist") == url()
    assert resolve(url()).url_name == "clean_timestamps_dashboard"


def test_no_row_has_a_page():
    for name in ("add", "change", "delete", "history"):
        with pytest.raises(NoReverseMatch):
            reverse(f"timestamps:clean_timestamps_dashboard_{name}", args=[] if name == "add" else [1])


def test_nothing_is_added_changed_or_deleted(admin_client):
    model_admin = site.get_model_admin(Dashboard)
    request = RequestFactory().get("/")
    request.user = admin_client.user
    assert model_admin.get_model_perms(request) == {"add": False, "change": False, "delete": False, "view": True}


def test_it_stands_on_the_default_site_and_on_others_that_ask():
    assert isinstance(admin.site.get_model_admin(Dashboard), DashboardAdmin)
    assert not bare_site.is_registered(Dashboard)
    another = admin.AdminSite(name="another")
    register_pages(another)
    assert isinstance(another.get_model_admin(Dashboard), DashboardAdmin)


def test_the_admins_checks_find_nothing_wrong():
    assert site.get_model_admin(Dashboard).check() == []


@of_every_page
def test_requests_that_are_transactions_leave_it_out(page):
    assert "default" in resolve(url(page)).func._non_atomic_requests


@of_every_page
def test_nothing_on_it_is_inline(admin_client, figures, page):
    response = admin_client.get(url(page))
    inner = response.content.decode().partition('id="content-main"')[2]
    assert inner
    for forbidden in (" style=", "<style", "<script", " onclick=", "javascript:"):
        assert forbidden not in inner


def test_its_own_tags_carry_the_nonce(admin_client, figures, settings):
    (engine,) = settings.TEMPLATES
    processors = [*engine["OPTIONS"]["context_processors"], "tests.admin.dashboard.test_access.nonce"]
    settings.TEMPLATES = [{**engine, "OPTIONS": {"context_processors": processors}}]
    page = admin_client.get(url()).content.decode()
    for file in ("admin.css", "charts.css", "dashboard.css", "dashboard.js"):
        tag = page.partition(f"clean_timestamps/{file}")[2].partition(">")[0]
        assert 'nonce="r4nd0m"' in tag


def nonce(request):
    return {"csp_nonce": "r4nd0m"}


@pytest.mark.parametrize("page", [page for page in PAGES if page.key != "overview"])
def test_a_page_is_named_by_its_title_and_below_the_dashboard(admin_client, figures, page):
    response = admin_client.get(url(page.key))
    assert response.context["title"] == page.title
    crumbs = response.content.decode().partition("breadcrumbs")[2].partition("</nav>")[0]
    assert f'<a href="{url()}">Dashboard</a>' in crumbs


def test_breadcrumbs_are_a_list_where_djangos_are(admin_client, figures, monkeypatch):
    monkeypatch.setattr("django_clean_timestamps.admin.dashboard.admin._BREADCRUMBS_ARE_A_LIST", True)
    assert '<ol class="breadcrumbs">' in admin_client.get(url()).content.decode()
    assert '<li aria-current="page">Health</li>' in admin_client.get(url("health")).content.decode()
