import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.db import transaction
from django.test import RequestFactory
from django.urls import reverse

from django_clean_timestamps.admin import TimestampAdminMixin
from django_clean_timestamps.admin.timeline import TIMELINE_LENGTH, render_timeline
from django_clean_timestamps.context import timestamp_context
from django_clean_timestamps.eventlog.models import Event, LogHead, Pending
from django_clean_timestamps.testing import drain_all
from tests.admin.log import place, shown
from tests.admin.site import AttachmentAdmin, NoteAdmin, bare_site, site
from tests.eventlog.log import dropped, statements
from tests.otherapp.models import Remote
from tests.testapp.models import Animal, Attachment, Comment, Dog, Note, Product, Project

databases = pytest.mark.django_db(databases=["default", "other"])

TABLE = 'class="timestamp-events"'
STORY = "All events of this entity"


def page_of(client, entity, *, name="timestamps", model=None, **data):
    opts = (model or type(entity))._meta
    url = reverse(f"{name}:{opts.app_label}_{opts.model_name}_change", args=[entity.pk])
    response = client.post(url, data) if data else client.get(url)
    assert response.status_code == 200
    return response.content.decode()


def timeline_of(client, entity, **options):
    """Return the rows of the page's timeline."""
    _, found, below = page_of(client, entity, **options).partition(TABLE)
    assert found
    return below.partition("<tbody>")[2].partition("</tbody>")[0]


# What is shown.


@databases
def test_the_change_form_tells_the_events_newest_first(admin_client):
    with timestamp_context(reason="new", actor="anna"):
        note = Note.objects.create()
    drain_all()
    with timestamp_context(reason="looked at", actor="bob"):
        note.touch()
    Note.objects.create()
    rows = timeline_of(admin_client, note)
    assert rows.count("<tr>") == 2
    words = [">updated<", ">looked at<", ">bob<", ">created<", ">new<", ">anna<"]
    assert sorted(words, key=rows.index) == words
    assert f"{note.updated_at:%Y-%m-%d %H:%M:%S.%f} UTC" in rows


@databases
def test_a_long_story_is_told_by_its_newest_events(admin_client):
    note = Note.objects.create()
    place(*range(1, TIMELINE_LENGTH + 2), entity_id=str(note.pk))
    rows = timeline_of(admin_client, note)
    assert rows.count("<tr>") == TIMELINE_LENGTH
    assert "/event/3/" in rows
    assert "/event/2/" not in rows


@databases
def test_what_events_say_is_escaped(admin_client):
    note = Note.objects.create()
    note.touch("<script>alert(1)</script>")
    assert "&lt;script&gt;alert(1)" in timeline_of(admin_client, note)


@databases
def test_a_row_without_events_says_so(admin_client):
    note = Note.objects.create()
    Pending.objects.all().delete()
    page = page_of(admin_client, note)
    assert TABLE not in page
    assert "No events in the log." in page


@databases
def test_a_multi_table_tree_has_one_timeline(admin_client):
    dog = Dog.objects.create(name="Rex")
    Animal.objects.get(pk=dog.pk).touch("as an animal")
    for model in (Dog, Animal):
        rows = timeline_of(admin_client, dog, model=model)
        assert rows.count("<tr>") == 2
        assert ">as an animal<" in rows


@databases
def test_an_identity_of_the_models_own_is_used(admin_client):
    product = Product.objects.create(sku="7")
    assert timeline_of(admin_client, product).count("<tr>") == 1


@databases
def test_what_is_typed_into_the_form_does_not_change_whose_timeline_it_is(admin_client):
    product = Product.objects.create(sku="7")
    Product.objects.create(sku="8")
    rows = timeline_of(admin_client, product, sku="8", timestamp_reason="")
    assert rows.count("<tr>") == 1


@databases
def test_the_timeline_is_read_from_the_database_of_the_row(admin_client):
    remote = Remote.objects.create()
    place(1, entity_type="otherapp.remote", entity_id=str(remote.pk), reason="elsewhere")
    rows = timeline_of(admin_client, remote)
    assert rows.count("<tr>") == 1
    assert "elsewhere" not in rows


@databases
def test_an_object_of_no_database_has_that_of_its_model():
    remote = Remote.objects.create()
    page = render_timeline(site, Remote(pk=remote.pk))
    assert page.count("<tr>") == 2
    assert STORY not in page


@databases
def test_who_may_view_the_object_sees_its_timeline(viewer_client):
    note = Note.objects.create()
    assert timeline_of(viewer_client, note).count("<tr>") == 1


# Where it is shown.


@databases
def test_the_timeline_comes_last(admin_client):
    page = page_of(admin_client, Note.objects.create())
    headings = [">Timestamps<", 'name="timestamp_reason"', ">Timeline<", TABLE]
    assert sorted(headings, key=page.index) == headings


@databases
def test_named_in_fieldsets_it_stays_where_it_is(admin_client):
    page = page_of(admin_client, Animal.objects.create())
    assert page.index(">First<") < page.index(TABLE) < page.index('name="name"')
    assert page.count(TABLE) == 1
    assert ">Timeline<" not in page


@databases
def test_it_can_be_switched_off_also_where_it_is_named(admin_client, monkeypatch):
    attachment = Attachment.objects.create()
    page = page_of(admin_client, attachment)
    assert "timestamp-events" not in page
    assert ">Timeline<" not in page
    monkeypatch.setattr(AttachmentAdmin, "timestamp_timeline", True)
    assert page_of(admin_client, attachment).count(TABLE) == 1


@databases
@pytest.mark.parametrize("name", ["note", "animal"])
def test_the_add_form_has_none(admin_client, name):
    page = admin_client.get(reverse(f"timestamps:testapp_{name}_add")).content.decode()
    assert "timeline" not in page.lower()
    assert ">First<" not in page


@databases
def test_a_fieldset_that_the_project_left_empty_stays(admin_client, monkeypatch):
    monkeypatch.setattr(NoteAdmin, "fields", None)
    monkeypatch.setattr(NoteAdmin, "fieldsets", [("Empty", {"fields": []}), (None, {"fields": ["title"]})])
    page = page_of(admin_client, Note.objects.create())
    assert ">Empty<" in page
    assert page.count(TABLE) == 1


@databases
def test_fieldsets_of_a_subclass_that_leave_it_out_are_kept(admin_client):
    assert "timestamp-events" not in page_of(admin_client, Comment.objects.create(text="a"))


@databases
def test_a_subclass_can_place_it_by_the_name_of_its_method(admin_client, rf):
    class OwnAdmin(TimestampAdminMixin, admin.ModelAdmin):
        def get_fieldsets(self, request, obj=None):
            return [(None, {"fields": ["title", "timestamp_story"]})]

    note = Note.objects.create()
    request = rf.get("/")
    request.user = admin_client.user
    response = OwnAdmin(Note, site).change_view(request, str(note.pk))
    page = response.render().content.decode()
    assert page.count(TABLE) == 1
    assert STORY not in page


@databases
def test_its_style_comes_beside_the_projects_own():
    class StyledAdmin(TimestampAdminMixin, admin.ModelAdmin):
        class Media:
            css = {"all": ["own.css"]}

    media = str(StyledAdmin(Note, site).media)
    assert "own.css" in media
    assert "clean_timestamps/admin.css" in media


# Where it leads.


@databases
def test_the_timeline_leads_to_the_event_log(admin_client):
    note = Note.objects.create()
    drain_all()
    note.touch("now")
    page = page_of(admin_client, note)
    assert f"/event/{Event.objects.get().position}/change/" in page
    story = f"/admin/clean_timestamps/event/?database=default&amp;entity_type=testapp.note&amp;entity_id={note.pk}"
    assert f'<a href="{story}">{STORY}</a>' in page
    assert len(shown(admin_client.get(story.replace("&amp;", "&")))) == 2


@pytest.mark.parametrize(
    ("permissions", "is_link"),
    [
        (["view_note"], False),
        (["view_note", "view_event"], True),
        (["change_note", "view_event"], False),
    ],
)
@databases
def test_only_who_may_see_the_events_there_is_led_there(client, permissions, is_link):
    user = User.objects.create_user("ann", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client.force_login(user)
    note = Note.objects.create()
    drain_all()
    page = page_of(client, note)
    assert page.count(TABLE) == 1
    assert (STORY in page, "/event/" in page.partition(TABLE)[2]) == (is_link, is_link)


@databases
def test_a_site_without_the_event_log_has_timelines_without_links(admin_client):
    note = Note.objects.create()
    page = page_of(admin_client, note, name="bare")
    assert page.count(TABLE) == 1
    assert STORY not in page


@databases
def test_an_event_admin_of_the_project_is_not_led_to(admin_client, monkeypatch):
    monkeypatch.setitem(site._registry, Event, admin.ModelAdmin(Event, site))
    assert STORY not in page_of(admin_client, Note.objects.create())


# What it costs.


@databases
@pytest.mark.parametrize("model", [Note, Dog, Project])
def test_it_costs_two_queries(admin_client, monkeypatch, model):
    entity = model.objects.create()
    drain_all()
    entity.touch()
    drain_all()
    entity.touch()
    # The first look writes what the test's own transaction has pending, and finds the content type for later ones.
    page_of(admin_client, entity)
    with statements() as found:
        page_of(admin_client, entity)
    monkeypatch.setattr(type(site.get_model_admin(model)), "timestamp_timeline", False)
    with statements() as without:
        page_of(admin_client, entity)
    assert len(found) - len(without) == 2
    assert not [sql for sql in without if "clean_timestamps_" in sql]


@databases
def test_templates_that_ask_for_it_again_cost_no_more():
    note = Note.objects.create()
    drain_all()
    request = request_of()
    model_admin = site.get_model_admin(Note)
    model_admin.get_fieldsets(request, note)
    with statements() as found:
        first, second = model_admin.timestamp_story(note), model_admin.timestamp_story(note)
    assert first == second
    assert len(found) == 2


# Where there is no log.


def request_of(path="/"):
    request = RequestFactory().get(path)
    request.user = User(pk=1, username="ada", is_staff=True, is_active=True, is_superuser=True)
    return request


@pytest.mark.parametrize("model", [Pending, Event])
@pytest.mark.parametrize("is_atomic", [True, False])
def test_a_missing_table_is_a_line_of_explanation(committing, model, is_atomic):
    note = Note.objects.create()
    with dropped(model, LogHead), transaction.atomic() if is_atomic else transaction.atomic("other"):
        response = NoteAdmin(Note, bare_site).change_view(request_of(), str(note.pk))
        page = response.render().content.decode()
        assert Note.objects.count() == 1
    assert "The database “default” has no event log" in page
    assert TABLE not in page


@pytest.mark.parametrize("model", [Pending, Event])
@pytest.mark.parametrize("is_atomic", [True, False])
def test_the_log_without_tables_says_what_to_do(committing, model, is_atomic):
    log = site.get_model_admin(Event)
    with dropped(model, LogHead), transaction.atomic() if is_atomic else transaction.atomic("other"):
        response = log.changelist_view(request_of()).render()
        assert Note.objects.count() == 0
    assert response.status_code == 200
    assert "manage.py migrate clean_timestamps --database default" in response.content.decode()


def test_an_event_without_tables_says_what_to_do(committing):
    with dropped(Event):
        response = site.get_model_admin(Event).change_view(request_of(), "1").render()
    assert "manage.py migrate clean_timestamps --database default" in response.content.decode()
    assert 'timestamp-event"' not in response.content.decode()
