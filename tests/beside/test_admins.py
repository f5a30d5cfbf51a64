"""The admins of import-export, simple-history, reversion and unfold with our mixin: every page answers, and tells."""

import copy
import re
from pathlib import Path

import pytest
import reversion
import unfold
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from reversion.models import Version

from django_clean_timestamps.testing import capture_events
from tests.beside.stories import stamps, told
from tests.besideapp.models import Book, Page, PageNoStamps, Poll, Shelf

pytestmark = [
    pytest.mark.django_db,
    # On Django 6.1: unfold's actions, and simple-history's list of a model without foreign keys.
    pytest.mark.filterwarnings("ignore:Overriding get_action_choices"),
    pytest.mark.filterwarnings("ignore:Calling select_related.. with no arguments"),
]

MODELS = [Book, Page, Poll, Shelf]
in_every_admin = pytest.mark.parametrize(
    "model", MODELS, ids=["import-export", "reversion", "simple-history", "unfold"]
)


@pytest.fixture(autouse=True)
def unfold_where_it_is_meant(request, settings):
    """Serve unfold's site, with its templates, where the test is about its model."""
    if "model" in request.fixturenames and request.getfixturevalue("model") is Shelf:
        templates = copy.deepcopy(settings.TEMPLATES)
        # As in a project that lists unfold before Django's admin.
        templates[0]["DIRS"] = [Path(unfold.__file__).parent / "templates"]
        settings.TEMPLATES = templates
        settings.ROOT_URLCONF = "tests.beside.unfold_urls"


@pytest.fixture
def row(model):
    return make(model, "one")


def make(model, text):
    with reversion.create_revision():
        return model.objects.create(**fields(model, text))


def fields(model, text):
    return {model.text_field: text, **({"isbn": text, "pages": 0} if model is Book else {})}


def url(model, page, *args):
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


def shown(response):
    """Return the exact times that a page shows above its timeline."""
    above, _, _ = response.content.decode().partition('class="timestamp-events"')
    return re.findall(r'<time[^>]* datetime="([^"]+)"', above)


def exactly(row):
    return [stamp.isoformat() for stamp in stamps(row)]


# Every admin


@in_every_admin
def test_the_list_shows_the_stamps(admin_client, model, row):
    response = admin_client.get(url(model, "changelist"))
    assert response.status_code == 200
    assert shown(response) == exactly(row)


@in_every_admin
def test_the_change_form_shows_the_stamps(admin_client, model, row):
    response = admin_client.get(url(model, "change", row.pk))
    assert response.status_code == 200
    assert shown(response) == exactly(row)


@in_every_admin
@pytest.mark.parametrize("page", ["history", "delete"])
def test_a_page_of_the_row_answers(admin_client, model, row, page):
    assert admin_client.get(url(model, page, row.pk)).status_code == 200


@in_every_admin
def test_the_add_form_answers(admin_client, model):
    assert admin_client.get(url(model, "add")).status_code == 200


@in_every_admin
def test_the_list_is_filtered_by_age(admin_client, model, row):
    response = admin_client.get(url(model, "changelist"), {"updated_age": "older"})
    assert response.status_code == 200
    assert shown(response) == []


@in_every_admin
def test_an_addition_is_recorded_with_its_reason_and_user(admin_client, admin_user, model):
    with capture_events() as events:
        response = admin_client.post(url(model, "add"), {**fields(model, "one"), "timestamp_reason": "new"})
    assert response.status_code == 302
    row = model.objects.get()
    assert told(events) == [("created", model._meta.model_name, str(row.pk))]
    assert (events[0].reason, events[0].actor) == ("new", str(admin_user.pk))
    assert row.created_at == row.updated_at


@in_every_admin
def test_a_change_is_recorded_with_its_reason_and_user(admin_client, admin_user, model, row):
    created_at, before = stamps(row)
    with capture_events() as events:
        response = admin_client.post(url(model, "change", row.pk), {**fields(model, "two"), "timestamp_reason": "typo"})
    assert response.status_code == 302
    assert told(events) == [("updated", model._meta.model_name, str(row.pk))]
    assert (events[0].reason, events[0].actor) == ("typo", str(admin_user.pk))
    assert stamps(row)[0] == created_at
    assert stamps(row)[1] > before


@in_every_admin
def test_what_the_entity_refuses_is_an_error_of_the_form(admin_client, model, row):
    before = stamps(row)
    with capture_events() as events:
        response = admin_client.post(url(model, "change", row.pk), fields(model, "forbidden"))
    assert response.status_code == 200
    assert "This is forbidden." in response.content.decode()
    assert events == []
    assert stamps(row) == before


@in_every_admin
def test_the_action_asks_for_a_reason(admin_client, model, row):
    selection = {"action": "touch_with_reason", ACTION_CHECKBOX_NAME: [row.pk]}
    with capture_events() as events:
        response = admin_client.post(url(model, "changelist"), selection)
    assert response.status_code == 200
    assert "timestamp_reason" in response.content.decode()
    assert events == []


@in_every_admin
def test_the_action_touches_with_the_reason(admin_client, model, row):
    before = stamps(row)[1]
    selection = {"action": "touch_with_reason", ACTION_CHECKBOX_NAME: [row.pk]}
    with capture_events() as events:
        response = admin_client.post(
            url(model, "changelist"), {**selection, "post": "yes", "timestamp_reason": "reviewed"}
        )
    assert response.status_code == 302
    assert told(events) == [("updated", model._meta.model_name, str(row.pk))]
    assert events[0].reason == "reviewed"
    assert stamps(row)[1] > before


@in_every_admin
def test_a_deletion_is_recorded_with_its_user(admin_client, admin_user, model, row):
    with capture_events() as events:
        assert admin_client.post(url(model, "delete", row.pk), {"post": "yes"}).status_code == 302
    assert told(events) == [("deleted", model._meta.model_name, str(row.pk))]
    assert events[0].actor == str(admin_user.pk)


@in_every_admin
def test_a_deletion_of_the_selected_is_recorded(admin_client, model, row):
    selection = {"action": "delete_selected", ACTION_CHECKBOX_NAME: [row.pk], "post": "yes"}
    with capture_events() as events:
        assert admin_client.post(url(model, "changelist"), selection).status_code == 302
    assert told(events) == [("deleted", model._meta.model_name, str(row.pk))]


# import-export


def upload(client, text):
    """Upload a CSV file and confirm it."""
    resource = {"format": "0", "resource": ""}
    upload = SimpleUploadedFile("books.csv", text.encode(), content_type="text/csv")
    response = client.post(url(Book, "import"), {**resource, "import_file": upload})
    assert response.status_code == 200
    assert "confirm_form" in response.context, response.context["form"].errors
    return client.post(url(Book, "process_import"), response.context["confirm_form"].initial, follow=True)


def test_the_import_and_export_pages_answer(admin_client):
    Book.objects.create(isbn="1")
    assert admin_client.get(url(Book, "import")).status_code == 200
    assert admin_client.get(url(Book, "export")).status_code == 200


def test_an_upload_in_the_admin_stamps_and_records(admin_client):
    book = Book.objects.create(isbn="1", title="one")
    before = stamps(book)
    with capture_events() as events:
        response = upload(admin_client, f"id,isbn,title,pages\n{book.pk},1,uno,1\n,2,two,2\n")
    assert response.status_code == 200
    new = Book.objects.get(isbn="2")
    assert told(events) == [("updated", "book", str(book.pk)), ("created", "book", str(new.pk))]
    assert stamps(book)[0] == before[0]
    assert stamps(book)[1] > before[1]


def test_an_upload_that_the_entity_refuses_is_shown_and_writes_nothing(admin_client):
    file = SimpleUploadedFile("books.csv", b"isbn,title\n1,forbidden\n", content_type="text/csv")
    response = admin_client.post(url(Book, "import"), {"format": "0", "resource": "", "import_file": file})
    assert response.status_code == 200
    assert "This is forbidden." in response.content.decode()
    assert not Book.objects.exists()


# simple-history


def old_poll():
    """Make a poll that was changed, and return it with the key of its first history row."""
    poll = Poll.objects.create(question="one")
    poll.question = "two"
    poll.save()
    return poll, Poll.history.earliest().pk


def test_an_old_form_of_simple_history_answers(admin_client):
    poll, history_id = old_poll()
    response = admin_client.get(url(Poll, "simple_history", poll.pk, history_id))
    assert response.status_code == 200
    row = Poll.history.get(pk=history_id)
    assert shown(response) == [row.created_at.isoformat(), row.updated_at.isoformat()]


def test_a_change_in_the_admin_leaves_one_history_row(admin_client):
    poll = Poll.objects.create(question="one")
    admin_client.post(url(Poll, "change", poll.pk), {"question": "two"})
    assert [row.updated_at for row in Poll.history.order_by("-history_id")] == [stamps(poll)[1], poll.updated_at]


def test_a_revert_in_simple_historys_admin_is_recorded_and_keeps_created_at(admin_client):
    poll, history_id = old_poll()
    with capture_events() as events:
        response = admin_client.post(url(Poll, "simple_history", poll.pk, history_id), {"question": "one"})
    assert response.status_code == 302
    assert told(events) == [("updated", "poll", str(poll.pk))]
    assert Poll.objects.get().question == "one"
    assert stamps(poll)[0] == poll.created_at


def test_a_revert_in_simple_historys_admin_stamps_now(admin_client):
    poll, history_id = old_poll()
    before = stamps(poll)[1]
    admin_client.post(url(Poll, "simple_history", poll.pk, history_id), {"question": "one"})
    assert stamps(poll)[1] > before


# reversion


with_and_without_stamps = pytest.mark.parametrize("model", [Page, PageNoStamps])


def old_page(model):
    """Make a page that was changed, and return it with the key of its first version."""
    page = make(model, "one")
    with reversion.create_revision():
        page.title = "two"
        page.save()
    return page, Version.objects.get_for_object(page).earliest("pk").pk


@with_and_without_stamps
def test_the_pages_of_reversion_answer(admin_client, model):
    page, version_id = old_page(model)
    assert admin_client.get(url(model, "recoverlist")).status_code == 200
    assert admin_client.get(url(model, "revision", page.pk, version_id)).status_code == 200
    page.delete()
    version_id = Version.objects.get_deleted(model).get().pk
    assert admin_client.get(url(model, "recover", version_id)).status_code == 200


@with_and_without_stamps
def test_looking_at_a_version_writes_nothing(admin_client, model):
    page, version_id = old_page(model)
    before = stamps(page)
    with capture_events() as events:
        admin_client.get(url(model, "revision", page.pk, version_id))
    assert events == []
    assert stamps(page) == before


@with_and_without_stamps
def test_a_revert_in_reversions_admin_is_recorded_with_its_reason_and_stamps_now(admin_client, model):
    page, version_id = old_page(model)
    created_at, before = stamps(page)
    with capture_events() as events:
        response = admin_client.post(
            url(model, "revision", page.pk, version_id), {"title": "one", "timestamp_reason": "undone"}
        )
    assert response.status_code == 302
    assert told(events) == [("updated", model._meta.model_name, str(page.pk))]
    assert events[0].reason == "undone"
    assert model.objects.get().title == "one"
    assert stamps(page)[0] == created_at
    assert stamps(page)[1] > before


@with_and_without_stamps
def test_a_page_recovered_in_reversions_admin_is_recorded(admin_client, model):
    page = make(model, "one")
    key, before = page.pk, page.updated_at
    page.delete()
    version_id = Version.objects.get_deleted(model).get().pk
    with capture_events() as events:
        response = admin_client.post(url(model, "recover", version_id), {"title": "one"})
    assert response.status_code == 302
    # The row comes back raw, which is told to nobody; the form then saves it.
    assert told(events) == [("updated", model._meta.model_name, str(key))]
    assert model.objects.get(pk=key).updated_at > before
