import pytest

from django_clean_timestamps.delivery.drain import drain
from django_clean_timestamps.delivery.models import Subscription
from django_clean_timestamps.delivery.registry import only_handlers
from tests.eventlog.log import add_pending, dropped
from tests.management.ears import Ear
from tests.testapp.models import Note, Product

REPLAY = "timestamps_replay"
BOTH = pytest.mark.django_db(databases=["default", "other"])


@BOTH
class TestLog:
    def test_all_that_is_retained_is_heard_again(self, run, rung):
        ear = Ear()
        add_pending(3)
        drain("default")
        done = run(REPLAY, "testapp.ear")
        assert (done.code, done.out) == (0, "default: testapp.ear: 3 positions to be heard again\n")
        assert rung == ["default"]
        drain("default")
        assert [(event.reason, event.replayed) for event in ear.heard[3:]] == [("1", True), ("2", True), ("3", True)]

    def test_from_a_position_on(self, rows):
        ear = Ear()
        add_pending(3)
        drain("default")
        names = {"database": "default", "using": "default", "handler": "testapp.ear"}
        assert rows(REPLAY, "testapp.ear", "--from", "3") == (
            0,
            [{**names, "replayed": 1, "entity": None, "error": None}],
        )
        drain("default")
        assert ear.reasons == ["1", "2", "3", "3"]

    def test_a_position_that_is_not_in_the_log_is_refused(self, run, rung):
        Ear()
        drain("default")
        done = run(REPLAY, "testapp.ear", "--from", "7")
        assert done.code == 1
        assert done.err.startswith("default: Position 7 is not in the log of 'default'")
        assert rung == []

    def test_a_position_is_one_of_a_certain_log(self, run):
        Ear()
        drain("default")
        drain("other")
        done = run(REPLAY, "testapp.ear", "--from", "1")
        assert done.code == 2
        assert done.err == (
            "A position is one of a certain log, and 'testapp.ear' hears several: name one with --database, of default, "
            "other."
        )
        assert run(REPLAY, "testapp.ear", "--from", "1", "--database", "default").code == 0

    def test_an_unknown_handler_is_refused(self, run):
        Ear()
        assert "did you mean 'testapp.ear'?" in run(REPLAY, "testapp.eer", "--from", "1").err


@BOTH
class TestEntity:
    def test_the_events_of_one_entity_are_heard_again(self, rows, rung):
        ear = Ear()
        first, second = Note.objects.create(title="first"), Note.objects.create(title="second")
        first.touch("again")
        drain("default")
        ear.heard.clear()
        names = {"database": "default", "using": "default", "handler": "testapp.ear"}
        told = {"entity": f"testapp.note {first.pk}", "error": None}
        assert rows(REPLAY, "testapp.ear", "--entity", "testapp.Note", str(first.pk)) == (
            0,
            [{**names, "replayed": 2, **told}],
        )
        assert rung == ["default"]
        drain("default")
        assert [(event.entity_id, event.reason) for event in ear.heard] == [
            (str(first.pk), "entity_created"),
            (str(first.pk), "again"),
        ]
        assert second.pk != first.pk

    def test_from_a_position_on(self, run):
        ear = Ear()
        note = Note.objects.create(title="first")
        note.touch("again")
        drain("default")
        ear.heard.clear()
        done = run(REPLAY, "testapp.ear", "--from", "2", "--entity", "note", str(note.pk))
        assert done.out == f"default: testapp.ear: 1 event of testapp.note {note.pk} to be heard again\n"
        drain("default")
        assert ear.reasons == ["again"]

    def test_an_id_of_the_classs_own_is_found_by_the_rows_key(self, run):
        Ear()
        product = Product.objects.create(sku="tea")
        drain("default")
        assert run(REPLAY, "testapp.ear", "--entity", "testapp.product", str(product.pk)).out == (
            "default: testapp.ear: 1 event of testapp.product sku-tea to be heard again\n"
        )

    def test_an_entity_without_events_is_said(self, run):
        Ear()
        drain("default")
        done = run(REPLAY, "testapp.ear", "--entity", "testapp.note", "7")
        assert done.code == 0
        assert done.out == "default: testapp.ear: has been past no event of testapp.note 7 that is retained\n"

    def test_a_model_that_is_no_entity_is_refused(self, run):
        Ear()
        drain("default")
        done = run(REPLAY, "testapp.ear", "--entity", "testapp.box", "7")
        assert done.code == 2
        assert done.err.startswith("testapp.Box is no entity")

    def test_a_model_that_is_not_installed_and_has_no_event_is_refused(self, run):
        Ear()
        drain("default")
        done = run(REPLAY, "testapp.ear", "--entity", "testapp.nte", "7")
        assert done.code == 1
        assert "There is no model 'testapp.nte', and no event of one with the key '7': did you mean" in done.err

    def test_a_model_that_is_not_installed_any_more_may_have_events(self, run):
        ear = Ear()
        drain("default")
        add_pending(1, entity_type="shop.order", entity_id="7")
        drain("default")
        done = run(REPLAY, "testapp.ear", "--entity", "shop.order", "7")
        assert done.out == "default: testapp.ear: 1 event of shop.order 7 to be heard again\n"
        drain("default")
        assert ear.reasons == ["1", "1"]

    def test_a_handler_that_is_gone_from_the_code_is_refused(self, run):
        with only_handlers():
            Ear("testapp.gone")
            drain("default")
        done = run(REPLAY, "testapp.gone", "--entity", "testapp.note", "7")
        assert (done.code, done.err) == (
            1,
            "default: There is no handler 'testapp.gone' in the code; nothing was changed\n",
        )


def test_the_row_is_looked_for_only_where_the_routers_let_it_be(delivering, run, settings):
    Ear()
    drain("default")
    drain("other")
    settings.DATABASE_ROUTERS = ["tests.management.test_replay_command.NotesOnDefault"]
    with dropped(Note, using="other"):
        done = run(REPLAY, "testapp.ear", "--entity", "testapp.note", "7")
    assert (done.code, done.err) == (0, "")
    assert [line.split(":")[0] for line in done.out.splitlines()] == ["default", "other"]


def test_a_row_that_cannot_be_read_is_unknown(delivering, run):
    Ear()
    drain("default")
    with dropped(Note):
        done = run(REPLAY, "testapp.ear", "--entity", "testapp.note", "7")
    assert done.code == 2
    assert Subscription.objects.get().owner == ""


class NotesOnDefault:
    def allow_migrate(self, db, app_label, model_name=None, **hints):
        return not (db == "other" and model_name == "note")
