from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import Permission, User
from django.urls import reverse
from django.utils import timezone

from django_clean_timestamps.admin.log_pages import PAGE_SIZE
from django_clean_timestamps.context import stamped_at, timestamp_context
from django_clean_timestamps.eventlog.models import Event, Pending
from django_clean_timestamps.testing import drain_all
from tests.admin.log import event_of, log_of, log_url, place, shown
from tests.otherapp.models import Remote
from tests.testapp.models import Note, Product, Project, Task

pytestmark = pytest.mark.django_db(databases=["default", "other"])

NOON = datetime(2026, 1, 1, 12, 0, 0, 123456, tzinfo=UTC)


def reasons(response):
    return [row.event.reason for row in response.context["rows"]]


def types(response):
    return {row.event.entity_type for row in response.context["rows"]}


# Who may see what.


def test_the_log_stands_on_the_index_to_look_at(admin_client):
    page = admin_client.get(reverse("timestamps:index")).content.decode()
    assert f'href="{log_url()}"' in page
    assert reverse("timestamps:clean_timestamps_event_add") not in page


def test_a_superuser_sees_all_events_those_of_gone_models_too(admin_client):
    place(1, entity_type="gone.model")
    place(2)
    response = log_of(admin_client)
    assert shown(response) == [2, 1]
    assert "gone.model 1" in response.content.decode()


def test_a_user_sees_the_events_of_the_models_that_may_be_viewed(note_client):
    place(1, 3)
    place(2, entity_type="testapp.project")
    place(4, entity_type="gone.model")
    Note.objects.create()
    Project.objects.create()
    response = log_of(note_client)
    assert shown(response) == [None, 3, 1]
    assert types(response) == {"testapp.note"}


@pytest.mark.parametrize(
    "asked",
    [{"entity_type": "testapp.project", "entity_id": "1"}, {"entity_type": "testapp.project"}, {"entity_id": "1"}],
    ids=["entity", "type", "id"],
)
def test_a_search_finds_nothing_that_may_not_be_viewed(note_client, asked):
    place(1, entity_type="testapp.project")
    Pending.objects.create(entity_type="testapp.project", entity_id="1")
    assert shown(log_of(note_client, **asked)) == []


def test_only_the_types_that_may_be_viewed_are_offered(note_client, admin_client):
    assert '<option value="testapp.project">' in log_of(admin_client).content.decode()
    note_client.force_login(User.objects.get(username="ann"))
    page = log_of(note_client).content.decode()
    assert '<option value="testapp.note">' in page
    assert "testapp.project" not in page


def test_who_may_view_the_log_and_no_model_is_told_so(client):
    place(1)
    user = User.objects.create_user("bob", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename="view_event"))
    client.force_login(user)
    response = log_of(client)
    assert shown(response) == []
    assert "You may not view any model" in response.content.decode()


def test_without_the_permission_the_log_is_closed(client):
    place(1)
    user = User.objects.create_user("bob", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename="view_note"))
    client.force_login(user)
    assert log_of(client).status_code == 403
    assert event_of(client, 1).status_code == 403


def test_who_is_not_logged_in_is_sent_to_the_login(client):
    assert "/admin/login/" in log_of(client).url
    assert "/admin/login/" in event_of(client, 1).url


@pytest.mark.parametrize("page", ["changelist", "add", "change", "delete", "history"])
def test_nothing_can_be_written(admin_client, page):
    place(1)
    args = [] if page in ("changelist", "add") else [1]
    url = reverse(f"timestamps:clean_timestamps_event_{page}", args=args)
    data = {"action": "delete_selected", "_selected_action": "1", "post": "yes", "reason": "forged"}
    assert admin_client.post(url, data).status_code == 403
    assert Event.objects.get().reason == "placed"


@pytest.mark.parametrize("page", ["delete", "history"])
def test_an_event_has_no_page_to_delete_it_and_no_history(admin_client, page):
    place(1)
    assert admin_client.get(reverse(f"timestamps:clean_timestamps_event_{page}", args=[1])).status_code == 403


# What is shown.


def test_a_row_tells_the_whole_event(admin_client):
    with stamped_at(NOON), timestamp_context(reason="asked for", actor="anna", correlation_id="req-1"):
        note = Note.objects.create()
    drain_all()
    page = log_of(admin_client).content.decode()
    position = Event.objects.get().position
    assert f'<a href="/admin/clean_timestamps/event/{position}/change/?database=default">{position}</a>' in page
    assert 'title="2026-01-01 12:00:00.123456 UTC"' in page
    assert f'<a href="/admin/testapp/note/{note.pk}/change/">testapp.note {note.pk}</a>' in page
    for text in (">created<", ">asked for<", ">anna<", ">req-1</a>"):
        assert text in page


def test_times_are_in_the_viewers_zone(admin_client):
    place(1, occurred_at=NOON)
    with timezone.override("Asia/Tokyo"):
        assert "Jan. 1, 2026, 9 p.m.</time>" in log_of(admin_client).content.decode()


@pytest.mark.parametrize(("kind", "word"), [(1, "created"), (2, "updated"), (3, "deleted"), (9, "unknown")])
def test_what_happened_is_told_in_a_word(admin_client, kind, word):
    place(1, kind=kind)
    assert f">{word}<" in log_of(admin_client).content.decode().partition("<tbody>")[2]


def test_pending_events_are_shown_first_and_stay_pending(admin_client):
    place(1)
    Note.objects.create()
    response = log_of(admin_client)
    assert shown(response) == [None, 1]
    assert "<em>pending</em>" in response.content.decode()
    assert Pending.objects.count() == 1


def test_pending_events_are_shown_on_the_newest_page_alone(admin_client):
    place(1, 2)
    Note.objects.create()
    assert shown(log_of(admin_client, upto=1)) == [1]
    assert shown(log_of(admin_client, after=0)) == [2, 1]
    assert shown(log_of(admin_client, upto=2)) == [None, 2, 1]


def test_no_more_than_a_page_of_pending_events_is_shown_and_the_page_says_so(admin_client):
    Note.objects.bulk_create([Note() for _ in range(PAGE_SIZE)])
    assert "Only the newest" not in log_of(admin_client).content.decode()
    Note.objects.create()
    response = log_of(admin_client)
    assert shown(response) == [None] * PAGE_SIZE
    assert f"Only the newest {PAGE_SIZE} of them are shown." in response.content.decode()


def test_an_event_that_got_its_position_meanwhile_is_shown_once(admin_client):
    Note.objects.create()
    Event.objects.create(position=1, event_id=Pending.objects.get().event_id)
    assert shown(log_of(admin_client)) == [1]


def test_an_empty_log_says_so(admin_client):
    page = log_of(admin_client).content.decode()
    assert "No events." in page
    assert "Go to position" not in page


# Where an entity leads.


def test_a_deleted_row_is_no_link(admin_client):
    place(1, kind=3)
    assert "/testapp/note/1/" not in log_of(admin_client).content.decode()


@pytest.mark.parametrize(
    ("entity_type", "entity_id"),
    [
        ("gone.model", "1"),
        ("nonsense", "1"),
        ("testapp.box", "1"),
        ("testapp.label", "1"),
        ("testapp.product", "sku-1"),
        ("otherapp.remote", "1"),
        ("testapp.note", ""),
    ],
    ids=["gone", "no label", "no entity", "not registered", "own identity", "elsewhere", "no key"],
)
def test_what_has_no_page_on_the_site_is_text(admin_client, entity_type, entity_id):
    place(1, entity_type=entity_type, entity_id=entity_id)
    (row,) = log_of(admin_client).context["rows"]
    assert row.entity_url is None


def test_an_entity_on_another_database_is_a_link_there(admin_client):
    place(1, using="other", entity_type="otherapp.remote")
    place(2, using="other")
    note, remote = log_of(admin_client, database="other").context["rows"]
    assert remote.entity_url == "/admin/otherapp/remote/1/change/"
    assert note.entity_url is None


def test_an_entity_whose_admin_the_user_may_not_view_is_text(note_client, monkeypatch):
    from tests.admin.site import NoteAdmin

    place(1)
    assert log_of(note_client).context["rows"][0].entity_url == "/admin/testapp/note/1/change/"
    monkeypatch.setattr(NoteAdmin, "has_view_permission", lambda self, request, obj=None: False)
    assert log_of(note_client).context["rows"][0].entity_url is None


@pytest.mark.parametrize("entity_id", ["a/b", "a:b", "<b>&'\"", "日本", "50%", "a b"])
def test_odd_ids_are_escaped_and_lead_where_they_should(admin_client, entity_id):
    place(1, entity_id=entity_id, reason="<script>", actor="<i>", correlation_id="<u>&x=1")
    page = log_of(admin_client).content.decode()
    assert "<script>" not in page.partition("<tbody>")[2].partition("</table>")[0]
    assert "<i>" not in page
    assert "<u>" not in page
    story = event_of(admin_client, 1).context["story_url"]
    assert shown(admin_client.get(story)) == [1]
    assert shown(admin_client.get(log_of(admin_client).context["rows"][0].correlation_url)) == [1]


# The search.


@pytest.fixture
def mixed(db):
    """Events 1 to 6, and a pending one."""
    place(1, entity_id="7", kind=1, reason="new")
    place(2, entity_id="7", reason="Fix 50% of it", actor="anna", correlation_id="req-1")
    place(3, entity_id="8", reason="fix 500 of it", actor="annabel", correlation_id="req-12")
    place(4, entity_type="testapp.task", entity_id="7", actor="anna")
    place(5, entity_type="testapp.dog", entity_id="7")
    place(6, entity_type="testapp.animal", entity_id="7", kind=3)
    Pending.objects.create(
        entity_type="testapp.note", entity_id="7", kind=2, reason="fix", actor="anna", correlation_id="req-1"
    )


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"entity_type": "testapp.note", "entity_id": "7"}, [None, 2, 1]),
        ({"entity_type": "testapp.NoteProxy", "entity_id": "7"}, [None, 2, 1]),
        ({"entity_type": " NOTE ", "entity_id": "7"}, [None, 2, 1]),
        ({"entity_type": "testapp.puppy", "entity_id": "7"}, [6, 5]),
        ({"entity_type": "testapp.note", "entity_id": " 7"}, []),
        ({"entity_type": "testapp.note", "entity_id": "7", "kind": "1"}, [1]),
        ({"entity_type": "testapp.note", "entity_id": "7", "reason": "FIX"}, [None, 2]),
        ({"entity_type": "testapp.note", "entity_id": "8", "actor": "anna"}, []),
        ({"entity_type": "testapp.note"}, [None, 3, 2, 1]),
        ({"entity_type": "testapp.dog"}, [5]),
        ({"entity_type": "nothing"}, []),
        ({"entity_type": "gone.model"}, []),
        ({"entity_type": "comment"}, []),
        ({"entity_type": "auth.user", "entity_id": "7"}, []),
        ({"entity_id": "8"}, [3]),
        ({"kind": "3"}, [6]),
        ({"reason": "fix 50%"}, [2]),
        ({"reason": "fix"}, [None, 3, 2]),
        ({"actor": "anna"}, [None, 4, 2]),
        ({"correlation_id": "req-1"}, [None, 2]),
        ({"correlation_id": "req-1", "kind": "1"}, []),
        ({}, [None, 6, 5, 4, 3, 2, 1]),
    ],
)
def test_a_search_finds(admin_client, mixed, asked, found):
    assert shown(log_of(admin_client, **asked)) == found


def test_the_form_shows_what_was_searched_for(admin_client, mixed):
    page = log_of(admin_client, entity_type="testapp.note", reason="fix").content.decode()
    assert 'value="testapp.note"' in page
    assert 'value="fix"' in page
    assert ">Clear</a>" in page


@pytest.mark.parametrize(
    "asked",
    [
        {"upto": "x"},
        {"upto": "-1"},
        {"after": "9" * 30},
        {"kind": "7"},
        {"reason": "a\0b"},
        {"entity_id": "x" * 201},
        {"database": "nowhere"},
    ],
)
def test_what_cannot_be_searched_for_is_an_error_of_the_form(admin_client, mixed, asked):
    response = log_of(admin_client, **asked)
    assert shown(response) == []
    assert "errorlist" in response.content.decode()


def test_every_field_of_the_form_has_a_label(admin_client):
    place(1)
    page = log_of(admin_client).content.decode()
    for name in ("database", "entity_type", "entity_id", "kind", "reason", "actor", "correlation_id", "upto"):
        assert f'<label for="id_{name}">' in page
        assert f'id="id_{name}"' in page


# Databases.


def test_each_database_has_a_log_of_its_own(admin_client):
    Remote.objects.create()
    place(1)
    assert types(log_of(admin_client)) == {"testapp.note"}
    response = log_of(admin_client, database="other")
    assert types(response) == {"otherapp.remote"}
    assert '<option value="other" selected>' in response.content.decode()


def test_with_one_database_nothing_is_asked(admin_client, monkeypatch):
    place(1)
    monkeypatch.setattr("django_clean_timestamps.admin.eventlog.entity_aliases", lambda: ("default",))
    page = log_of(admin_client).content.decode()
    assert "id_database" not in page
    assert "?database" not in page
    assert ">Database<" not in event_of(admin_client, 1).content.decode()


def test_without_any_entity_the_log_is_where_its_models_are(admin_client, monkeypatch):
    place(1, entity_type="gone.model")
    monkeypatch.setattr("django_clean_timestamps.admin.eventlog.entity_aliases", tuple)
    assert shown(log_of(admin_client)) == [1]


# One event.


def test_an_events_page_tells_everything(admin_client):
    with stamped_at(NOON), timestamp_context(reason="new", actor="anna", correlation_id="req-1", order={"née": [1]}):
        Note.objects.create()
    Note.objects.get().touch("looked <at>")
    drain_all()
    created, touched = Event.objects.order_by("position")
    page = event_of(admin_client, created.position).content.decode()
    for text in (str(created.event_id), "testapp.note", ">new<", ">anna<", ">req-1<", "created", ">default<"):
        assert text in page
    assert "{\n  &quot;order&quot;: {\n    &quot;née&quot;: [" in page
    page = event_of(admin_client, touched.position).content.decode()
    assert "Updated before" in page
    assert 'title="2026-01-01 12:00:00.123456 UTC"' in page
    assert "looked &lt;at&gt;" in page


def test_an_events_page_leads_to_its_neighbours(admin_client):
    place(1, 3, 5)
    place(2, 4, entity_id="2")
    context = event_of(admin_client, 3).context
    assert "/event/1/" in context["earlier_url"]
    assert "/event/5/" in context["later_url"]
    assert shown(admin_client.get(context["story_url"])) == [5, 3, 1]
    assert shown(admin_client.get(context["log_url"])) == [3, 2, 1]
    assert event_of(admin_client, 1).context["earlier_url"] is None
    assert event_of(admin_client, 5).context["later_url"] is None


def test_neighbours_are_of_the_same_tree_and_may_be_viewed(note_client):
    place(1, entity_type="testapp.animal")
    place(2, entity_type="testapp.dog")
    place(3, entity_type="testapp.animal")
    note_client.user.user_permissions.add(Permission.objects.get(codename="view_animal"))
    assert event_of(note_client, 2).status_code == 403
    assert "/event/1/" in event_of(note_client, 3).context["earlier_url"]


def test_an_events_page_leads_to_what_belongs_together(admin_client):
    place(1, 300, correlation_id="req-1")
    place(2, correlation_id="req-2")
    assert shown(admin_client.get(event_of(admin_client, 1).context["row"].correlation_url)) == [300, 1]


def test_an_event_without_texts_has_a_page(admin_client):
    place(1, reason="")
    page = event_of(admin_client, 1).content.decode()
    assert "correlation_id=" not in page


@pytest.mark.parametrize("position", ["7", "0", "x", "1.5", "-1", "9" * 30, "\u0661"])
def test_an_event_that_is_not_there_is_not_found(admin_client, position):
    place(1)
    assert event_of(admin_client, position).status_code == 404


def test_an_event_that_may_not_be_viewed_is_refused(note_client):
    place(1, entity_type="testapp.project")
    place(2)
    assert event_of(note_client, 1).status_code == 403
    assert event_of(note_client, 2).status_code == 200


def test_an_event_is_one_of_its_database(admin_client):
    place(1, using="other", entity_type="otherapp.remote")
    assert event_of(admin_client, 1).status_code == 404
    response = event_of(admin_client, 1, database="other")
    assert "otherapp.remote" in response.content.decode()
    assert shown(admin_client.get(response.context["story_url"])) == [1]
    assert event_of(admin_client, 1, database="nowhere").status_code == 404


def test_an_identity_of_the_models_own_is_found(admin_client):
    product = Product.objects.create(sku="7")
    Task.objects.create()
    response = log_of(admin_client, entity_type="testapp.product", entity_id=product._get_entity_id())
    assert types(response) == {"testapp.product"}
