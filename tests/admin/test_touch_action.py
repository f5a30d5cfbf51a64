from datetime import UTC, datetime

import pytest
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import Permission
from django.db import connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from django_clean_timestamps.admin import touch_action
from django_clean_timestamps.context import no_touching, stamped_at
from django_clean_timestamps.testing import capture_events
from tests.admin.site import NoteAdmin, ProjectAdmin, TokenAdmin, site
from tests.otherapp.models import Remote
from tests.testapp.models import Note, Project, Token

pytestmark = pytest.mark.django_db(databases=["default", "other"])


def post(client, *entities, model=Note, query="", **data):
    opts = model._meta
    keys = [str(entity.pk) for entity in entities]
    url = reverse(f"timestamps:{opts.app_label}_{opts.model_name}_changelist") + query
    return client.post(url, {"action": "touch_with_reason", ACTION_CHECKBOX_NAME: keys, **data})


def confirm(client, *entities, reason="reviewed", **data):
    return post(client, *entities, post="yes", timestamp_reason=reason, **data)


def notes(count):
    return [Note.objects.create(title=f"note {number}") for number in range(count)]


def told(response, client):
    return [str(message) for message in client.get(response.url.partition("?")[0]).context["messages"]]


def test_the_action_asks_for_a_reason_first(admin_client):
    first, second, third = notes(3)
    with capture_events() as events:
        response = post(admin_client, first, second, index=0)
    page = response.content.decode()
    assert response.status_code == 200
    assert events == []
    assert "<strong>2</strong> notes will get a new time of update" in page
    assert f"<li>{first}</li>" in page
    assert f"<li>{third}</li>" not in page
    assert 'name="timestamp_reason"' in page
    assert "csrfmiddlewaretoken" in page


def test_the_page_has_no_inline_style_or_script(admin_client):
    page = post(admin_client, *notes(1), index=0).content.decode()
    content = page[page.index('id="content-main"') : page.index("</form>", page.index('id="content-main"'))]
    assert "style=" not in page
    assert "<script" not in content
    assert "<style" not in page


def test_the_page_names_ten_and_counts_the_rest(admin_client, monkeypatch):
    monkeypatch.setattr(NoteAdmin, "list_per_page", 100)
    page = post(admin_client, *notes(13), index=0).content.decode()
    assert "<strong>13</strong> notes" in page
    assert "and 3 more" in page


def test_one_row_is_spoken_of_as_one(admin_client):
    page = post(admin_client, *notes(1), index=0).content.decode()
    assert "<strong>1</strong> note will get" in page
    assert "more</li>" not in page


def test_the_names_of_the_objects_are_escaped(admin_client, monkeypatch):
    monkeypatch.setattr(Note, "__str__", lambda self: self.title)
    page = post(admin_client, Note.objects.create(title="<script>alert(1)</script>"), index=0).content.decode()
    assert "<li>&lt;script&gt;alert(1)&lt;/script&gt;</li>" in page


def test_once_confirmed_the_selected_rows_are_touched_for_the_reason(admin_client):
    first, second, third = notes(3)
    with capture_events() as events:
        response = confirm(admin_client, first, second)
    assert [(event.entity_id, event.reason, event.actor) for event in events] == [
        (str(first.pk), "reviewed", str(admin_client.user.pk)),
        (str(second.pk), "reviewed", str(admin_client.user.pk)),
    ]
    assert Note.objects.get(pk=first.pk).updated_at > first.updated_at
    assert Note.objects.get(pk=third.pk).updated_at == third.updated_at
    assert told(response, admin_client) == ["2 notes were touched."]


def test_each_touched_object_is_in_the_admins_log(admin_client):
    first, second = notes(2)
    confirm(admin_client, first, second)
    entries = LogEntry.objects.order_by("object_id")
    assert {entry.object_id for entry in entries} == {str(first.pk), str(second.pk)}
    assert {(entry.action_flag, entry.get_change_message(), entry.user) for entry in entries} == {
        (CHANGE, "Touched: reviewed", admin_client.user)
    }


@pytest.mark.parametrize(
    ("reason", "error"), [("", "This field is required."), ("x" * 201, "Ensure this value has at most 200 characters")]
)
def test_a_reason_is_required_and_fits(admin_client, reason, error):
    note = Note.objects.create()
    response = confirm(admin_client, note, reason=reason)
    assert error in response.content.decode()
    assert "errornote" in response.content.decode()
    note.refresh_from_db()
    assert note.created_at == note.updated_at


def test_all_rows_of_the_list_can_be_touched_over_its_pages(admin_client):
    everything = notes(7)
    page = post(admin_client, everything[0], select_across=1, index=0).content.decode()
    assert "<strong>7</strong> notes" in page
    assert '<input type="hidden" name="select_across" value="1">' in page
    response = confirm(admin_client, everything[0], select_across=1)
    assert told(response, admin_client) == ["7 notes were touched."]
    assert LogEntry.objects.count() == 7


def test_all_rows_of_a_filtered_list_are_no_others(admin_client):
    chosen, other = Note.objects.create(amount=1), Note.objects.create(amount=2)
    page = post(admin_client, chosen, query="?amount=1", select_across=1, index=0).content.decode()
    assert "<strong>1</strong> note" in page
    assert 'href="/admin/testapp/note/?amount=1" class="closelink"' in page
    with capture_events() as events:
        confirm(admin_client, chosen, query="?amount=1", select_across=1)
    assert [event.entity_id for event in events] == [str(chosen.pk)]
    assert other.created_at == Note.objects.get(pk=other.pk).updated_at


def test_rows_that_leave_the_filter_by_being_touched_are_touched_all(admin_client, monkeypatch):
    monkeypatch.setattr(touch_action, "_BATCH_SIZE", 2)
    with stamped_at(datetime(2026, 1, 1, tzinfo=UTC)):
        everything = notes(5)
    response = confirm(admin_client, everything[0], query="?updated_age=older", select_across=1)
    assert told(response, admin_client) == ["5 notes were touched."]


def test_a_batch_costs_one_update(admin_client):
    everything = notes(3)
    with CaptureQueriesContext(connections["default"]) as queries:
        confirm(admin_client, *everything)
    assert sum('UPDATE "testapp_note"' in query["sql"].replace("`", '"') for query in queries) == 1


def test_suspended_touches_touch_nothing_and_log_nothing(admin_client):
    with no_touching(Note):
        response = confirm(admin_client, *notes(1))
    assert told(response, admin_client) == ["0 notes were touched."]
    assert not LogEntry.objects.exists()


def test_who_may_not_change_is_not_offered_the_action(viewer_client):
    response = viewer_client.get(reverse("timestamps:testapp_note_changelist"))
    assert "touch_with_reason" not in response.content.decode()


def test_who_may_not_change_cannot_touch(viewer_client):
    note = Note.objects.create()
    with capture_events() as events:
        confirm(viewer_client, note)
    assert events == []


def test_one_object_that_may_not_be_changed_stops_the_touch(admin_client, monkeypatch):
    allowed, forbidden = notes(2)
    monkeypatch.setattr(
        NoteAdmin, "has_change_permission", lambda self, request, obj=None: obj is None or obj.pk != forbidden.pk
    )
    with capture_events() as events:
        assert confirm(admin_client, allowed, forbidden).status_code == 403
    assert events == []
    assert not LogEntry.objects.exists()


def test_who_may_change_can_touch(viewer_client):
    viewer_client.user.user_permissions.add(Permission.objects.get(codename="change_note"))
    note = Note.objects.create()
    with capture_events() as events:
        confirm(viewer_client, note)
    assert [event.actor for event in events] == [str(viewer_client.user.pk)]


def test_a_touch_from_elsewhere_is_refused(admin_client):
    client = Client(enforce_csrf_checks=True)
    client.force_login(admin_client.user)
    assert confirm(client, *notes(1)).status_code == 403


def test_rows_of_another_database_are_touched_there(admin_client):
    remote = Remote.objects.create()
    with capture_events() as events:
        confirm(admin_client, remote, model=Remote)
    assert [event.reason for event in events] == ["reviewed"]


def test_an_admin_that_names_the_action_has_it_once():
    assert ProjectAdmin(Project, site).actions == ["touch_with_reason"]


def test_the_page_can_be_replaced(admin_client):
    response = post(admin_client, Token.objects.create(), model=Token, index=0)
    assert response.template_name == TokenAdmin.touch_confirmation_template
