from datetime import UTC, datetime

import pytest
from django.contrib.admin.models import LogEntry
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.db import connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from django_clean_timestamps.context import stamped_at
from django_clean_timestamps.exceptions import ImmutableTimestampError
from django_clean_timestamps.testing import capture_events
from tests.admin.site import NoteAdmin, site
from tests.otherapp.models import Remote
from tests.testapp.models import (
    Box,
    Careful,
    Category,
    Comment,
    Country,
    Currency,
    Note,
    Project,
    Tag,
    Task,
)

pytestmark = pytest.mark.django_db(databases=["default", "other"])

NOON = datetime(2026, 1, 1, 12, 0, 0, 123456, tzinfo=UTC)
EXACT = '<time datetime="2026-01-01T12:00:00.123456+00:00" title="2026-01-01 12:00:00.123456 UTC">'
REASON_INPUT = 'name="timestamp_reason"'


def url(model, page, *args):
    return reverse(f"timestamps:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


def made_at_noon(model=Note, **fields):
    with stamped_at(NOON):
        return model.objects.create(**fields)


def form_of(client, entity):
    return client.get(url(type(entity), "change", entity.pk))


def above_timeline(response):
    """Return the page as far as the timeline, which has times of its own."""
    above, heading, _ = response.content.decode().partition(">Timeline<")
    assert heading
    return above


def inlines(*, total=0, initial=0, **fields):
    return {"tasks-TOTAL_FORMS": total, "tasks-INITIAL_FORMS": initial, **fields}


# What is shown.


def test_the_change_form_shows_both_stamps_with_the_exact_utc(admin_client):
    assert above_timeline(form_of(admin_client, made_at_noon())).count(EXACT) == 2


def test_the_stamps_are_shown_in_the_viewers_zone(admin_client):
    note = made_at_noon()
    with timezone.override("Asia/Tokyo"):
        page = form_of(admin_client, note).content.decode()
    assert f"{EXACT}Jan. 1, 2026, 9 p.m.</time>" in page


def test_the_stamps_are_shown_without_time_zone_support(admin_client, settings):
    note = made_at_noon()
    settings.USE_TZ = False
    assert EXACT in form_of(admin_client, note).content.decode()


def test_the_stamps_are_no_inputs(admin_client):
    page = form_of(admin_client, made_at_noon()).content.decode()
    assert 'name="created_at' not in page
    assert 'name="updated_at' not in page


def test_the_add_form_shows_no_stamps_and_asks_for_the_reason(admin_client):
    page = admin_client.get(url(Note, "add")).content.decode()
    assert "<time" not in page
    assert REASON_INPUT in page
    assert 'maxlength="200"' in page
    assert "Reason for this change" in page


def test_stamps_and_reason_named_in_fieldsets_stay_where_they_are(admin_client):
    page = above_timeline(form_of(admin_client, made_at_noon(Project)))
    assert page.count(EXACT) == 2
    assert page.count(REASON_INPUT) == 1
    assert page.index(">History<") < page.index(EXACT) < page.index(REASON_INPUT)
    assert ">Timestamps<" not in page


def test_a_stamp_named_in_readonly_fields_is_shown_once(admin_client):
    assert above_timeline(form_of(admin_client, made_at_noon(Task))).count(EXACT) == 2


def test_an_admin_without_fields_shows_every_field_of_its_form(admin_client):
    page = above_timeline(form_of(admin_client, made_at_noon(Tag)))
    assert 'name="name"' in page
    assert 'name="shout"' in page
    assert page.count(EXACT) == 2
    assert page.count(REASON_INPUT) == 1


def test_fieldsets_of_a_subclass_that_leave_the_mixins_out_are_kept(admin_client):
    comment = made_at_noon(Comment, text="a")
    page = form_of(admin_client, comment).content.decode()
    assert "<time" not in page
    assert REASON_INPUT not in page
    assert admin_client.post(url(Comment, "change", comment.pk), {"text": "b"}).status_code == 302
    assert Comment.objects.get().text == "b"


def test_what_another_class_changed_on_the_forms_fields_stays(admin_client):
    assert ">Relabelled" in form_of(admin_client, Category.objects.create()).content.decode()


@pytest.mark.parametrize("model", [Note, Project])
def test_who_may_only_view_sees_the_stamps_and_is_not_asked(viewer_client, model):
    response = form_of(viewer_client, made_at_noon(model))
    assert response.status_code == 200
    assert above_timeline(response).count(EXACT) == 2
    assert b"timestamp_reason" not in response.content


def test_a_model_that_is_no_entity_is_refused():
    class BoxAdmin(NoteAdmin):
        pass

    with pytest.raises(ImproperlyConfigured, match=r"BoxAdmin is a TimestampAdminMixin, and testapp.Box is no"):
        BoxAdmin(Box, site)


# The reason.


def test_a_change_carries_the_reason_and_the_user(admin_client):
    note = Note.objects.create(title="a")
    with capture_events() as events:
        data = {"title": "b", "amount": 0, "timestamp_reason": " typo "}
        assert admin_client.post(url(Note, "change", note.pk), data).status_code == 302
    assert [(event.reason, event.actor) for event in events] == [("typo", str(admin_client.user.pk))]
    assert Note.objects.get().title == "b"


def test_an_addition_carries_the_reason(admin_client):
    with capture_events() as events:
        admin_client.post(url(Note, "add"), {"title": "a", "amount": 0, "timestamp_reason": "asked for"})
    assert [(event.event_type, event.reason) for event in events] == [("timestamp_created", "asked for")]


def test_without_a_reason_the_default_one_stands(admin_client):
    note = Note.objects.create()
    with capture_events() as events:
        admin_client.post(url(Note, "change", note.pk), {"title": "b", "amount": 0})
    assert [(event.reason, event.actor) for event in events] == [("entity_updated", str(admin_client.user.pk))]


def test_a_reason_that_is_too_long_is_an_error_of_the_form(admin_client):
    note = Note.objects.create(title="a")
    data = {"title": "b", "amount": 0, "timestamp_reason": "x" * 201}
    response = admin_client.post(url(Note, "change", note.pk), data)
    assert "timestamp_reason" in response.context["adminform"].form.errors
    assert Note.objects.get().title == "a"


def test_the_inlines_carry_the_same_reason(admin_client):
    project = Project.objects.create(name="a")
    task = Task.objects.create(project=project, title="t")
    data = inlines(
        total=2, initial=1, **{"tasks-0-id": task.pk, "tasks-0-project": project.pk, "tasks-0-title": "changed"}
    )
    data |= {"tasks-1-project": project.pk, "tasks-1-title": "new", "name": "b", "timestamp_reason": "reshuffled"}
    with capture_events() as events:
        assert admin_client.post(url(Project, "change", project.pk), data).status_code == 302
    assert {event.entity_type for event in events} == {"testapp.project", "testapp.task"}
    assert {(event.reason, event.actor) for event in events} == {("reshuffled", str(admin_client.user.pk))}


def test_the_reason_is_no_changed_field_in_the_admins_log(admin_client):
    note = Note.objects.create(title="a")
    admin_client.post(url(Note, "change", note.pk), {"title": "b", "amount": 0, "timestamp_reason": "typo"})
    assert LogEntry.objects.get().get_change_message() == "Changed Title."


def test_a_form_of_the_project_keeps_its_own_fields_and_rules(admin_client):
    with capture_events() as events:
        admin_client.post(url(Tag, "add"), {"name": "a", "shout": "on", "timestamp_reason": "loud"})
    assert Tag.objects.get().name == "A"
    assert [event.reason for event in events] == ["loud"]


def test_a_form_can_ask_for_the_reason_in_its_own_way(admin_client):
    with capture_events() as events:
        assert admin_client.post(url(Country, "add"), {"code": "at"}).status_code == 200
        admin_client.post(url(Country, "add"), {"code": "at", "timestamp_reason": "news"})
    assert [event.reason for event in events] == ["news"]


def test_an_entity_on_another_database_is_changed_there(admin_client):
    with capture_events() as events:
        admin_client.post(url(Remote, "add"), {"name": "a", "timestamp_reason": "far"})
    assert Remote.objects.get().name == "a"
    assert [event.reason for event in events] == ["far"]


def test_a_deletion_carries_the_user(admin_client):
    note = Note.objects.create()
    with capture_events() as events:
        admin_client.post(url(Note, "delete", note.pk), {"post": "yes"})
    assert [(event.reason, event.actor) for event in events] == [("entity_deleted", str(admin_client.user.pk))]


# What is refused.


def test_what_the_entity_refuses_is_an_error_of_the_form(admin_client):
    careful = Careful.objects.create(name="a")
    response = admin_client.post(url(Careful, "change", careful.pk), {"name": "forbidden", "amount": 1})
    assert response.status_code == 200
    assert "this name is forbidden" in response.content.decode()
    assert 'value="forbidden"' in response.content.decode()
    assert Careful.objects.get().name == "a"
    assert not LogEntry.objects.exists()


def test_what_the_entity_refuses_of_an_addition_is_an_error_of_the_form(admin_client):
    response = admin_client.post(url(Careful, "add"), {"name": "forbidden", "amount": 1})
    assert "this name is forbidden" in response.content.decode()
    assert not Careful.objects.exists()


def refusing(error):
    def refuse(self):
        raise error

    return refuse


def test_an_error_of_a_field_stands_at_the_field(admin_client, monkeypatch):
    error = ValidationError({"name": "not today", "checked_at": "nor then"})
    monkeypatch.setattr(Careful, "_validate_entity", refusing(error))
    response = admin_client.post(url(Careful, "add"), {"name": "a", "amount": 1})
    errors = response.context["adminform"].form.errors
    assert errors == {"name": ["not today"], "__all__": ["nor then"]}


def test_an_attempt_at_created_at_is_an_error_of_the_form(admin_client, monkeypatch):
    monkeypatch.setattr(Careful, "_validate_entity", refusing(ImmutableTimestampError("created_at stays")))
    response = admin_client.post(url(Careful, "add"), {"name": "a", "amount": 1})
    assert response.context["adminform"].form.errors == {"__all__": ["created_at stays"]}


def test_a_refused_inline_takes_the_whole_change_back(admin_client, monkeypatch):
    project = Project.objects.create(name="a")
    monkeypatch.setattr(Task, "_validate_entity", refusing(ValidationError("no tasks today")))
    data = inlines(total=1, **{"tasks-0-project": project.pk, "tasks-0-title": "new", "name": "b"})
    response = admin_client.post(url(Project, "change", project.pk), data)
    assert "no tasks today" in response.content.decode()
    assert Project.objects.get().name == "a"


def test_a_form_without_the_mixins_raises_what_is_refused(admin_client, monkeypatch):
    monkeypatch.setattr(Currency, "_validate_entity", refusing(ValidationError("no")))
    with pytest.raises(ValidationError, match="no"):
        admin_client.post(url(Currency, "add"), {"code": "EUR", "name": "Euro"})


def test_an_error_while_a_form_is_shown_stays_an_error(admin_client, monkeypatch):
    monkeypatch.setattr(NoteAdmin, "get_object", lambda self, *args: refusing(ValidationError("no"))(self))
    with pytest.raises(ValidationError, match="no"):
        form_of(admin_client, Note.objects.create())


def test_a_refused_deletion_is_a_message(admin_client, monkeypatch):
    note = Note.objects.create()
    monkeypatch.setattr(Note, "delete", refusing(ValidationError(["not now", "not ever"])))
    response = admin_client.post(url(Note, "delete", note.pk), {"post": "yes"}, follow=True)
    assert [str(message) for message in response.context["messages"]] == ["not now not ever"]
    assert Note.objects.exists()
    assert not LogEntry.objects.exists()


def test_the_form_costs_no_more_queries_than_without_the_mixin(admin_client):
    note = Note.objects.create()
    with CaptureQueriesContext(connections["default"]) as queries:
        form_of(admin_client, note)
    assert sum("testapp_note" in query["sql"] for query in queries) == 1


def test_the_posts_are_protected_against_forgery(admin_client):
    client = Client(enforce_csrf_checks=True)
    client.force_login(admin_client.user)
    assert client.post(url(Note, "add"), {"title": "a", "amount": 0}).status_code == 403
