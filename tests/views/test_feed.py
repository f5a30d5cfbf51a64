import json
from unittest import mock
from urllib.request import Request, urlopen

import pytest
from django.contrib.auth.models import AnonymousUser, Permission, User
from django.db import connection, connections, transaction
from django.test import LiveServerTestCase, RequestFactory
from django.urls import reverse

from django_clean_timestamps.context import timestamp_context
from django_clean_timestamps.eventlog import changed_since
from django_clean_timestamps.eventlog.models import Event, Pending
from django_clean_timestamps.events import TimestampEvent
from django_clean_timestamps.testing import drain_all
from django_clean_timestamps.views import access
from django_clean_timestamps.views.feed import changes
from tests.otherapp.models import Remote
from tests.testapp.models import Note, NoteProxy, Project

pytestmark = pytest.mark.django_db

TOKEN = {"Authorization": "Bearer right"}


@pytest.fixture(autouse=True)
def _tokens(settings):
    settings.CLEAN_TIMESTAMPS = {"FEED_TOKENS": ["other", "right"], "API_TOKENS": ["api"]}


@pytest.fixture
def reader(client):
    """A client whose user may view notes."""
    user = User.objects.create_user("reader", password="x")
    user.user_permissions.add(Permission.objects.get(codename="view_note"))
    client.force_login(user)
    return client


def get(client, headers=TOKEN, **query):
    return client.get(reverse("clean_timestamps:changes"), query, headers=headers)


def refused(response, status, code):
    assert (response.status_code, response.json()["error"]) == (status, code), response.content
    return response.json()["detail"]


def test_its_address_is_below_where_the_project_put_it():
    assert reverse("clean_timestamps:changes") == "/timestamps/api/v1/changes"


def test_a_page_is_that_of_the_feed(client):
    with timestamp_context(reason="new", actor="anna", correlation_id="c", order=7):
        note = Note.objects.create()
    Note.objects.update(amount=1)
    content = get(client).json()
    page = changed_since()
    assert content == {
        "changes": [event.to_dict() for event in page.changes],
        "cursor": page.cursor,
        "has_more": False,
    }
    first = TimestampEvent.from_dict(content["changes"][0])
    assert (first.entity_id, first.reason, first.metadata) == (str(note.pk), "new", {"order": 7})


def test_pages_follow_each_other(client):
    Note.objects.bulk_create([Note() for _ in range(5)])
    cursor, seen = "", []
    while True:
        content = get(client, cursor=cursor, limit=2).json()
        seen += [change["position"] for change in content["changes"]]
        cursor = content["cursor"]
        if not content["has_more"]:
            break
    assert seen == list(Event.objects.order_by("position").values_list("position", flat=True))
    assert len(seen) == 5


def test_no_cache_keeps_an_answer(client):
    for response in (get(client), get(client, headers={})):
        assert "no-store" in response["Cache-Control"]
        assert response["Vary"] == "Authorization, Cookie"


def test_head_is_answered_without_a_body(client):
    response = client.head(reverse("clean_timestamps:changes"), headers=TOKEN)
    assert (response.status_code, response.content) == (200, b"")


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_other_methods_are_refused(client, method):
    response = getattr(client, method)(reverse("clean_timestamps:changes"), headers=TOKEN)
    refused(response, 405, "method_not_allowed")
    assert response["Allow"] == "GET, HEAD"


# Who may read.


def test_nobody_is_told_how_to_come_in(client):
    response = get(client, headers={})
    assert "FEED_TOKENS" in refused(response, 401, "not_authenticated")
    assert response["WWW-Authenticate"] == 'Bearer realm="clean_timestamps"'


@pytest.mark.parametrize("value", ["Bearer wrong", "Bearer ", "bearer right2", "Bearer api", "Bearer r\u00efght"])
def test_a_bad_token_is_refused(client, value):
    response = get(client, headers={"Authorization": value})
    refused(response, 401, "bad_token")


def test_tokens_for_the_other_views_do_not_open_the_feed(client, settings):
    settings.CLEAN_TIMESTAMPS = {"API_TOKENS": ["right"]}
    refused(get(client), 401, "bad_token")


@pytest.mark.parametrize("value", ["Bearer right", "bearer  right ", "BEARER other"])
def test_each_feed_token_opens_it(client, value):
    assert get(client, headers={"Authorization": value}).status_code == 200


def test_every_token_is_compared_whichever_fits():
    with mock.patch.object(access, "constant_time_compare", wraps=access.constant_time_compare) as compare:
        assert access.is_among("a", ["a", "b", "c"])
        assert not access.is_among("d", ["a", "b", "c"])
    assert compare.call_count == 6


def test_basic_credentials_are_none(client):
    refused(get(client, headers={"Authorization": "Basic cmlnaHQ="}), 401, "not_authenticated")


def test_a_bad_token_is_refused_in_a_session_too(admin_client):
    refused(get(admin_client, headers={"Authorization": "Bearer wrong"}), 401, "bad_token")


def test_a_request_without_authentication_middleware_is_nobodys():
    response = changes(RequestFactory().get("/"))
    assert response.status_code == 401
    request = RequestFactory().get("/")
    request.user = AnonymousUser()
    assert changes(request).status_code == 401


def test_a_user_sees_the_models_that_may_be_viewed(reader):
    Note.objects.create()
    Project.objects.create()
    content = get(reader, headers={}).json()
    assert {change["entity_type"] for change in content["changes"]} == {"testapp.note"}
    assert len(content["changes"]) == 1


def test_a_model_that_may_not_be_viewed_is_refused_whether_it_exists_or_not(reader):
    for model in ("testapp.project", "gone.model"):
        assert model in refused(get(reader, headers={}, model=model), 403, "not_permitted")


def test_a_user_without_any_permission_is_refused(client):
    client.force_login(User.objects.create_user("nobody"))
    refused(get(client, headers={}), 403, "not_permitted")


def test_an_inactive_user_is_nobody():
    request = RequestFactory().get("/")
    request.user = User(username="left", is_active=False, is_superuser=True)
    assert changes(request).status_code == 401


def test_a_superuser_sees_models_that_are_gone(admin_client):
    Note.objects.create()
    drain_all()
    Event.objects.update(entity_type="gone.model")
    assert len(get(admin_client, headers={}).json()["changes"]) == 1
    assert len(get(admin_client, headers={}, model="gone.model").json()["changes"]) == 1


# What is asked for.


def test_models_are_chosen_by_label(client):
    Note.objects.create()
    Project.objects.create()
    found = get(client, model=["testapp.Project", "testapp.NoteProxy"]).json()["changes"]
    assert [change["entity_type"] for change in found] == ["testapp.note", "testapp.project"]
    assert NoteProxy._meta.proxy


@pytest.mark.parametrize("limit", ["x", "-1", "1.5", "\u0661", "1234567", ""])
def test_a_limit_that_is_no_number_is_refused(client, limit):
    refused(get(client, limit=limit), 400, "bad_limit")


@pytest.mark.parametrize("limit", ["0", "10001"])
def test_a_limit_out_of_bounds_is_refused(client, limit):
    assert "from 1 to 10000" in refused(get(client, limit=limit), 400, "bad_request")


def test_a_text_that_is_no_label_is_refused(client):
    assert "app_label.model" in refused(get(client, model="note"), 400, "bad_model")


def test_a_changed_cursor_is_refused(client):
    assert "cursor=None" in refused(get(client, cursor="x"), 400, "bad_cursor")


def test_an_expired_cursor_is_gone(client):
    cursor = get(client).json()["cursor"]
    Note.objects.bulk_create([Note(), Note(), Note()])
    drain_all()
    Event.objects.filter(position__lt=Event.objects.order_by("-position")[0].position).delete()
    assert "pruned" in refused(get(client, cursor=cursor), 410, "cursor_expired")


@pytest.mark.django_db(databases=["default", "other"])
def test_each_database_has_a_feed_of_its_own(client):
    Note.objects.create()
    Remote.objects.create()
    there = get(client, database="other").json()
    assert [change["entity_type"] for change in there["changes"]] == ["otherapp.remote"]
    assert get(client, cursor=there["cursor"]).json()["changes"] == []
    refused(get(client, cursor=there["cursor"], database="default"), 400, "bad_cursor")


def test_a_database_that_is_not_there_is_refused(client):
    refused(get(client, database="nowhere"), 400, "bad_database")


# Around it.


@pytest.mark.django_db(transaction=True)
def test_it_gives_positions_under_atomic_requests_too(client):
    Note.objects.create()
    for alias in connections:
        assert alias in changes._non_atomic_requests
    with mock.patch.dict(connection.settings_dict, ATOMIC_REQUESTS=True):
        assert len(get(client).json()["changes"]) == 1
    assert not Pending.objects.exists()


def test_a_site_that_wants_a_login_everywhere_lets_tokens_in(client, settings):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.contrib.auth.middleware.LoginRequiredMiddleware"]
    assert get(client).status_code == 200


def test_a_log_without_tables_is_no_fault_of_the_request(client, monkeypatch):
    monkeypatch.setattr(Event._meta, "db_table", "clean_timestamps_missing")
    with transaction.atomic():
        assert "migrate" in refused(get(client), 503, "no_event_log")
        transaction.set_rollback(True)


class OverHttp(LiveServerTestCase):
    # Not pytest-django's live_server: that shares the connections between threads until the session ends.

    def test_another_system_follows_a_growing_log(self):
        cursor, seen = "", []
        for number in range(3):
            with timestamp_context(reason=str(number)):
                Note.objects.create()
            address = f"{self.live_server_url}{reverse('clean_timestamps:changes')}?cursor={cursor}"
            with urlopen(Request(address, headers=TOKEN)) as response:
                content = json.load(response)
            seen += [change["reason"] for change in content["changes"]]
            cursor = content["cursor"]
        self.assertEqual(seen, ["0", "1", "2"])
