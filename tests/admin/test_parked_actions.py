import logging

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from django_clean_timestamps.admin import parked_actions
from django_clean_timestamps.delivery.models import ParkedEvent
from django_clean_timestamps.eventlog.models import LogHead
from tests.admin.deliveries import act, add_handler, allow, logged, park, states, subscription, told, url
from tests.admin.log import place

pytestmark = pytest.mark.django_db(databases=["default", "other"])


def skip(client, *rows, reason="the order was cancelled", query="", **data):
    return act(client, ParkedEvent, "skip", *rows, query=query, post="yes", timestamp_reason=reason, **data)


def errors():
    return dict(ParkedEvent.objects.values_list("position", "last_error"))


def is_due(position, using="default"):
    return ParkedEvent.objects.using(using).get(position=position).available_at <= timezone.now()


# Retry now.


def test_retried_events_are_due_at_once_in_order_and_logged(manager_client, rung):
    first, second = park(1, state="dead", attempts=10), park(2, state="dead", attempts=10)
    other = park(3, "testapp.note:2", "shop.index", log_alias="other", attempts=4)
    response = act(manager_client, ParkedEvent, "retry_now", second, first, other)
    assert told(response, manager_client) == [("success", "3 parked events are retried.")]
    assert states() == {1: "retry", 2: "waiting", 3: "retry"}
    assert (is_due(1), is_due(3)) == (True, True)
    assert dict(ParkedEvent.objects.values_list("position", "attempts")) == {1: 0, 2: 0, 3: 4}
    assert sorted(logged()) == sorted(
        [
            (str(first.pk), "#1 testapp.note:1 for shop.mail", "Retried"),
            (str(second.pk), "#2 testapp.note:1 for shop.mail", "Retried"),
            (str(other.pk), "#3 testapp.note:2 for shop.index", "Retried"),
        ]
    )
    assert rung == ["default", "other"]


def test_what_only_waits_or_was_skipped_is_left_out_and_that_is_said(manager_client, rung):
    rows = [park(1), park(2, state="waiting"), park(3, "testapp.note:2", state="skipped")]
    response = act(manager_client, ParkedEvent, "retry_now", *rows)
    assert told(response, manager_client) == [
        ("success", "1 parked event is retried. 2 were left out: they wait behind others, or were skipped.")
    ]
    assert states() == {1: "retry", 2: "waiting", 3: "skipped"}
    assert len(logged()) == 1


def test_where_there_is_nothing_to_retry_that_is_said(manager_client, rung):
    response = act(manager_client, ParkedEvent, "retry_now", park(1, state="skipped"))
    assert told(response, manager_client) == [
        ("warning", "0 parked events are retried. 1 was left out: it waits behind another, or was skipped.")
    ]
    assert rung == []


def test_all_that_a_filter_shows_can_be_retried_over_its_pages(manager_client, monkeypatch):
    monkeypatch.setattr(parked_actions, "_ROWS_A_STEP", 20)
    rows = [park(position, f"testapp.note:{position}", state="dead") for position in range(1, 56)]
    park(60, "testapp.note:60")
    response = act(manager_client, ParkedEvent, "retry_now", rows[0], query="?state__exact=dead", select_across=1)
    assert told(response, manager_client) == [("success", "55 parked events are retried.")]
    assert set(states().values()) == {"retry"}
    assert not is_due(60)
    assert len(logged()) == 55


def test_more_events_than_a_request_can_retry_are_retried_by_the_next_ones(manager_client, rung, monkeypatch):
    monkeypatch.setattr(parked_actions, "ROWS_AT_MOST", 2)
    rows = [park(position, f"testapp.note:{position}") for position in range(1, 6)]
    for message in (
        "2 parked events are retried. 3 more are to be done: they were too many for one request.",
        "2 parked events are retried. 3 more are to be done: they were too many for one request.",
        "2 parked events are retried. 3 more are to be done: they were too many for one request.",
    ):
        response = act(manager_client, ParkedEvent, "retry_now", *rows)
        assert told(response, manager_client) == [("warning", message)]
    assert all(is_due(position) for position in range(1, 6))


def test_events_are_retried_in_the_database_that_is_shown(manager_client, rung):
    park(1, state="dead")
    row = park(1, using="other", state="dead")
    act(manager_client, ParkedEvent, "retry_now", row, query="?database=other")
    assert (states(), states("other")) == ({1: "dead"}, {1: "retry"})
    ((key, _, _),) = logged()
    assert key == f"other:{row.pk}"
    assert rung == ["default"]


# Skip.


def test_skipping_asks_for_a_reason_first(manager_client, rung):
    rows = [park(position, f"testapp.note:{position}") for position in range(1, 13)]
    response = act(manager_client, ParkedEvent, "skip", *rows, index=0)
    page = response.content.decode()
    assert response.status_code == 200
    assert "<strong>12</strong> parked events will be given up" in page
    assert "#1 testapp.note:1 for shop.mail" in page
    assert "and 2 more" in page
    assert 'name="timestamp_reason"' in page
    assert "csrfmiddlewaretoken" in page
    assert "style=" not in page
    assert set(states().values()) == {"retry"}
    assert rung == []


def test_skipped_events_are_given_up_for_the_reason_and_logged(manager_client, rung, caplog):
    caplog.set_level(logging.INFO)
    row = park(1, last_error="ConnectionError: refused", state="dead")
    response = skip(manager_client, row)
    assert told(response, manager_client) == [("success", "1 parked event was skipped.")]
    assert states() == {1: "skipped"}
    assert errors() == {1: "Skipped, because the order was cancelled\nConnectionError: refused"}
    assert logged() == [(str(row.pk), "#1 testapp.note:1 for shop.mail", "Skipped, because the order was cancelled")]
    assert "event 1 was skipped, because the order was cancelled" in caplog.text
    assert rung == ["default"]


def test_more_events_than_a_request_can_skip_are_skipped_by_the_next_one(manager_client, rung, monkeypatch):
    monkeypatch.setattr(parked_actions, "ROWS_AT_MOST", 2)
    rows = [park(position, f"testapp.note:{position}") for position in range(1, 4)]
    assert told(skip(manager_client, *rows), manager_client) == [
        ("warning", "2 parked events were skipped. 1 more is to be done: it was one too many for one request.")
    ]
    assert "1 parked event was skipped. 2 were left out" in told(skip(manager_client, *rows), manager_client)[0][1]
    assert set(states().values()) == {"skipped"}


def test_what_waits_behind_a_skipped_event_goes_on(manager_client, rung):
    first = park(1)
    park(2, state="waiting")
    skip(manager_client, first)
    assert states() == {1: "skipped", 2: "retry"}
    assert is_due(2)


def test_what_was_skipped_before_keeps_its_reason(manager_client, rung):
    rows = [park(1, state="skipped", last_error="Skipped, because of me"), park(2, "testapp.note:2")]
    response = skip(manager_client, *rows)
    assert "1 parked event was skipped. 1 was left out" in told(response, manager_client)[0][1]
    assert errors()[1] == "Skipped, because of me"


@pytest.mark.parametrize(
    ("reason", "error"),
    [("", "This field is required."), ("   ", "This field is required."), ("x" * 201, "at most 200 characters")],
)
def test_a_reason_is_required_and_fits(manager_client, reason, error):
    response = skip(manager_client, park(1), reason=reason)
    assert error in response.content.decode()
    assert states() == {1: "retry"}


def test_a_reason_is_escaped(manager_client):
    row = park(1)
    skip(manager_client, row, reason="<script>alert(1)</script>")
    for page in ("change", "history"):
        content = manager_client.get(url(ParkedEvent, page, row.pk)).content.decode()
        assert "&lt;script&gt;alert(1)" in content
        assert "<script>alert" not in content


def test_the_page_of_an_event_skips_it_with_a_reason(manager_client, settings):
    settings.USE_THOUSAND_SEPARATOR = True
    row = park(1, pk=12345)
    page = manager_client.get(url(ParkedEvent, "change", row.pk))
    assert page.content.decode().count('name="_selected_action" value="12345"') == 2
    assert 'name="timestamp_reason" class="vTextField" maxlength="200" required' in page.content.decode()
    assert 'value="12345" class="action-select"' in manager_client.get(page.context["list_url"]).content.decode()
    response = manager_client.post(
        page.context["list_url"],
        {"_selected_action": row.pk, "post": "yes", "action": "skip", "timestamp_reason": "old"},
    )
    assert told(response, manager_client) == [("success", "1 parked event was skipped.")]


# Retry from here.


@pytest.fixture
def story(manager_client):
    """An entity with the events 1 to 4, of which the second is dead and the others were heard."""
    add_handler()
    place(*range(1, 5))
    LogHead.objects.update_or_create(defaults={"position": 4})
    subscription(cursor=4)
    return park(2, state="dead", attempts=10)


def test_retried_from_here_the_later_events_of_the_entity_are_handed_over_anew(manager_client, story, rung):
    response = act(manager_client, ParkedEvent, "retry_from_here", story)
    assert told(response, manager_client) == [("success", "3 events are handed over anew, in order.")]
    assert states() == {2: "retry", 3: "waiting", 4: "waiting"}
    assert is_due(2)
    anew = ParkedEvent.objects.get(position=2)
    assert logged() == [(str(anew.pk), "#2 testapp.note:1 for shop.mail", "Retried from here: 3 events")]
    assert rung == ["default"]


def test_of_an_entity_the_first_selected_event_counts(manager_client, story, rung):
    later = park(3, state="dead")
    response = act(manager_client, ParkedEvent, "retry_from_here", later, story)
    assert told(response, manager_client) == [("success", "3 events are handed over anew, in order.")]
    assert len(logged()) == 1


def test_an_event_that_the_log_has_no_more_is_logged_where_it_was(manager_client, story, rung):
    row = park(9, "testapp.note:9", state="dead")
    response = act(manager_client, ParkedEvent, "retry_from_here", row)
    assert told(response, manager_client) == [("success", "0 events are handed over anew, in order.")]
    assert logged() == [(str(row.pk), "#9 testapp.note:9 for shop.mail", "Retried from here: 0 events")]


def test_what_cannot_be_done_is_told_and_ends_it(manager_client, story, rung):
    orphan, after = park(3, handler="shop.gone", state="dead"), park(5, "testapp.note:5", state="dead")
    response = act(manager_client, ParkedEvent, "retry_from_here", story, orphan, after)
    assert told(response, manager_client) == [
        (
            "error",
            "#3 testapp.note:1 for shop.gone: There is no handler 'shop.gone' in the code; nothing was changed",
        ),
        ("success", "3 events are handed over anew, in order."),
    ]
    after.refresh_from_db()
    assert after.state == "dead"
    assert len(logged()) == 1
    assert rung == ["default"]


def test_a_paused_handler_cannot_retry_from_here(manager_client, story, rung):
    subscription("shop.index", state="paused")
    add_handler("shop.index")
    row = park(1, handler="shop.index", state="dead")
    response = act(manager_client, ParkedEvent, "retry_from_here", row)
    ((level, text),) = told(response, manager_client)
    assert (level, text.partition(": ")[2]) == (
        "error",
        "'shop.index' is paused; resume it first. Nothing was changed",
    )
    assert (logged(), rung) == ([], [])
    assert states()[1] == "dead"


def test_more_entities_than_a_request_can_wait_for_are_refused(manager_client, story, rung, monkeypatch):
    monkeypatch.setattr(parked_actions, "RETRY_FROM_AT_MOST", 1)
    other = park(3, "testapp.note:2", state="dead")
    response = act(manager_client, ParkedEvent, "retry_from_here", story, other)
    assert told(response, manager_client) == [
        ("error", "At most 1 entities can be retried from an event on at once; these are 2.")
    ]
    assert states() == {2: "dead", 3: "dead"}


# Who may.


@pytest.mark.parametrize("action", ["retry_now", "retry_from_here", "skip"])
def test_who_may_only_view_can_do_nothing(viewer_client, rung, action):
    row = park(1, state="dead")
    act(viewer_client, ParkedEvent, action, row, post="yes", timestamp_reason="forged")
    assert states() == {1: "dead"}
    assert (logged(), rung) == ([], [])


def test_who_may_manage_does_so_to_what_he_may_view(client, rung):
    user = User.objects.create_user("bob", is_staff=True)
    allow(user, "view_parkedevent", "manage_deliveries", "view_note")
    client.force_login(user)
    seen, hidden = park(1, state="dead"), park(2, "testapp.project:1", state="dead")
    act(client, ParkedEvent, "retry_now", seen, hidden)
    assert states() == {1: "retry", 2: "dead"}
    skip(client, seen, select_across=1)
    assert states() == {1: "skipped", 2: "dead"}


@pytest.mark.parametrize("action", ["retry_now", "retry_from_here", "skip"])
def test_an_action_from_elsewhere_is_refused(manager_client, action):
    client = Client(enforce_csrf_checks=True)
    client.force_login(manager_client.user)
    assert act(client, ParkedEvent, action, park(1)).status_code == 403
