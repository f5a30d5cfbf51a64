import json
from datetime import timedelta
from uuid import UUID

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.db import connections
from django.urls import resolve, reverse
from django.utils import timezone

from django_clean_timestamps.admin.databases import key_of
from django_clean_timestamps.admin.parked import ParkedEventAdmin
from django_clean_timestamps.delivery.models import ParkedEvent
from django_clean_timestamps.eventlog.models import Event
from django_clean_timestamps.events import TimestampCreatedEvent, TimestampDeletedEvent
from tests.admin.deliveries import add_handler, allow, listed, park, positions, subscription, table, told, url
from tests.admin.log import place
from tests.admin.site import bare_site, site
from tests.eventlog.log import statements
from tests.testapp.models import Note

pytestmark = pytest.mark.django_db(databases=["default", "other"])


def page_of(client, row, key=None):
    return client.get(url(ParkedEvent, "change", key or row.pk))


@pytest.fixture
def note_viewer(note_client):
    """Return a client of a user who may view parked events and notes, and nothing else."""
    allow(note_client.user, "view_parkedevent")
    return note_client


# Who may see what.


def test_the_parked_events_stand_on_the_index_to_look_at(admin_client):
    page = admin_client.get(reverse("timestamps:index")).content.decode()
    assert f'href="{url(ParkedEvent)}"' in page
    assert url(ParkedEvent, "add") not in page


@pytest.mark.parametrize("codename", ["view_subscription", "manage_deliveries", "view_note"])
def test_without_the_permission_to_view_they_are_closed(client, codename):
    row = park(1)
    user = User.objects.create_user("bob", is_staff=True)
    allow(user, codename)
    client.force_login(user)
    assert client.get(url(ParkedEvent)).status_code == 403
    assert page_of(client, row).status_code == 403


def test_a_superuser_sees_those_of_gone_models_too(admin_client):
    park(1, "gone.model:1")
    park(2)
    assert positions(admin_client) == [2, 1]


def test_a_user_sees_those_of_the_models_that_may_be_viewed(note_viewer):
    shown, hidden = park(1), park(2, "testapp.project:1", last_error="secret")
    park(3, "gone.model:1")
    response, _ = listed(note_viewer, ParkedEvent)
    assert positions(note_viewer) == [1]
    assert "secret" not in response.content.decode()
    assert "1 parked event" in response.content.decode()
    assert page_of(note_viewer, shown).status_code == 200
    assert "not yours to see" in told(page_of(note_viewer, hidden), note_viewer)[0][1]
    assert note_viewer.get(url(ParkedEvent, "history", hidden.pk)).status_code == 302


@pytest.mark.parametrize("asked", [{"q": "testapp.project:1"}, {"q": "2"}, {"q": "mail"}, {"handler": "shop.mail"}])
def test_a_search_finds_nothing_that_may_not_be_viewed(note_viewer, asked):
    add_handler()
    park(2, "testapp.project:1")
    assert positions(note_viewer, **asked) == []


def test_who_may_view_no_model_sees_none(client):
    park(1)
    user = User.objects.create_user("bob", is_staff=True)
    allow(user, "view_parkedevent")
    client.force_login(user)
    assert positions(client) == []


@pytest.mark.parametrize("page", ["add", "change", "delete"])
def test_nothing_can_be_edited(admin_client, page):
    row = park(1)
    target = url(ParkedEvent, page, *([] if page == "add" else [row.pk]))
    assert admin_client.post(target, {"state": "dead", "post": "yes"}).status_code == 403
    assert ParkedEvent.objects.get().state == "retry"


# What is shown.


def test_a_row_tells_what_failed_and_why(admin_client):
    add_handler()
    row = park(7, attempts=2, last_error="ConnectionError: <refused>\nand more")
    response, _ = listed(admin_client, ParkedEvent)
    text = table(response)
    assert text.startswith("7 ↻ to be retried 2 attempts failed next ")
    assert text.endswith("shop.mail updated testapp.note:1 ConnectionError: &lt;refused&gt;")
    page = response.content.decode()
    assert f'<a href="{url(ParkedEvent, "change", row.pk)}">7</a>' in page
    assert '<a href="/admin/testapp/note/1/change/">testapp.note:1</a>' in page


@pytest.mark.parametrize(
    ("state", "shown"),
    [
        ("retry", "↻ to be retried next"),
        ("waiting", "‖ waiting shop.mail"),
        ("dead", "✗ dead shop.mail"),
        ("skipped", "↷ skipped shop.mail"),
        ("newer", "? newer shop.mail"),
    ],
)
def test_a_state_is_a_sign_and_a_word(admin_client, state, shown):
    park(1, state=state)
    assert shown in table(listed(admin_client, ParkedEvent)[0])


@pytest.mark.parametrize(("kind", "word"), [(TimestampCreatedEvent, "created"), (TimestampDeletedEvent, "deleted")])
def test_what_happened_is_told_in_a_word(admin_client, kind, word):
    park(1, kind=kind)
    assert f"{word} testapp.note:1" in table(listed(admin_client, ParkedEvent)[0])


def test_an_event_of_a_newer_release_is_shown_as_it_is(admin_client):
    row = park(1)
    ParkedEvent.objects.update(event=row.event | {"event_type": "timestamp_archived"})
    assert "unknown testapp.note:1" in table(listed(admin_client, ParkedEvent)[0])


def test_a_deleted_row_is_no_link(admin_client):
    park(1, kind=TimestampDeletedEvent)
    assert "/testapp/note/1/" not in listed(admin_client, ParkedEvent)[0].content.decode()


def test_a_long_error_is_shown_by_its_beginning(admin_client):
    row = park(1, last_error="x" * 500)
    assert "x" * 159 + "…" in table(listed(admin_client, ParkedEvent)[0])
    assert "x" * 500 in table(page_of(admin_client, row))


def test_a_handler_that_is_gone_from_the_code_is_marked(admin_client):
    add_handler("shop.here")
    park(1, handler="shop.here")
    park(2)
    gone, here = listed(admin_client, ParkedEvent)[1]
    assert (here.gone, str(gone.gone.word)) == (None, "gone from the code")


def test_the_newest_come_first_and_in_pages(admin_client):
    for position in range(1, 53):
        park(position)
    assert positions(admin_client) == list(range(52, 2, -1))
    assert positions(admin_client, p="2") == [2, 1]


def test_without_any_the_page_says_so(admin_client):
    assert "No parked events." in listed(admin_client, ParkedEvent)[0].content.decode()


def test_the_pages_have_no_inline_style_or_script(admin_client):
    row = park(1)
    for page in (listed(admin_client, ParkedEvent)[0].content.decode(), page_of(admin_client, row).content.decode()):
        assert "style=" not in page
        assert "<style" not in page
        assert "<script>" not in page
        assert "onclick" not in page
        assert "clean_timestamps/admin.css" in page


def test_what_an_event_says_is_escaped(admin_client):
    row = park(1, "testapp.note:<b>", handler="<i>", last_error="<script>alert(1)</script>")
    for page in (listed(admin_client, ParkedEvent)[0].content.decode(), page_of(admin_client, row).content.decode()):
        for tag in ("<b>", "<i>", "<script>alert"):
            assert tag not in page


# Finding one.


@pytest.fixture
def mixed(admin_client):
    """Parked events of a handler in the code and of one that is gone."""
    add_handler("shop.mail")
    subscription("shop.Index:v2")
    park(1)
    park(2, "testapp.note:1 ", state="dead")
    park(4, "testapp.note:A")
    park(5, "testapp.note:a")
    park(3, "testapp.animal:1", "shop.Index:v2")
    park(30, "testapp.note:2", "shop.Index:v2", state="skipped")
    return admin_client


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("testapp.note:1", [1]),
        (" testapp.Note:1", [1]),
        ("testapp.note:1 ", [2]),
        ("testapp.dog:1", [3]),
        ("testapp.note:A", [4]),
        ("testapp.note:7", []),
        ("nonsense:1", []),
        ("auth.user:1", []),
        ("3", [3]),
        (" 30 ", [30]),
        ("9" * 30, []),
        (str(UUID(int=2)), [2]),
        (str(UUID(int=7)), []),
        ("mail", [1, 2, 4, 5]),
        ("INDEX", [3, 30]),
        ("index:v2", [3, 30]),
        ("nothing", []),
        ("", [1, 2, 3, 4, 5, 30]),
        ("  ", [1, 2, 3, 4, 5, 30]),
    ],
)
def test_a_search_finds(mixed, text, found):
    assert sorted(positions(mixed, q=text)) == found


def test_they_are_filtered_by_state_and_by_handler(mixed):
    response, _ = listed(mixed, ParkedEvent)
    assert sorted(positions(mixed, handler="shop.Index:v2")) == [3, 30]
    assert positions(mixed, handler="shop.Index:v2", state__exact="skipped") == [30]
    assert "?handler=shop.Index%3Av2" in response.content.decode()


def test_the_handlers_to_choose_from_are_those_of_the_code_and_of_the_subscriptions(admin_client):
    add_handler("shop.mail")
    subscription("shop.gone")
    subscription("shop.elsewhere", using="other")
    page = listed(admin_client, ParkedEvent)[0].content.decode()
    assert "?handler=shop.mail" in page
    assert "?handler=shop.gone" in page
    assert "shop.elsewhere" not in page


# Databases.


def test_a_list_is_that_of_one_database(admin_client):
    park(1)
    park(2, using="other")
    assert positions(admin_client) == [1]
    assert positions(admin_client, database="other") == [2]


def test_a_page_is_that_of_a_row_of_a_database(admin_client):
    row = park(1, using="other")
    assert "Database other" in table(page_of(admin_client, row, key_of(row.pk, "other")))
    response = page_of(admin_client, row)
    assert response.url == f"{url(ParkedEvent)}?database=default"
    assert "not parked any more" in told(response, admin_client)[0][1]


# One parked event.


def test_a_page_tells_the_whole_event_and_the_whole_error(manager_client):
    add_handler(max_attempts=3)
    error = "Skipped, because it is old\nConnectionError: refused"
    row = park(7, "testapp.note:née", attempts=2, last_error=error, available_at=timezone.now() + timedelta(hours=1))
    response = page_of(manager_client, row)
    text = table(response)
    for part in (
        "State ↻ to be retried Handler shop.mail Entity testapp.note:née What updated Database default Log default",
        "Position 7 Attempts 2 of 3 Next attempt",
        "Error Skipped, because it is old ConnectionError: refused Event {",
    ):
        assert part in text
    shown = response.context["row"].event_text
    assert json.loads(shown) == row.event
    assert "née" in shown


def test_a_page_leaves_out_what_there_is_not(manager_client):
    text = table(page_of(manager_client, park(1, state="dead", attempts=4)))
    assert "gone from the code" in text
    assert "Attempts 4 " in text
    assert "Next attempt" not in text
    assert "Error –" in text


def test_a_page_leads_to_what_else_is_parked_of_the_entity(admin_client):
    add_handler()
    row = park(1)
    park(2)
    park(3, "testapp.note:2")
    found = admin_client.get(page_of(admin_client, row).context["entity_list_url"]).context["cl"].rows
    assert [each.parked.position for each in found] == [2, 1]


def test_a_page_leads_to_the_event_in_the_log(admin_client):
    place(7)
    row = park(7)
    assert admin_client.get(page_of(admin_client, row).context["event_url"]).status_code == 200


def test_an_event_that_was_pruned_is_no_link(admin_client):
    assert page_of(admin_client, park(7)).context["event_url"] is None


def test_an_event_of_a_database_that_is_gone_is_no_link(admin_client):
    assert page_of(admin_client, park(7, log_alias="gone")).context["event_url"] is None


def test_who_may_not_view_the_log_is_not_led_there(client):
    place(7)
    row = park(7)
    user = User.objects.create_user("bob", is_staff=True)
    allow(user, "view_parkedevent", "view_note")
    client.force_login(user)
    assert page_of(client, row).context["event_url"] is None


def test_an_event_admin_of_the_project_is_not_led_to(admin_client, monkeypatch):
    place(7)
    row = park(7)
    monkeypatch.setitem(site._registry, Event, admin.ModelAdmin(Event, site))
    assert page_of(admin_client, row).context["event_url"] is None


def test_a_site_without_the_log_has_no_link_there(admin_client):
    place(7)
    row = park(7)
    assert ParkedEventAdmin(ParkedEvent, bare_site)._event_url(request_of(admin_client), row) is None


def request_of(client):
    request = client.get(url(ParkedEvent)).wsgi_request
    request.user = client.user
    return request


@pytest.mark.parametrize(
    ("state", "buttons"),
    [
        ("retry", ["retry_now", "retry_from_here", "skip"]),
        ("dead", ["retry_now", "retry_from_here", "skip"]),
        ("waiting", ["retry_from_here", "skip"]),
        ("skipped", ["retry_from_here"]),
    ],
)
def test_a_page_has_the_buttons_that_do_something(manager_client, state, buttons):
    page = page_of(manager_client, park(1, state=state)).content.decode()
    assert [name for name in ("retry_now", "retry_from_here", "skip") if f'value="{name}"' in page] == buttons


def test_who_may_only_view_has_no_buttons(viewer_client):
    page = page_of(viewer_client, park(1)).content.decode()
    assert "timestamp-action" not in page
    assert "action-select" not in listed(viewer_client, ParkedEvent)[0].content.decode()


# What it costs.


def test_the_list_costs_the_same_however_many_there_are(admin_client):
    add_handler()
    Note.objects.create()

    def cost(**asked):
        with statements() as found:
            listed(admin_client, ParkedEvent, **asked)
        return len(found)

    park(1)
    cost()
    # The session and its user; the handlers to choose from; how many there are and which.
    assert cost() == 5
    for position in range(2, 40):
        park(position, f"testapp.note:{position}")
    assert cost() == 5
    assert cost(q="testapp.note:7") == 6


def test_actions_run_outside_of_a_requests_transaction():
    view = resolve("/admin/clean_timestamps/parkedevent/", "tests.admin.site").func
    assert view._non_atomic_requests == set(connections)


def test_the_admins_checks_find_nothing_wrong():
    assert ParkedEventAdmin(ParkedEvent, site).check() == []
