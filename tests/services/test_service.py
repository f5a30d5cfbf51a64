import threading
from datetime import UTC, datetime, timedelta

import pytest
from asgiref.sync import async_to_sync
from django.core.exceptions import FieldError, ValidationError
from django.db import connections, transaction
from django.db.models import F
from django.test.utils import CaptureQueriesContext

from django_clean_timestamps.context import stamped_at, timestamp_context
from django_clean_timestamps.services import BaseTimestampService
from django_clean_timestamps.testing import capture_events
from tests.otherapp.models import Remote
from tests.testapp.models import Currency, Document, Note, Project, Task, Token

pytestmark = pytest.mark.django_db(databases=["default", "other"])

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


class NoteService(BaseTimestampService[Note]):
    def _validate_business_rules(self, data, entity=None):
        if data.get("title") == "forbidden":
            raise ValidationError({"title": "This title is forbidden."})
        if entity is not None and entity.amount == 13:
            entity.title = "lucky"

    def _validate_deletion_allowed(self, entity):
        if entity.title == "kept":
            raise ValidationError("It is needed.")


class RemoteService(BaseTimestampService[Remote]):
    pass


class TaskService(BaseTimestampService[Task]):
    pass


notes = NoteService()


def test_create_returns_the_saved_entity():
    note = notes.create_entity({"title": "a"})
    assert Note.objects.get() == note
    assert note.title == "a"


def test_create_takes_a_foreign_key_as_entity_or_as_key():
    project = Project.objects.create()
    tasks = TaskService()
    assert tasks.create_entity({"project": project}).project_id == project.pk
    assert tasks.create_entity({"project_id": project.pk}).project == project


def test_create_takes_a_primary_key():
    class CurrencyService(BaseTimestampService[Currency]):
        pass

    assert CurrencyService().create_entity({"code": "EUR"}).pk == "EUR"
    assert CurrencyService().create_entity({"pk": "USD"}).code == "USD"


def test_create_gives_the_contexts_reason():
    with capture_events() as events, timestamp_context(reason="imported"):
        notes.create_entity({})
    assert [event.reason for event in events] == ["imported"]


def test_unknown_keys_of_a_creation_are_named():
    with pytest.raises(FieldError, match=r"testapp\.Note has no field colour, tags; its fields are amount, "):
        notes.create_entity({"colour": 1, "title": "a", "tags": 2})


def test_unknown_keys_of_an_update_are_named_and_nothing_is_read():
    with pytest.raises(FieldError, match="has no field colour"):
        notes.update_entity(0, {"colour": 1})


def test_a_broken_rule_stops_a_creation():
    with pytest.raises(ValidationError, match="This title is forbidden"):
        notes.create_entity({"title": "forbidden"})
    assert not Note.objects.exists()


def test_a_broken_rule_stops_an_update():
    note = Note.objects.create(title="a")
    with pytest.raises(ValidationError):
        notes.update_entity(note.pk, {"title": "forbidden"})
    assert Note.objects.get().title == "a"


def test_after_a_broken_rule_the_callers_transaction_goes_on():
    with transaction.atomic():
        with pytest.raises(ValidationError):
            notes.create_entity({"title": "forbidden"})
        notes.create_entity({"title": "allowed"})
    assert Note.objects.get().title == "allowed"


def test_get_returns_the_entity():
    note = Note.objects.create()
    assert notes.get_entity(note.pk) == note


@pytest.mark.parametrize(
    "call",
    [
        lambda: notes.get_entity(0),
        lambda: notes.update_entity(0, {"title": "b"}),
        lambda: notes.touch_entity(0, "reviewed"),
        lambda: notes.delete_entity(0),
    ],
)
def test_what_is_missing_raises_does_not_exist(call):
    with pytest.raises(Note.DoesNotExist):
        call()


def test_update_returns_the_changed_entity():
    note = Note.objects.create(title="a")
    changed = notes.update_entity(note.pk, {"title": "b"})
    assert changed.title == "b"
    assert Note.objects.get().title == "b"
    assert changed.updated_at > note.updated_at


def test_update_gives_its_reason_to_the_event():
    note = Note.objects.create()
    with capture_events() as events:
        notes.update_entity(note.pk, {"title": "b"}, touch_reason="renamed")
        notes.update_entity(note.pk, {"title": "c"})
    assert [event.reason for event in events] == ["renamed", "entity_updated"]


def test_update_writes_only_what_changed():
    note = Note.objects.create(title="a", amount=1)
    with CaptureQueriesContext(connections["default"]) as queries:
        notes.update_entity(note.pk, {"title": "a", "amount": 2})
    (update,) = (query["sql"] for query in queries if query["sql"].startswith("UPDATE"))
    assert "amount" in update
    assert "title" not in update


def test_an_update_that_changes_nothing_writes_nothing():
    note = Note.objects.create(title="a")
    with capture_events() as events:
        unchanged = notes.update_entity(note.pk, {"title": "a"})
    assert events == []
    assert unchanged.updated_at == note.updated_at


def test_update_takes_expressions():
    note = Note.objects.create(amount=2)
    notes.update_entity(note.pk, {"amount": F("amount") + 1})
    assert Note.objects.get().amount == 3


def test_update_replaces_a_json_value():
    class DocumentService(BaseTimestampService[Document]):
        pass

    document = Document.objects.create(data={"a": 1})
    DocumentService().update_entity(document.pk, {"data": {"a": 2}})
    assert Document.objects.get().data == {"a": 2}


def test_update_saves_what_a_rule_sets():
    note = Note.objects.create()
    notes.update_entity(note.pk, {"amount": 13})
    assert Note.objects.get().title == "lucky"


def test_update_moves_a_task_to_another_project():
    task = Task.objects.create(project=Project.objects.create())
    other = Project.objects.create()
    TaskService().update_entity(task.pk, {"project": other})
    assert Task.objects.get().project == other


@pytest.mark.parametrize("key", ["pk", "id"])
def test_update_refuses_the_primary_key(key):
    with pytest.raises(FieldError, match=f"testapp.Note: the primary key of a row stays; leave out {key}"):
        notes.update_entity(1, {key: 2})


def test_touch_moves_the_stamp_for_the_reason():
    note = Note.objects.create()
    with capture_events() as events:
        assert notes.touch_entity(note.pk, "reviewed").updated_at > note.updated_at
    assert [event.reason for event in events] == ["reviewed"]


def test_delete_removes_the_row():
    note = Note.objects.create()
    assert notes.delete_entity(note.pk) == (1, {"testapp.Note": 1})


def test_a_deletion_that_is_not_allowed_keeps_the_row():
    note = Note.objects.create(title="kept")
    with pytest.raises(ValidationError, match="It is needed"):
        notes.delete_entity(note.pk)
    assert Note.objects.exists()


def test_nothing_is_forbidden_unless_a_hook_says_so():
    token_service = type("TokenService", (BaseTimestampService,), {"model": Token})()
    token = token_service.create_entity({"label": "a"})
    token_service.update_entity(token.pk, {"label": "b"})
    assert token_service.delete_entity(token.pk)[0] == 1


def test_find_and_statistics_ask_the_repository():
    with stamped_at(NOON):
        note = Note.objects.create()
    assert list(notes.find_entities_by_timestamp_range(NOON, NOON)) == [note]
    assert list(notes.find_stale_entities(timedelta(days=1))) == [note]
    assert notes.get_timestamp_statistics()["count"] == 1


def test_the_router_chooses_the_database():
    remote = RemoteService().create_entity({"name": "a"})
    RemoteService().update_entity(remote.pk, {"name": "b"})
    assert Remote.objects.get().name == "b"


def test_using_names_the_database_of_every_call():
    elsewhere = NoteService(using="other")
    note = elsewhere.create_entity({"title": "a"})
    assert elsewhere.update_entity(note.pk, {"title": "b"})._state.db == "other"
    assert not Note.objects.exists()
    elsewhere.delete_entity(note.pk)
    assert not Note.objects.using("other").exists()


@pytest.mark.django_db(transaction=True)
def test_the_async_forms_do_the_same():
    async def story():
        note = await notes.acreate_entity({"title": "a"})
        await notes.aupdate_entity(note.pk, {"title": "b"}, touch_reason="renamed")
        await notes.atouch_entity(note.pk, "reviewed")
        assert (await notes.aget_entity(note.pk)).title == "b"
        assert [found.pk async for found in notes.find_stale_entities(timedelta(0))] == [note.pk]
        assert (await notes.aget_timestamp_statistics())["count"] == 1
        assert (await notes.acleanup_stale_entities(timedelta(0))).deleted == (note.pk,)
        return await notes.adelete_entity(note.pk)

    assert async_to_sync(story)()[0] == 1


@pytest.mark.postgres
@pytest.mark.mariadb
@pytest.mark.django_db(transaction=True)
def test_two_updates_of_one_row_wait_for_each_other_and_lose_nothing():
    note = Note.objects.create(amount=0)
    rounds = 10

    class Counter(BaseTimestampService[Note]):
        def _validate_business_rules(self, data, entity=None):
            entity.amount += 1

    def count():
        try:
            for number in range(rounds):
                Counter().update_entity(note.pk, {"title": str(number)})
        finally:
            connections.close_all()

    threads = [threading.Thread(target=count) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    note.refresh_from_db()
    assert note.amount == 3 * rounds
