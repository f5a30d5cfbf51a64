"""The page of deliveries: how far each handler is, what is parked, and retrying or skipping all of it."""

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test.utils import CaptureQueriesContext

from django_clean_timestamps.admin.charts.line_drawing import draw_lines
from django_clean_timestamps.admin.dashboard import parked_actions
from django_clean_timestamps.delivery.models import ParkedEvent
from django_clean_timestamps.events import TimestampDeletedEvent
from tests.admin.dashboard.figures import chart_data, file_url, lines_of, process, roll_up, sample, text_of, url
from tests.admin.deliveries import park, states

pytestmark = pytest.mark.django_db(databases=["default", "other"])

State = ParkedEvent.State
DEAD = {"database": "default", "handler": "shop.mail", "state": "dead"}


@pytest.fixture
def manager_client(log_in):
    """Return the client of a user who may manage deliveries, of notes alone."""
    return log_in("view_metrics", "manage_deliveries", "view_parkedevent", "view_note", "view_subscription")


@pytest.fixture
def parked(figures):
    for position in (5, 6, 7):
        park(position, f"testapp.note:{position}", state=State.DEAD, last_error="refused <b>\nat line 3")
    park(8, "testapp.note:8")
    park(9, "testapp.note:5", state=State.WAITING)
    park(10, "testapp.task:1", state=State.DEAD, last_error="secret")
    park(11, "testapp.note:9", state=State.SKIPPED)


def message(response):
    return [str(each) for each in response.context["messages"]]


def drawn_lines(chart):
    return draw_lines(chart).lines


def test_each_log_and_subscription_is_shown_as_it_stands(metrics_client, figures):
    sample(handler="shop.again", state="replaying")
    sample(handler="shop.gone", state="orphan", oldest=None)
    response = metrics_client.get(url("deliveries"))
    rows = {str(row.name): row for row in response.context["standings"]}
    assert {name: str(row.mark.word) for name, row in rows.items()} == {
        "the log itself": "read",
        "shop.mail": "active",
        "shop.index": "paused",
        "shop.again": "hears events again",
        "shop.gone": "gone from the code",
    }
    assert rows["shop.mail"].waiting.text == "3"
    assert rows["shop.mail"].oldest.text == "1.5\xa0s"
    assert rows["shop.gone"].oldest is None
    assert [row.url for row in rows.values()] == [None] * 5
    assert response.context["content"].charts["lag"].bars[0].label == "shop.index"


class TestLagOverTime:
    def test_each_subscription_has_a_line_those_that_are_explained_too(self, metrics_client, figures):
        sample(waiting=7, oldest=30, ago=120)
        response = metrics_client.get(url("deliveries"), {"range": "1h"})
        charts = response.context["content"].charts
        assert [line.label for line in charts["lag-waiting"].lines] == ["shop.index", "shop.mail"]
        waiting, oldest = charts["lag-waiting"].lines[1].values, charts["lag-oldest"].lines[1].values
        assert [value for value in waiting if value is not None] == [7, 3]
        assert [value for value in oldest if value is not None] == [30, 1.5]

    def test_the_figures_stand_beside_the_drawing(self, metrics_client, figures):
        response = metrics_client.get(url("deliveries"), {"range": "1h"})
        text = text_of(response)
        assert "Lag of each subscription over time" in text
        assert "shop.index: always 900; latest" in text
        assert "Shown are those" not in text
        series = {each["key"]: each for each in chart_data(response)["lag-oldest"]["series"]}
        assert {key: each["label"] for key, each in series.items()} == {
            "shop_index": "shop.index",
            "shop_mail": "shop.mail",
        }
        assert 3_000 in series["shop_index"]["values"]

    def test_they_are_a_file(self, metrics_client, figures):
        head, *rows = lines_of(metrics_client.get(file_url("deliveries", "lag-waiting"), {"range": "1h"}))
        assert head == ["time", "shop_index_count", "shop_mail_count"]
        assert [row[1:] for row in rows if row[1]] == [["900", "3"]]
        head, *rows = lines_of(metrics_client.get(file_url("deliveries", "lag-oldest"), {"range": "1h"}))
        assert head == ["time", "shop_index_seconds", "shop_mail_seconds"]
        assert [row[1:] for row in rows if row[1]] == [["3000.0", "1.5"]]

    def test_no_two_lines_are_drawn_alike_and_the_rest_is_told(self, metrics_client, figures):
        for number in range(6):
            sample(handler=f"shop.h{number}", waiting=1_200 + number)
        response = metrics_client.get(url("deliveries"), {"range": "1h"})
        lines = drawn_lines(response.context["content"].charts["lag-waiting"])
        assert [line.label for line in lines] == [f"shop.h{number}" for number in (5, 4, 3, 2, 1, 0)]
        assert len({line.style for line in lines}) == 6
        told = "Shown are those that were furthest behind; the lag of 2 others was never over 900."
        assert told in text_of(response)

    def test_where_none_was_sampled_in_the_range_there_is_no_chart(self, metrics_client, figures):
        asked = {"from": "2020-01-01T00:00", "to": "2020-01-02T00:00"}
        charts = metrics_client.get(url("deliveries"), asked).context["content"].charts
        assert "lag" in charts
        assert "lag-waiting" not in charts

    @pytest.mark.parametrize(("whose", "count"), [("metrics_client", 11), ("admin_client", 13)])
    def test_the_page_asks_the_database_so_often(self, request, parked, whose, count):
        client = request.getfixturevalue(whose)
        with CaptureQueriesContext(connection) as queries:
            assert client.get(url("deliveries"), {"range": "1h"}).status_code == 200
        assert len([each for each in queries if "SAVEPOINT" not in each["sql"]]) == count


def test_whoever_may_view_them_is_led_to_subscriptions_and_parked_events(manager_client, parked):
    sample(handler="shop.slow", parked=3, dead=1)
    response = manager_client.get(url("deliveries"))
    row = {str(row.name): row for row in response.context["standings"]}["shop.slow"]
    assert row.url == "/admin/clean_timestamps/subscription/?q=shop.slow"
    assert row.parked_url == "/admin/clean_timestamps/parkedevent/?database=default&handler=shop.slow"
    assert f'<a href="{row.parked_url.replace("&", "&amp;")}">3</a>' in response.content.decode()


def test_only_what_may_be_viewed_is_counted_and_named(manager_client, parked):
    response = manager_client.get(url("deliveries"))
    assert [(group.state, group.count) for group in response.context["groups"]] == [
        ("dead", 3),
        ("retry", 1),
        ("waiting", 1),
    ]
    assert [line.row.position for line in response.context["newest"]] == [8, 7, 6, 5]
    page = response.content.decode()
    assert "secret" not in page
    assert "testapp.task" not in page.partition('id="parked"')[2]
    assert "refused &lt;b&gt;" in page
    assert "line 3" not in page


def test_a_parked_event_leads_to_its_page_its_entity_and_its_story(admin_client, figures):
    park(5, "testapp.note:5", state=State.DEAD)
    park(6, "testapp.note:6", state=State.DEAD, kind=TimestampDeletedEvent)
    park(7, "testapp.note:7", using="other", state=State.DEAD)
    lines = {line.row.position: line for line in admin_client.get(url("deliveries")).context["newest"]}
    assert lines[5].url == f"/admin/clean_timestamps/parkedevent/{lines[5].row.pk}/change/"
    assert lines[5].entity_url == "/admin/testapp/note/5/change/"
    assert "entity_id=5" in lines[5].story_url
    assert lines[6].entity_url is None
    assert "other" in lines[7].url


def test_whoever_may_not_view_parked_events_sees_none(metrics_client, parked):
    response = metrics_client.get(url("deliveries"))
    assert not response.context["may_see_parked"]
    assert 'id="parked"' not in response.content.decode()


def test_whoever_may_not_manage_is_not_offered_to(log_in, parked):
    page = log_in("view_metrics", "view_parkedevent", "view_note").get(url("deliveries")).content.decode()
    assert 'id="parked"' in page
    assert url("skip") not in page


def test_nothing_is_parked(manager_client, figures):
    assert "Nothing is parked of the models that you may view." in text_of(manager_client.get(url("deliveries")))


def test_nothing_was_sampled_yet(metrics_client, figures):
    roll_up(sampled_ago=60)
    text = text_of(metrics_client.get(url("deliveries")))
    assert "No log and no subscription has been looked at yet" in text


def test_only_the_log_was_sampled(metrics_client, db):
    from tests.admin.dashboard.figures import NOTES, observe

    observe(NOTES, [0.001], ago=4)
    sample(handler="")
    roll_up()
    assert "lag" not in metrics_client.get(url("deliveries")).context["content"].charts


def test_never_collected_and_silent(metrics_client, db):
    assert "Nothing has been collected yet" in text_of(metrics_client.get(url("deliveries")))
    process(ago=500)
    sample()
    roll_up(sampled_ago=500)
    assert "The collector is silent" in text_of(metrics_client.get(url("deliveries")))


# Retrying and skipping.


def test_a_retry_asks_with_the_exact_number_and_what_is_meant(manager_client, parked):
    text = text_of(manager_client.get(url("retry"), DEAD))
    assert "3 parked events will be tried at once, in order." in text
    assert "Handler shop.mail State ✗ dead Database default" in text
    assert states()[5] == "dead"


def test_confirmed_it_is_done_told_of_and_logged(manager_client, parked, rung):
    response = manager_client.post(
        f"{url('retry')}?database=default&handler=shop.mail&state=dead", {"post": "yes", "count": "3"}, follow=True
    )
    assert response.redirect_chain == [(url("deliveries"), 302)]
    assert message(response) == ["3 parked events are retried."]
    assert [states()[position] for position in (5, 6, 7, 10)] == ["retry", "retry", "retry", "dead"]
    assert LogEntry.objects.filter(user=manager_client.user, change_message="Retried").count() == 3
    assert rung == ["default"]


def test_another_number_is_asked_again(manager_client, parked):
    query = "?database=default&handler=shop.mail&state=dead"
    response = manager_client.post(url("retry") + query, {"post": "yes", "count": "2"})
    assert response.status_code == 200
    assert "Meanwhile it is another number of events: please look again." in text_of(response)
    assert states()[5] == "dead"


def test_a_skip_wants_a_reason(manager_client, parked, rung):
    query = "?database=default&handler=shop.mail&state=dead"
    text = text_of(manager_client.get(url("skip") + query))
    assert "3 parked events will be given up: their handler never hears them." in text
    response = manager_client.post(url("skip") + query, {"post": "yes", "count": "3", "timestamp_reason": " "})
    assert "This field is required." in text_of(response)
    assert states()[5] == "dead"
    sent = {"post": "yes", "count": "3", "timestamp_reason": "gave up"}
    response = manager_client.post(url("skip") + query, sent, follow=True)
    assert message(response) == ["3 parked events were skipped."]
    assert [states()[position] for position in (5, 6, 7, 10)] == ["skipped", "skipped", "skipped", "dead"]
    assert LogEntry.objects.filter(change_message="Skipped, because gave up").count() == 3


def test_one_is_told_of_as_one_and_a_filter_may_be_left_out(manager_client, parked):
    assert "1 parked event will be tried at once." in text_of(manager_client.get(url("retry"), {"state": "retry"}))
    assert "1 parked event will be given up" in text_of(manager_client.get(url("skip"), {"state": "waiting"}))
    assert "4 parked events will be tried" in text_of(manager_client.get(url("retry"), {"database": "nowhere"}))
    assert "Handler all State all" in text_of(manager_client.get(url("skip")))


def test_what_is_too_much_for_a_request_is_said(manager_client, parked, monkeypatch):
    monkeypatch.setattr(parked_actions, "ROWS_AT_MOST", 2)
    assert "One request does 2 of them; ask again for the rest." in text_of(manager_client.get(url("retry"), DEAD))


@pytest.mark.parametrize("action", ["retry", "skip"])
def test_nothing_of_that_kind_is_parked(manager_client, figures, action):
    response = manager_client.get(url(action), {"handler": "shop.mail"}, follow=True)
    assert message(response) == ["Nothing of that kind is parked any more."]


@pytest.mark.parametrize(
    "codenames",
    [
        ["view_metrics", "view_parkedevent", "view_note"],
        ["view_metrics", "manage_deliveries", "view_note"],
        ["manage_deliveries", "view_parkedevent", "view_note"],
    ],
)
@pytest.mark.parametrize("action", ["retry", "skip"])
def test_each_permission_is_needed(log_in, parked, codenames, action):
    client = log_in(*codenames)
    assert client.get(url(action)).status_code == 403
    assert client.post(url(action), {"post": "yes", "count": "3", "timestamp_reason": "x"}).status_code == 403
    assert states()[5] == "dead"


def test_a_forged_request_is_refused(manager_client, parked):
    manager_client.handler.enforce_csrf_checks = True
    response = manager_client.post(url("retry") + "?state=dead", {"post": "yes", "count": "3"})
    assert response.status_code == 403
    assert states()[5] == "dead"


def test_where_parked_events_have_another_admin_nothing_is_done(admin_client, parked):
    from django.contrib import admin
    from django.core.exceptions import PermissionDenied
    from django.test import RequestFactory

    from django_clean_timestamps.admin.dashboard.asked import read_asked
    from django_clean_timestamps.admin.dashboard.parked import read_groups

    request = RequestFactory().get("/")
    request.user = admin_client.user
    bare, own = admin.AdminSite(name="bare"), admin.AdminSite(name="own")
    own.register(ParkedEvent, admin.ModelAdmin)
    for site in (bare, own):
        assert read_groups(read_asked(site, request, {})) == []
        with pytest.raises(PermissionDenied):
            parked_actions.act_on_parked(site, request, "retry", {}, "/")
