"""What orchestrators and watchers ask."""

import json
from types import SimpleNamespace

import pytest
from django.contrib.auth.models import Permission, User
from django.db import OperationalError, connection, connections
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import translation

from django_clean_timestamps.metrics.health import reading
from django_clean_timestamps.metrics.health.probing import Answer
from django_clean_timestamps.metrics.health.readiness import Word
from django_clean_timestamps.metrics.health.values import CheckResult, Health, Level
from django_clean_timestamps.views import health as views
from tests.eventlog.conftest import committing  # noqa: F401 - a fixture
from tests.metrics.health.standing import NOON

pytestmark = pytest.mark.urls("tests.views.health_urls")

in_test_case = pytest.mark.django_db(databases="__all__")
TOKEN = {"Authorization": "Bearer right"}
NAMES = ("live", "ready", "health")


@pytest.fixture(autouse=True)
def _tokens(settings):
    settings.CLEAN_TIMESTAMPS = {"API_TOKENS": ["other", "right"], "FEED_TOKENS": ["feed"]}


@pytest.fixture
def standing(monkeypatch):
    """Return what sets the level that is found."""

    def stand(level, **values):
        check = CheckResult(name="log", level=level, text="So it is.", checked_at=NOON, **values)
        monkeypatch.setattr(views, "read_health", lambda: Health(checks=(check,), checked_at=NOON))

    return stand


@pytest.fixture
def word(monkeypatch):
    """Return what sets the word of readiness."""
    return lambda word: monkeypatch.setattr(views, "READINESS", SimpleNamespace(ask=lambda: word))


def ask(client, name="health", headers=TOKEN, **options):
    return client.get(reverse(f"clean_timestamps:{name}"), headers=headers, **options)


def refused(response, status, code):
    assert (response.status_code, response.json()["error"]) == (status, code), response.content
    return response.json()["detail"]


class TestLive:
    def test_it_says_one_word_and_asks_nobody(self, client):
        # No database is allowed here.
        response = ask(client, "live", headers={})
        assert (response.status_code, response.content) == (200, b"live")
        assert response["Content-Type"] == "text/plain; charset=utf-8"


class TestReady:
    @in_test_case
    def test_a_process_that_can_serve_says_so(self, client):
        response = ask(client, "ready", headers={})
        assert (response.status_code, response.content) == (200, b"ready")

    @pytest.mark.parametrize("reason", [Word.STOPPING, Word.UNREACHABLE, Word.UNMIGRATED])
    def test_one_that_cannot_says_why_in_a_word(self, client, word, reason):
        word(reason)
        response = ask(client, "ready", headers={})
        assert (response.status_code, response.content) == (503, reason.encode())

    @in_test_case
    def test_what_others_share_counts_for_nothing(self, client, standing):
        standing(Level.CRITICAL)
        assert ask(client, "ready", headers={}).status_code == 200


class TestWhoMayRead:
    def test_nobody_is_told_how_to_come_in(self, client):
        response = ask(client, headers={})
        assert "API_TOKENS" in refused(response, 401, "not_authenticated")
        assert response["WWW-Authenticate"] == 'Bearer realm="clean_timestamps"'

    @pytest.mark.parametrize("value", ["Bearer wrong", "Bearer ", "Bearer feed", "Bearer r\u00efght"])
    def test_a_bad_token_is_refused(self, client, value):
        refused(ask(client, headers={"Authorization": value}), 401, "bad_token")

    @pytest.mark.parametrize("value", ["Bearer ", "Bearer None", "Bearer []"])
    def test_without_tokens_none_is_right(self, client, settings, value):
        settings.CLEAN_TIMESTAMPS = {}
        refused(ask(client, headers={"Authorization": value}), 401, "bad_token")

    @pytest.mark.parametrize("value", ["Bearer right", "bearer other"])
    def test_each_token_opens_it(self, client, standing, value):
        standing(Level.OK)
        assert ask(client, headers={"Authorization": value}).status_code == 200

    @in_test_case
    def test_a_user_needs_the_permission(self, client, standing):
        standing(Level.OK)
        user = User.objects.create_user("anna")
        client.force_login(user)
        assert "view_metrics" in refused(ask(client, headers={}), 403, "not_permitted")
        user.user_permissions.add(Permission.objects.get(codename="view_metrics"))
        assert ask(client, headers={}).status_code == 200
        User.objects.update(is_active=False)
        refused(ask(client, headers={}), 401, "not_authenticated")

    @in_test_case
    def test_a_wrong_token_counts_although_somebody_is_logged_in(self, client):
        client.force_login(User.objects.create_superuser("root"))
        refused(ask(client, headers={"Authorization": "Bearer wrong"}), 401, "bad_token")

    @in_test_case
    def test_users_that_cannot_be_read_are_no_fault_of_the_request(self, client, monkeypatch):
        client.force_login(User.objects.create_user("anna"))

        def fail(self, permission):
            raise OperationalError("gone")

        monkeypatch.setattr(User, "has_perm", fail)
        refused(ask(client, headers={}), 503, "users_unavailable")

    def test_a_project_without_users_has_tokens(self, client, settings, standing):
        standing(Level.OK)
        settings.MIDDLEWARE = []
        refused(ask(client, headers={}), 401, "not_authenticated")
        assert ask(client).status_code == 200

    def test_settings_that_cannot_be_used_are_told_of_without_their_text(self, client, settings):
        settings.CLEAN_TIMESTAMPS = {"API_TOKENS": ["right"], "ALERTS": {"secret": {}}}
        detail = refused(ask(client), 503, "bad_settings")
        assert "'manage.py check'" in detail
        assert "secret" not in detail

    def test_tokens_that_cannot_be_used_open_nothing(self, settings):
        settings.CLEAN_TIMESTAMPS = {"API_TOKENS": "right"}
        response = views.health(RequestFactory().get("/", headers=TOKEN))
        assert (response.status_code, json.loads(response.content)["error"]) == (503, "bad_settings")


class TestHealth:
    @pytest.mark.parametrize(
        ("level", "status"), [(Level.OK, 200), (Level.WARNING, 200), (Level.UNKNOWN, 503), (Level.CRITICAL, 503)]
    )
    def test_the_status_is_that_of_the_worst(self, client, standing, level, status):
        standing(level, detail="password of anna")
        response = ask(client)
        assert (response.status_code, response.json()["level"]) == (status, level)
        assert b"anna" not in response.content

    @in_test_case
    def test_every_check_is_there_in_english(self, client):
        with translation.override("de"):
            content = ask(client, headers={**TOKEN, "Accept-Language": "de"}).json()
        assert {"level", "checked_at", "evaluation_age_seconds", "checks"} == content.keys()
        assert {check["name"] for check in content["checks"]} >= {
            "database",
            "log",
            "sequencer",
            "collector",
            "delivery",
        }
        assert all(check["checked_at"].endswith("+00:00") for check in content["checks"])

    @in_test_case
    def test_a_database_that_is_down_is_an_answer(self, client, monkeypatch):
        def ask_all(aliases, work):
            return {alias: Answer(error=OperationalError("user anna")) for alias in aliases}

        monkeypatch.setattr(reading, "ASKER", SimpleNamespace(ask_all=ask_all))
        response = ask(client)
        assert (response.status_code, response.json()["level"]) == (503, "critical")
        assert "anna" not in json.dumps(response.json())


class TestAround:
    @pytest.mark.parametrize("name", NAMES)
    def test_no_cache_keeps_an_answer(self, client, standing, word, name):
        standing(Level.OK)
        word(Word.READY)
        assert "no-store" in ask(client, name)["Cache-Control"]

    @pytest.mark.parametrize("name", NAMES)
    def test_head_is_answered_without_a_body(self, client, standing, word, name):
        standing(Level.OK)
        word(Word.READY)
        response = client.head(reverse(f"clean_timestamps:{name}"), headers=TOKEN)
        assert (response.status_code, response.content) == (200, b"")

    @pytest.mark.parametrize("name", NAMES)
    @pytest.mark.parametrize("method", ["post", "put", "patch", "delete", "options"])
    def test_other_methods_are_refused_without_a_csrf_token_too(self, name, method):
        response = getattr(Client(enforce_csrf_checks=True), method)(reverse(f"clean_timestamps:{name}"))
        refused(response, 405, "method_not_allowed")
        assert response["Allow"] == "GET, HEAD"

    @pytest.mark.parametrize("name", NAMES)
    def test_a_site_that_wants_a_login_everywhere_lets_them_through(self, client, settings, standing, word, name):
        standing(Level.OK)
        word(Word.READY)
        settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.contrib.auth.middleware.LoginRequiredMiddleware"]
        headers = TOKEN if name == "health" else {}
        assert ask(client, name, headers=headers).status_code == 200

    @pytest.mark.parametrize("name", NAMES)
    def test_no_request_begins_a_transaction_on_any_database(self, name):
        assert getattr(views, name)._non_atomic_requests == set(connections)

    def test_it_begins_none_under_atomic_requests(self, committing, client, monkeypatch):  # noqa: F811 - the fixture
        seen = []
        monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
        monkeypatch.setattr(
            views, "READINESS", SimpleNamespace(ask=lambda: seen.append(connection.in_atomic_block) or Word.READY)
        )
        assert ask(client, "ready").status_code == 200
        assert seen == [False]

    @pytest.mark.parametrize("name", ["live", "ready"])
    def test_a_probe_that_speaks_plain_http_can_be_let_through(self, settings, word, name):
        word(Word.READY)
        settings.SECURE_SSL_REDIRECT = True
        assert ask(Client(), name).status_code == 301
        settings.SECURE_REDIRECT_EXEMPT = [r"^timestamps/(live|ready)$"]
        assert ask(Client(), name).status_code == 200

    def test_a_probe_must_name_a_host_that_is_allowed(self, client, settings):
        settings.ALLOWED_HOSTS = ["example.com"]
        # Without DEBUG Django asks for the host where a middleware needs it, as CommonMiddleware does.
        assert ask(client, "live", headers={"Host": "10.0.0.7"}).status_code == 400
        assert ask(client, "live", headers={"Host": "example.com"}).status_code == 200
