"""What became of events, in an entity's timeline and on an event's page."""

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError, connections
from django.utils import timezone

from django_clean_timestamps.admin.marks import fate_mark, state_mark
from django_clean_timestamps.admin.outcomes import read_outcomes
from django_clean_timestamps.delivery import on_timestamp
from django_clean_timestamps.delivery.models import Subscription
from django_clean_timestamps.delivery.outcomes import Fate
from django_clean_timestamps.eventlog.models import Event
from django_clean_timestamps.events import TimestampCreatedEvent
from django_clean_timestamps.testing import drain_all
from tests.admin.deliveries import add_handler, allow, park, subscription
from tests.admin.log import event_of, place
from tests.admin.site import bare_site, site
from tests.admin.test_timeline import page_of, timeline_of
from tests.eventlog.log import statements
from tests.otherapp.models import Remote
from tests.testapp.models import Note, Project

pytestmark = pytest.mark.django_db(databases=["default", "other"])


def deliveries_of(client, entity, **options):
    """Return the text of the last cell of each row of an entity's timeline."""
    cells = re.findall(r'data-label="Deliveries">(.*?)</td>', timeline_of(client, entity, **options), re.DOTALL)
    return [text_of(cell) for cell in cells]


def text_of(html):
    return " ".join(re.sub(r"<[^>]*>", " ", html).split())


def outcomes_table(client, position=1, **asked):
    """Return the text of each row that an event's page shows of its deliveries, one for each handler."""
    page = event_of(client, position, **asked).content.decode()
    _, found, below = page.partition("<caption>Deliveries</caption>")
    assert found
    rows = re.findall(r"<tr>(.*?)</tr>", below.partition("<tbody>")[2].partition("</tbody>")[0], re.DOTALL)
    return [text_of(row) for row in rows]


@pytest.fixture
def note(db):
    """A note whose creation is the event 1 of the log, past which every subscription that a test makes can be."""
    made = Note.objects.create()
    drain_all()
    Event.objects.update(position=1)
    return made


# The timeline.


def test_without_handlers_nothing_is_shown(admin_client, note):
    page = page_of(admin_client, note)
    assert "Deliveries" not in page
    assert "Deliveries" not in event_of(admin_client, 1).content.decode()


def test_handlers_of_other_models_show_nothing(admin_client, note):
    add_handler(sender=Project)
    assert "Deliveries" not in page_of(admin_client, note)
    assert "Deliveries" not in event_of(admin_client, 1).content.decode()


def test_what_all_have_heard_is_told_in_a_line(admin_client, note):
    for name in ("shop.mail", "shop.index", "shop.report"):
        add_handler(name)
        subscription(name, cursor=1)
    assert deliveries_of(admin_client, note) == ["✓ delivered to 3 handlers"]
    assert 'title="shop.index, shop.mail, shop.report"' in page_of(admin_client, note)


def test_one_handler_is_spoken_of_as_one(admin_client, note):
    add_handler()
    subscription(cursor=1)
    assert deliveries_of(admin_client, note) == ["✓ delivered to 1 handler"]


def test_each_event_tells_its_own(admin_client, note):
    add_handler()
    subscription(cursor=1)
    add_handler("shop.created", replay="all")
    subscription("shop.created", cursor=1)
    note.touch("looked at")
    assert deliveries_of(admin_client, note) == ["… pending shop.created, shop.mail", "✓ delivered to 2 handlers"]


def test_what_needs_nobody_is_told_with_the_handlers_names(admin_client, note):
    for name in ("a.delivered", "b.before", "c.unborn", "d.due"):
        add_handler(name)
    subscription("a.delivered", cursor=1)
    subscription("b.before", start=1, cursor=1)
    subscription("d.due")
    assert deliveries_of(admin_client, note) == [
        "✓ delivered to 1 handler … still to be delivered d.due ○ not begun c.unborn – came before it began b.before"
    ]


def test_many_handlers_are_counted_and_named_on_hover(admin_client, note):
    for number in range(4):
        add_handler(f"shop.handler_{number}")
    assert deliveries_of(admin_client, note) == ["○ not begun 4 handlers"]
    assert 'title="shop.handler_0, shop.handler_1, shop.handler_2, shop.handler_3"' in page_of(admin_client, note)


def test_a_retry_tells_its_attempts_when_it_is_tried_next_and_the_error(admin_client, note):
    add_handler()
    subscription(cursor=1)
    row = park(1, entity=f"testapp.note:{note.pk}", attempts=2, last_error="ConnectionError: <refused>\nmore")
    (text,) = deliveries_of(admin_client, note)
    assert text.startswith("↻ to be retried shop.mail 2 attempts failed next attempt ")
    assert text.endswith(" ConnectionError: &lt;refused&gt;")
    assert f'<a href="/admin/clean_timestamps/parkedevent/{row.pk}/change/">' in page_of(admin_client, note)


@pytest.mark.parametrize(
    ("state", "shown"),
    [
        ("waiting", "‖ waiting shop.mail"),
        ("dead", "✗ dead shop.mail"),
        ("skipped", "↷ skipped shop.mail"),
    ],
)
def test_a_parked_event_tells_what_becomes_of_it(admin_client, note, state, shown):
    add_handler()
    subscription(cursor=1)
    park(1, state=state)
    assert deliveries_of(admin_client, note) == [shown]


@pytest.mark.parametrize(("state", "shown"), [("paused", "‖ paused"), ("backing_off", "↻ backing off")])
def test_a_handler_that_stands_tells_why_an_event_is_not_delivered(admin_client, note, state, shown):
    add_handler()
    subscription(state=state, problem="OSError: down", resume_at=timezone.now() + timedelta(minutes=1))
    (text,) = deliveries_of(admin_client, note)
    assert text.startswith(f"… still to be delivered shop.mail {shown} next attempt ")
    assert text.endswith(" OSError: down")


def test_a_problem_of_an_active_handler_is_told(admin_client, note):
    add_handler()
    subscription(problem="schema 9")
    assert deliveries_of(admin_client, note) == ["… still to be delivered shop.mail schema 9"]


def test_a_parked_event_of_another_database_is_led_to_there(admin_client, note):
    add_handler(using="other")
    subscription(using="other", cursor=1)
    row = park(1, using="other", state="dead")
    assert f'<a href="/admin/clean_timestamps/parkedevent/other_3A{row.pk}/change/">' in page_of(admin_client, note)


# Who may see what.


@pytest.mark.parametrize(
    ("codenames", "is_seen"),
    [
        (["view_note"], False),
        (["view_note", "view_parkedevent"], True),
        (["change_note", "view_parkedevent"], False),
        (["view_note", "view_subscription", "view_event"], False),
    ],
)
def test_only_who_may_view_the_parked_event_sees_its_error(client, note, codenames, is_seen):
    add_handler()
    subscription(cursor=1)
    row = park(1, state="dead", last_error="secret")
    user = User.objects.create_user("ann", is_staff=True)
    allow(user, *codenames)
    client.force_login(user)
    page = page_of(client, note)
    assert "✗</span> dead" in page
    assert ("secret" in page, f"/parkedevent/{row.pk}/" in page) == (is_seen, is_seen)


@pytest.mark.parametrize(("codename", "is_seen"), [("view_subscription", True), ("view_parkedevent", False)])
def test_only_who_may_view_the_subscriptions_sees_their_problems(client, note, codename, is_seen):
    add_handler()
    subscription(state="backing_off", problem="secret")
    user = User.objects.create_user("ann", is_staff=True)
    allow(user, "view_note", codename)
    client.force_login(user)
    page = page_of(client, note)
    assert "backing off" in page
    assert ("secret" in page) is is_seen


def test_a_site_without_the_pages_has_neither_errors_nor_links(admin_client, note):
    add_handler()
    subscription(cursor=1)
    park(1, state="dead", last_error="secret")
    page = page_of(admin_client, note, name="bare")
    assert "✗</span> dead" in page
    assert "secret" not in page
    assert "/parkedevent/" not in page


def test_without_a_request_there_are_neither_errors_nor_links(note):
    add_handler()
    subscription(problem="secret")
    event = Event.objects.get()
    (row,) = read_outcomes(site, None, [event], "default")[event.event_id].rows
    assert (row.problem, row.url) == ("", None)


# An event's page.


def test_an_events_page_tells_of_each_handler(admin_client, note):
    for name in ("a.delivered", "b.dead", "c.due"):
        add_handler(name)
    subscription("a.delivered", cursor=1)
    subscription("b.dead", cursor=1)
    subscription("c.due", cursor=-3, state="paused", problem="OSError: down")
    row = park(1, handler="b.dead", state="dead", attempts=10, last_error="ValueError: broken\nand more")
    assert outcomes_table(admin_client) == [
        "a.delivered ✓ delivered",
        "b.dead ✗ dead 10 ValueError: broken and more",
        "c.due … still to be delivered ‖ paused behind 3 other positions OSError: down",
    ]
    page = event_of(admin_client, 1).content.decode()
    assert f'<a href="/admin/clean_timestamps/parkedevent/{row.pk}/change/">' in page


def test_an_event_of_the_log_of_another_database_tells_of_its_handlers(admin_client):
    place(1, using="other", entity_type="otherapp.remote")
    add_handler(sender=Remote)
    subscription(using="other", log_alias="other", cursor=1)
    assert outcomes_table(admin_client, database="other") == ["shop.mail ✓ delivered"]


def test_a_handler_of_another_type_of_event_is_left_out(admin_client, note):
    place(2)

    @on_timestamp(TimestampCreatedEvent, name="shop.created")
    def handle(event):
        pass

    assert outcomes_table(admin_client) == ["shop.created ○ not begun"]
    assert "Deliveries" not in event_of(admin_client, 2).content.decode()


# What it costs, and where it cannot be read.


@pytest.mark.parametrize(("using", "count"), [(None, 4), ("other", 4)])
def test_the_timeline_costs_two_statements_more_for_each_database_of_handlers(admin_client, note, using, count):
    add_handler("a.one", using=using)
    add_handler("b.two", using=using)
    note.touch("now")
    drain_all()
    page_of(admin_client, note)
    with statements() as here, statements("other") as there:
        page_of(admin_client, note)
    ours = [sql for sql in [*here, *there] if "clean_timestamps_" in sql]
    assert len(ours) == count
    assert len([sql for sql in there if "clean_timestamps_" in sql]) == (2 if using else 0)


def test_a_database_of_handlers_that_cannot_be_read_does_not_break_the_page(admin_client, note, monkeypatch, caplog):
    def refuse(events, log_alias):
        raise OperationalError("connection refused")

    add_handler()
    monkeypatch.setattr("django_clean_timestamps.admin.outcomes.outcomes_of", refuse)
    for page in (page_of(admin_client, note), event_of(admin_client, 1).content.decode()):
        assert "cannot be read now" in page
        assert "Deliveries" not in page
        assert "refused" not in page
    assert "What became of events of 'default' cannot be read: connection refused" in caplog.text


def test_a_statement_that_fails_leaves_the_transaction_usable(admin_client, note, monkeypatch):
    def fail(events, log_alias):
        with connections[log_alias].cursor() as cursor:
            cursor.execute("SELECT 1 FROM clean_timestamps_nothing")

    monkeypatch.setattr("django_clean_timestamps.admin.outcomes.outcomes_of", fail)
    assert "cannot be read now" in page_of(admin_client, note)
    assert Note.objects.count() == 1


def test_every_fate_and_state_has_a_sign_and_a_word_of_its_own():
    fates = [fate_mark(fate) for fate in Fate]
    assert "?" not in {mark.sign for mark in fates}
    assert len({str(mark.word) for mark in fates}) == len(Fate)
    assert "?" not in {state_mark(state).sign for state in Subscription.State}
    assert (fate_mark("newer").sign, state_mark("newer").sign) == ("?", "?")


def test_pages_on_a_site_without_the_log_read_outcomes_as_well(note):
    add_handler()
    event = Event.objects.get()
    assert [row.outcome.fate for row in read_outcomes(bare_site, None, [event], "default")[event.event_id].rows] == [
        "unborn"
    ]
