from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.models import LogEntry
from django.core.exceptions import ValidationError
from django.db import connections
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from django_clean_timestamps.admin.display import show_stamp
from django_clean_timestamps.clocks import read_clock
from django_clean_timestamps.context import stamped_at
from django_clean_timestamps.testing import capture_events
from tests.admin.site import CarefulAdmin
from tests.testapp.models import Careful, Comment, Note, Project, Tag

pytestmark = pytest.mark.django_db(databases=["default", "other"])

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
EXACT = 'title="2026-01-01 12:00:00.000000 UTC"'


def list_of(client, model=Note, **parameters):
    return client.get(reverse(f"timestamps:testapp_{model._meta.model_name}_changelist"), parameters)


def titles(response):
    return [note.title for note in response.context["cl"].result_list]


def made(title, age):
    with stamped_at(read_clock() - age):
        return Note.objects.create(title=title)


@pytest.fixture
def ages(db):
    made("minutes", timedelta(minutes=5))
    made("hours", timedelta(hours=5))
    made("days", timedelta(days=5))
    made("weeks", timedelta(days=20))
    made("months", timedelta(days=40))


def test_the_list_shows_both_stamps_after_the_admins_columns(admin_client):
    with stamped_at(NOON):
        Note.objects.create()
    response = list_of(admin_client)
    assert response.content.decode().count(EXACT) == 2
    assert response.context["cl"].list_display[1:] == ["title", "amount", "timestamp_created", "timestamp_updated"]


def test_a_stamp_named_in_list_display_is_shown_there_alone(admin_client):
    with stamped_at(NOON):
        project = Project.objects.create(name="a")
    response = list_of(admin_client, Project)
    page = response.content.decode()
    assert page.count(EXACT) == 1
    assert response.context["cl"].list_display_links == ["timestamp_updated"]
    assert f'<a href="/admin/testapp/project/{project.pk}/change/"><time' in page


def test_the_list_can_be_sorted_by_a_stamp(admin_client):
    made("new", timedelta(days=1))
    made("old", timedelta(days=2))
    assert titles(list_of(admin_client, o="4")) == ["old", "new"]
    assert titles(list_of(admin_client, o="-4")) == ["new", "old"]


def test_a_stamp_named_in_sortable_by_can_be_sorted_by(admin_client):
    Project.objects.create()
    page = list_of(admin_client, Project).content.decode()
    assert "sortable column-timestamp_updated" in page
    assert "sortable column-name" not in page


def test_columns_and_filters_can_be_left_out(admin_client):
    Comment.objects.create()
    response = list_of(admin_client, Comment)
    assert "<time" not in response.content.decode()
    assert not response.context["cl"].has_filters


def test_the_age_filters_come_after_the_admins_own(admin_client):
    made("a", timedelta(0))
    filters = list_of(admin_client).context["cl"].filter_specs
    assert [str(each.title) for each in filters] == ["amount", "last update", "creation"]
    assert [str(choice["display"]) for choice in filters[1].choices(list_of(admin_client).context["cl"])] == [
        "All",
        "Past hour",
        "Past day",
        "Past week",
        "Past month",
        "Older",
    ]


@pytest.mark.usefixtures("ages")
@pytest.mark.parametrize("parameter", ["updated_age", "created_age"])
@pytest.mark.parametrize(
    ("age", "expected"),
    [
        ("hour", {"minutes"}),
        ("day", {"minutes", "hours"}),
        ("week", {"minutes", "hours", "days"}),
        ("month", {"minutes", "hours", "days", "weeks"}),
        ("older", {"months"}),
    ],
)
def test_a_filter_shows_the_rows_of_its_age(admin_client, parameter, age, expected):
    response = list_of(admin_client, all="", **{parameter: age})
    assert set(titles(response)) == expected


@pytest.mark.usefixtures("ages")
@pytest.mark.parametrize("age", ["", "century"])
def test_an_unknown_age_shows_all_rows(admin_client, age):
    assert list_of(admin_client, updated_age=age).context["cl"].result_count == 5


@pytest.mark.usefixtures("ages")
def test_the_two_filters_look_at_their_own_stamp(admin_client):
    Note.objects.get(title="months").touch("read again")
    assert list_of(admin_client, updated_age="hour", created_age="older").context["cl"].result_count == 1


@pytest.mark.usefixtures("ages")
def test_the_filters_count_their_facets(admin_client):
    assert "Past hour (1)" in list_of(admin_client, _facets="True").content.decode()


def test_a_filter_compares_the_column_itself(admin_client):
    with CaptureQueriesContext(connections["default"]) as queries:
        list_of(admin_client, updated_age="day")
    (rows,) = (query["sql"] for query in queries if "updated_at" in query["sql"] and "COUNT(" not in query["sql"])
    assert "updated_at" in rows.split("WHERE")[1].split(">=")[0]


def test_an_edit_in_place_carries_the_user(admin_client):
    note = Note.objects.create(title="a")
    with capture_events() as events:
        data = {
            "form-TOTAL_FORMS": 1,
            "form-INITIAL_FORMS": 1,
            "form-0-id": note.pk,
            "form-0-amount": 7,
            "_save": "Save",
        }
        admin_client.post(reverse("timestamps:testapp_note_changelist"), data)
    assert Note.objects.get().amount == 7
    assert [(event.reason, event.actor) for event in events] == [("entity_updated", str(admin_client.user.pk))]


def test_an_edit_in_place_that_is_refused_is_a_message(admin_client):
    careful = Careful.objects.create(name="a")
    data = {
        "form-TOTAL_FORMS": 1,
        "form-INITIAL_FORMS": 1,
        "form-0-id": careful.pk,
        "form-0-name": "forbidden",
        "_save": "Save",
    }
    response = admin_client.post(reverse("timestamps:testapp_careful_changelist"), data, follow=True)
    assert [str(message) for message in response.context["messages"]] == ["this name is forbidden"]
    assert Careful.objects.get().name == "a"
    assert not LogEntry.objects.exists()


def test_an_error_while_the_list_is_shown_stays_an_error(admin_client, monkeypatch):
    def refuse(self, request):
        raise ValidationError("no")

    monkeypatch.setattr(CarefulAdmin, "get_queryset", refuse)
    with pytest.raises(ValidationError, match="no"):
        list_of(admin_client, Careful)


def test_selected_rows_are_deleted_by_the_user(admin_client):
    note = Note.objects.create()
    with capture_events() as events:
        data = {"action": "delete_selected", ACTION_CHECKBOX_NAME: note.pk, "post": "yes"}
        admin_client.post(reverse("timestamps:testapp_note_changelist"), data)
    assert [(event.event_type, event.actor) for event in events] == [("timestamp_deleted", str(admin_client.user.pk))]


def test_an_admin_without_actions_stays_without(admin_client):
    Tag.objects.create(name="a")
    response = list_of(admin_client, Tag)
    assert response.context["action_form"] is None
    assert response.context["cl"].list_display_links is None


def test_no_stamp_is_shown_as_nothing():
    assert show_stamp(None) is None
