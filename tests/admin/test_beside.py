"""The mixin before the admins of other packages."""

import pytest
from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core import checks
from django.urls import path, reverse

from django_clean_timestamps.admin import TimestampAdminMixin
from django_clean_timestamps.testing import capture_events
from tests.testapp.models import Careful

ADMINS = {
    "unfold": "unfold.admin.ModelAdmin",
    "reversion": "reversion.admin.VersionAdmin",
    "simple_history": "simple_history.admin.SimpleHistoryAdmin",
    "import_export": "import_export.admin.ImportExportModelAdmin",
}

pytestmark = [
    pytest.mark.django_db,
    # Written for an earlier Django.
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::PendingDeprecationWarning"),
]

urlpatterns: list = []


@pytest.fixture(params=ADMINS)
def model_admin(request, settings, monkeypatch):
    module, _, name = ADMINS[request.param].rpartition(".")
    package = pytest.importorskip(module)
    monkeypatch.setattr("django.contrib.admin.helpers.AdminForm", admin.helpers.AdminForm)
    monkeypatch.setattr("django.contrib.admin.helpers.Fieldline", admin.helpers.Fieldline)
    site = admin.AdminSite(name="admin")
    base = getattr(package, name)
    # django-simple-history looks for the records of the model only on its own pages.
    kind = type("CarefulAdmin", (TimestampAdminMixin, base), {"fields": ["name", "amount"], "__module__": __name__})
    site.register(Careful, kind)
    urlpatterns[:] = [path("admin/", site.urls)]
    yield site.get_model_admin(Careful)
    if request.param == "reversion":
        import reversion

        reversion.unregister(Careful)


@pytest.fixture(autouse=True)
def _site(settings, model_admin):
    settings.ROOT_URLCONF = __name__


def test_the_admin_passes_its_checks(model_admin):
    assert not [message for message in model_admin.check() if message.level >= checks.ERROR]


def test_the_forms_show_the_stamps_and_carry_the_reason(admin_client):
    assert b'name="timestamp_reason"' in admin_client.get(reverse("admin:testapp_careful_add")).content
    careful = Careful.objects.create(name="a")
    url = reverse("admin:testapp_careful_change", args=[careful.pk])
    page = admin_client.get(url).content.decode()
    above, _, timeline = page.partition('class="timestamp-events"')
    assert above.count("<time") == 2
    assert timeline.count("<time") == 1
    assert page.count('name="timestamp_reason"') == 1
    with capture_events() as events:
        response = admin_client.post(url, {"name": "b", "amount": 0, "timestamp_reason": "typo"})
    assert response.status_code == 302
    assert [(event.reason, event.actor) for event in events] == [("typo", str(admin_client.user.pk))]


def test_what_is_refused_is_an_error_of_the_form(admin_client):
    careful = Careful.objects.create(name="a")
    url = reverse("admin:testapp_careful_change", args=[careful.pk])
    page = admin_client.post(url, {"name": "forbidden", "amount": 0}).content.decode()
    assert "this name is forbidden" in page
    assert Careful.objects.get().name == "a"


def test_the_list_filters_and_touches(admin_client):
    careful = Careful.objects.create(name="a")
    url = reverse("admin:testapp_careful_changelist")
    assert admin_client.get(url, {"updated_age": "hour"}).content.decode().count("<time") == 2
    data = {"action": "touch_with_reason", ACTION_CHECKBOX_NAME: careful.pk}
    page = admin_client.post(url, {**data, "index": 0}).content.decode()
    assert 'name="timestamp_reason"' in page
    with capture_events() as events:
        response = admin_client.post(url, {**data, "post": "yes", "timestamp_reason": "reviewed"})
    assert response.status_code == 302
    assert [event.reason for event in events] == ["reviewed"]
