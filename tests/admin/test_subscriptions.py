from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connections
from django.test import Client
from django.urls import resolve, reverse
from django.utils import timezone

from django_clean_timestamps.admin.databases import delivery_databases, key_of
from django_clean_timestamps.admin.subscriptions import SubscriptionAdmin
from django_clean_timestamps.delivery.models import Subscription
from django_clean_timestamps.eventlog.models import Event, LogHead
from tests.admin.deliveries import (
    act,
    add_handler,
    allow,
    handlers,
    listed,
    logged,
    park,
    subscription,
    table,
    told,
    url,
)
from tests.admin.log import place
from tests.admin.site import site
from tests.eventlog.log import statements

pytestmark = pytest.mark.django_db(databases=["default", "other"])


@pytest.fixture
def one_database(monkeypatch):
    """Let the project have one database only."""
    monkeypatch.setattr(
        "django_clean_timestamps.admin.databases.router.allow_migrate_model", lambda alias, model: alias == "default"
    )


def page_of(client, row, key=None):
    return client.get(url(Subscription, "change", key or row.pk))


# Who may see what.


def test_the_subscriptions_stand_on_the_index_to_look_at(admin_client):
    page = admin_client.get(reverse("timestamps:index")).content.decode()
    assert f'href="{url(Subscription)}"' in page
    assert url(Subscription, "add") not in page


@pytest.mark.parametrize(("codename", "status"), [("view_subscription", 200), ("view_parkedevent", 403)])
def test_the_permission_to_view_opens_them(client, codename, status):
    row = subscription()
    user = User.objects.create_user("bob", is_staff=True)
    allow(user, codename)
    client.force_login(user)
    assert client.get(url(Subscription)).status_code == status
    assert page_of(client, row).status_code == status


@pytest.mark.parametrize("page", ["add", "change", "delete"])
def test_nothing_can_be_edited(admin_client, page):
    row = subscription(cursor=7)
    target = url(Subscription, page, *([] if page == "add" else [row.pk]))
    assert admin_client.post(target, {"cursor": "0", "post": "yes"}).status_code == 403
    assert Subscription.objects.get().cursor == 7


def test_rows_cannot_be_deleted_from_the_list(admin_client):
    row = subscription()
    page = admin_client.get(url(Subscription)).content.decode()
    assert "delete_selected" not in page
    act(admin_client, Subscription, "delete_selected", row, post="yes")
    assert Subscription.objects.exists()


# What is shown.


def test_a_row_tells_how_a_subscription_stands(admin_client):
    add_handler()
    place(*range(1, 6))
    LogHead.objects.update_or_create(defaults={"position": 5})
    Event.objects.filter(position=4).update(recorded_at=timezone.now() - timedelta(minutes=5, seconds=2))
    subscription(cursor=3)
    text = table(listed(admin_client, Subscription)[0])
    assert text == "shop.mail log default ✓ active 3 2 positions behind for 5 minutes none"


def test_at_the_head_there_is_no_lag(admin_client):
    add_handler()
    subscription()
    assert "0 at the head none" in table(listed(admin_client, Subscription)[0])


def test_a_shard_tells_its_slots(admin_client):
    add_handler()
    subscription(slot_to=127)
    subscription(slot_from=128)
    text = table(listed(admin_client, Subscription)[0])
    assert text.index("slots 0 to 127") < text.index("slots 128 to 255")


@pytest.mark.parametrize(
    ("state", "shown"),
    [("paused", "‖ paused"), ("backing_off", "↻ backing off"), ("newer", "? newer")],
)
def test_a_state_is_a_sign_and_a_word(admin_client, state, shown):
    subscription(state=state)
    assert shown in table(listed(admin_client, Subscription)[0])


def test_an_outage_tells_until_when_and_why(admin_client):
    until = timezone.now() + timedelta(minutes=3)
    subscription(state="backing_off", resume_at=until, failures=21, problem="OSError: <down>")
    response, _ = listed(admin_client, Subscription)
    assert "21 failures in a row OSError: &lt;down&gt;" in table(response)
    assert f'until <time datetime="{until.isoformat()[:19]}' in response.content.decode()


def test_a_handler_that_is_gone_from_the_code_is_marked(admin_client):
    add_handler("shop.here")
    subscription("shop.here")
    subscription("shop.mail")
    here, gone = listed(admin_client, Subscription)[1]
    assert (here.gone, str(gone.gone.word)) == (None, "gone from the code")
    assert "shop.mail ! gone from the code" in table(listed(admin_client, Subscription)[0])


@pytest.mark.parametrize(
    ("minutes", "shown"),
    [(3, "leased to worker:7 until"), (-3, "leased to worker:7, which ended without a word; free from")],
)
def test_a_lease_tells_who_has_it_and_if_he_is_still_there(admin_client, minutes, shown):
    subscription(owner="worker:7", lease_until=timezone.now() + timedelta(minutes=minutes))
    assert shown in table(listed(admin_client, Subscription)[0])


def test_parked_events_are_counted_and_lead_to_their_list(admin_client):
    subscription(slot_to=127)
    subscription(slot_from=128)
    for position, state in enumerate(("dead", "dead", "retry", "waiting", "skipped"), 1):
        park(position, state=state, slot=5)
    park(6, handler="shop.other", slot=5, state="dead")
    response, (first, second) = listed(admin_client, Subscription)
    assert [(str(each.mark.word), each.count) for each in first.parked] == [
        ("dead", 2),
        ("to be retried", 1),
        ("waiting", 1),
    ]
    assert second.parked == ()
    assert "2 ✗ dead 1 ↻ to be retried 1 ‖ waiting" in table(response)
    found = admin_client.get(first.parked[0].url).context["cl"].rows
    assert [row.parked.position for row in found] == [2, 1]


def test_who_may_not_view_parked_events_is_not_led_to_them(client):
    subscription()
    park(1, state="dead")
    user = User.objects.create_user("bob", is_staff=True)
    allow(user, "view_subscription")
    client.force_login(user)
    response, (row,) = listed(client, Subscription)
    assert [(each.count, each.url) for each in row.parked] == [(1, None)]
    assert "1 ✗ dead" in table(response)


def test_a_log_that_is_not_there_any_more_does_not_hide_its_subscriptions(admin_client):
    subscription(log_alias="gone", cursor=3)
    assert "shop.mail ! gone from the code log gone ✓ active 3 the log cannot be read" in table(
        listed(admin_client, Subscription)[0]
    )


def test_without_subscriptions_the_page_says_when_they_come(admin_client):
    page = listed(admin_client, Subscription)[0].content.decode()
    assert "No subscriptions." in page
    assert "first delivered to" in page
    page = listed(admin_client, Subscription, state__exact="paused")[0].content.decode()
    assert "No subscriptions." in page
    assert "first delivered to" not in page


def test_the_pages_have_no_inline_style_or_script(admin_client):
    row = subscription()
    for page in (listed(admin_client, Subscription)[0].content.decode(), page_of(admin_client, row).content.decode()):
        assert "style=" not in page
        assert "<style" not in page
        assert "<script>" not in page
        assert "onclick" not in page
        assert "clean_timestamps/admin.css" in page


def test_what_a_problem_says_is_escaped(admin_client):
    row = subscription(handler="<b>", problem="<script>alert(1)</script>", owner="<i>", lease_until=timezone.now())
    for page in (listed(admin_client, Subscription)[0].content.decode(), page_of(admin_client, row).content.decode()):
        assert "<script>alert" not in page
        assert "<b>" not in page
        assert "<i>" not in page


# Finding one.


def test_they_are_found_by_handler_and_by_state(admin_client):
    subscription("shop.mail")
    subscription("shop.index", state="paused")
    assert handlers(admin_client) == ["shop.index", "shop.mail"]
    assert handlers(admin_client, q="MAIL") == ["shop.mail"]
    assert handlers(admin_client, state__exact="paused") == ["shop.index"]


def test_nothing_is_said_of_more_results_where_nothing_is_left_out(admin_client):
    subscription()
    assert "Show all" not in listed(admin_client, Subscription)[0].content.decode()
    assert "Show all" in listed(admin_client, Subscription, q="mail")[0].content.decode()


# Databases.


def test_a_list_is_that_of_one_database(admin_client):
    subscription("shop.mail")
    subscription("shop.report", using="other")
    response, _ = listed(admin_client, Subscription)
    assert handlers(admin_client) == ["shop.mail"]
    assert handlers(admin_client, database="other") == ["shop.report"]
    assert "?database=other" in response.content.decode()
    assert "By database" in response.content.decode()


def test_with_one_database_nothing_is_asked(admin_client, one_database):
    row = subscription()
    response, _ = listed(admin_client, Subscription)
    assert "database" not in response.content.decode()
    assert ">Database<" not in page_of(admin_client, row).content.decode()


def test_a_database_that_is_not_there_is_no_choice(admin_client):
    response = admin_client.get(url(Subscription), {"database": "nowhere"})
    assert response.url == f"{url(Subscription)}?e=1"


def test_where_the_routers_let_nothing_be_the_rows_are_where_their_model_is(monkeypatch):
    monkeypatch.setattr(
        "django_clean_timestamps.admin.databases.router.allow_migrate_model", lambda alias, model: False
    )
    assert delivery_databases() == ("default",)


@pytest.mark.parametrize("key", ["other:{}", "other:{}x", "nowhere:{}", "{}", "x", "-1", "9" * 30])
def test_a_page_is_that_of_a_row_of_a_database(admin_client, key):
    row = subscription(using="other", cursor=41)
    named = key.format(row.pk)
    response = page_of(admin_client, row, named)
    if named == key_of(row.pk, "other"):
        assert response.status_code == 200
        assert "41" in table(response)
        assert response.context["using"] == "other"
    else:
        assert "not there any more" in told(response, admin_client)[0][1]


# Pausing and resuming.


def test_pausing_stops_all_shards_of_the_handler_and_is_logged(manager_client, rung):
    first, second, other = subscription(slot_to=127), subscription(slot_from=128), subscription("shop.index")
    response = act(manager_client, Subscription, "pause", first)
    assert told(response, manager_client) == [("success", "2 subscriptions were paused.")]
    assert set(Subscription.objects.values_list("handler", "state")) == {
        ("shop.mail", "paused"),
        ("shop.index", "active"),
    }
    assert logged() == [
        (str(first.pk), "shop.mail 0-127 (default)", "Paused"),
        (str(second.pk), "shop.mail 128-255 (default)", "Paused"),
    ]
    assert rung == []
    assert other.state == "active"


def test_resuming_lets_a_handler_go_on_at_once_and_is_logged(manager_client, rung):
    paused = subscription(state="paused")
    backing = subscription("shop.index", log_alias="other", state="backing_off", failures=21, problem="down")
    response = act(manager_client, Subscription, "resume", paused, backing)
    assert told(response, manager_client) == [("success", "2 subscriptions were resumed.")]
    assert set(Subscription.objects.values_list("state", "failures", "problem")) == {("active", 0, "")}
    assert {(key, message) for key, _, message in logged()} == {
        (str(paused.pk), "Resumed"),
        (str(backing.pk), "Resumed"),
    }
    assert rung == ["default", "other"]


@pytest.mark.parametrize(
    ("action", "state", "message"),
    [("pause", "paused", "0 subscriptions were paused."), ("resume", "active", "0 subscriptions were resumed.")],
)
def test_where_there_is_nothing_to_do_that_is_said(manager_client, rung, action, state, message):
    response = act(manager_client, Subscription, action, subscription(state=state))
    assert told(response, manager_client) == [("warning", message)]
    assert logged() == []


def test_one_subscription_is_spoken_of_as_one(manager_client):
    response = act(manager_client, Subscription, "pause", subscription())
    assert told(response, manager_client) == [("success", "1 subscription was paused.")]


def test_a_handler_is_paused_in_the_database_that_is_shown(manager_client):
    subscription()
    row = subscription(using="other")
    response = act(manager_client, Subscription, "pause", row, query="?database=other")
    assert response.url == f"{url(Subscription)}?database=other"
    assert Subscription.objects.get().state == "active"
    assert Subscription.objects.using("other").get().state == "paused"
    ((key, _, _),) = logged()
    assert key == f"other:{row.pk}"


@pytest.mark.parametrize("action", ["pause", "resume"])
def test_who_may_only_view_can_neither_pause_nor_resume(viewer_client, rung, action):
    row = subscription(state="backing_off")
    response, _ = listed(viewer_client, Subscription)
    assert "action-select" not in response.content.decode()
    assert '<button type="submit"' not in table(page_of(viewer_client, row))
    assert "timestamp-action" not in page_of(viewer_client, row).content.decode()
    act(viewer_client, Subscription, action, row)
    row.refresh_from_db()
    assert row.state == "backing_off"
    assert logged() == []
    assert rung == []


def test_an_action_from_elsewhere_is_refused(manager_client):
    row = subscription()
    client = Client(enforce_csrf_checks=True)
    client.force_login(manager_client.user)
    assert act(client, Subscription, "pause", row).status_code == 403


def test_actions_run_outside_of_a_requests_transaction():
    view = resolve("/admin/clean_timestamps/subscription/", "tests.admin.site").func
    assert view._non_atomic_requests == set(connections)


# One subscription.


def test_a_page_tells_everything(manager_client):
    add_handler(shards=2)
    row = subscription(
        slot_to=127,
        start=2,
        cursor=7,
        until=40,
        shards_wanted=4,
        replay_until=9,
        owner="worker:7",
        lease_until=timezone.now() + timedelta(minutes=1),
        running=8,
        state="backing_off",
        resume_at=timezone.now(),
        failures=21,
        problem="OSError: down",
    )
    park(3, slot=5, state="dead")
    text = table(page_of(manager_client, row))
    for part in (
        "Handler shop.mail State ↻ backing off until",
        "Problem OSError: down Database default Log default Slots 0 to 127 Cursor at its start 2 Cursor 7",
        "Replays up to 9 To be divided at 40 into 4 shards Parked 1 ✗ dead Failures in a row 21 Lease leased to worker:7",
        "Runs alone 8",
    ):
        assert part in text


def test_a_page_leaves_out_what_there_is_not(manager_client):
    text = table(page_of(manager_client, subscription()))
    for part in ("Problem", "Replays", "To be divided", "Runs alone"):
        assert part not in text
    assert "gone from the code" in text
    assert "Slots all" in text
    assert "Lease –" in text


@pytest.mark.parametrize(
    ("state", "buttons"), [("active", ["pause"]), ("paused", ["resume"]), ("backing_off", ["pause", "resume"])]
)
def test_a_page_has_the_buttons_that_do_something(manager_client, state, buttons):
    page = page_of(manager_client, subscription(state=state)).content.decode()
    assert [name for name in ("pause", "resume") if f'name="action" value="{name}"' in page] == buttons


@pytest.mark.parametrize("using", ["default", "other"])
def test_a_button_of_a_page_does_it(manager_client, settings, using):
    settings.USE_THOUSAND_SEPARATOR = True
    row = subscription(pk=12345, using=using)
    response = page_of(manager_client, row, key_of(row.pk, using))
    assert 'name="_selected_action" value="12345"' in response.content.decode()
    manager_client.post(response.context["list_url"], {"_selected_action": row.pk, "action": "pause"})
    row.refresh_from_db()
    assert row.state == "paused"
    assert 'value="12345" class="action-select"' in manager_client.get(response.context["list_url"]).content.decode()


@pytest.mark.parametrize("using", ["default", "other"])
def test_the_history_tells_who_did_what(manager_client, using):
    row = subscription(using=using)
    subscription("shop.index")
    act(manager_client, Subscription, "pause", row, query=f"?database={using}")
    key = key_of(row.pk, using)
    response = manager_client.get(page_of(manager_client, row, key).context["history_url"])
    page = response.content.decode()
    assert ">Paused<" in page
    assert "eve" in page
    assert url(Subscription, "change", key.replace(":", "_3A")) in page


def test_the_history_of_one_that_is_gone_leads_away(manager_client):
    assert manager_client.get(url(Subscription, "history", 7)).status_code == 302


# What it costs.


def test_the_list_costs_the_same_however_long_the_log_is(admin_client):
    add_handler()
    subscription(cursor=1)
    subscription("shop.index", cursor=2, owner="worker:7", lease_until=timezone.now())

    def cost():
        with statements() as found:
            listed(admin_client, Subscription)
        return len(found)

    place(*range(1, 11))
    LogHead.objects.update_or_create(defaults={"position": 10})
    cost()
    first = cost()
    place(*range(11, 600))
    LogHead.objects.update(position=599)
    # The session and its user; how many there are and which; five of the log; and the clock that judges the leases.
    assert (first, cost()) == (10, 10)


def test_the_admins_checks_find_nothing_wrong():
    assert SubscriptionAdmin(Subscription, site).check() == []
