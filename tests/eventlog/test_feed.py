"""The feed: whoever asks for what came after a cursor, page by page, misses nothing."""

import dataclasses

import pytest
from django.apps import apps
from django.db import connections, transaction
from django.test import override_settings

from django_clean_timestamps.eventlog import Page, changed_since, feed
from django_clean_timestamps.eventlog.cursor import Cursor, read_cursor, write_cursor
from django_clean_timestamps.eventlog.feed import MAX_LIMIT, WINDOW, labels_of
from django_clean_timestamps.eventlog.models import Event, LogHead, Pending
from django_clean_timestamps.exceptions import BadCursor, CursorExpired
from tests.eventlog.log import add_pending, empty_log, raw_count, statements
from tests.otherapp.models import Remote
from tests.testapp.models import Animal, Box, Dog, Note, NoteProxy, Project, Puppy, Token


def reasons(page):
    return [event.reason for event in page.changes]


def position(page):
    return read_cursor(page.cursor, None).position


def at(number, using="default"):
    return write_cursor(Cursor(using, number))


def add_mixed(labels):
    """Put rows of several models into the log, each with its place as its reason."""
    for number, label in enumerate(labels, start=1):
        add_pending(1, entity_type=label, reason=str(number))


@pytest.fixture
def empty(db):
    empty_log()


@pytest.mark.usefixtures("empty")
class TestPages:
    def test_an_empty_log_gives_an_empty_page(self):
        page = changed_since()
        assert (page.changes, page.has_more, position(page)) == ((), False, 0)
        assert changed_since(page.cursor) == page

    def test_without_a_cursor_it_begins_at_the_oldest_event_that_is_retained(self):
        add_pending(5)
        assert reasons(changed_since()) == list("12345")
        Event.objects.filter(position__lte=2).delete()
        assert reasons(changed_since()) == list("345")

    def test_it_gives_positions_to_what_has_none(self):
        Note.objects.create().touch("seen")
        page = changed_since()
        assert [(event.position, event.reason) for event in page.changes] == [(1, "entity_created"), (2, "seen")]
        assert raw_count(Pending) == 0

    def test_pages_follow_each_other_without_a_gap(self):
        add_pending(7)
        page, seen, sizes = changed_since(limit=3), [], []
        while True:
            seen += reasons(page)
            sizes.append((len(page.changes), page.has_more))
            if not page.has_more:
                break
            page = changed_since(page.cursor, limit=3)
        assert seen == list("1234567")
        assert sizes == [(3, True), (3, True), (1, False)]

    def test_a_page_that_is_just_full_says_that_there_is_no_more(self):
        add_pending(3)
        page = changed_since(limit=3)
        assert (len(page.changes), page.has_more) == (3, False)
        after = changed_since(page.cursor, limit=3)
        assert (after.changes, after.has_more, after.cursor) == ((), False, page.cursor)

    def test_the_same_cursor_gives_the_same_page_again(self):
        add_pending(5)
        first = changed_since(limit=2)
        assert changed_since(first.cursor, limit=2) == changed_since(first.cursor, limit=2)

    def test_a_cursor_at_the_end_sees_what_comes(self):
        add_pending(2)
        end = changed_since().cursor
        add_pending(1)
        assert reasons(changed_since(end)) == ["1"]

    @pytest.mark.parametrize("limit", [1, 2, MAX_LIMIT])
    def test_any_limit_within_the_bounds_is_kept(self, limit):
        add_pending(3)
        page = changed_since(limit=limit)
        assert len(page.changes) == min(limit, 3)
        assert page.has_more == (limit < 3)

    @pytest.mark.parametrize("limit", [0, -1, MAX_LIMIT + 1, True, False, None, "5", 5.0], ids=repr)
    def test_any_other_limit_is_refused(self, limit):
        with pytest.raises(ValueError, match=r"limit is .* from 1 to 10000"):
            changed_since(limit=limit)

    def test_a_limit_is_five_hundred_unless_said_otherwise(self):
        add_pending(501)
        page = changed_since()
        assert (len(page.changes), page.has_more) == (500, True)

    def test_a_page_is_a_frozen_value(self):
        page = changed_since()
        assert isinstance(page, Page)
        with pytest.raises(dataclasses.FrozenInstanceError):
            page.has_more = True
        with pytest.raises(TypeError):
            Page((), "", False)

    def test_it_takes_as_many_statements_as_ever(self, vendor):
        add_pending(3)
        cursor = changed_since(limit=1).cursor
        with statements() as found:
            changed_since(cursor, limit=1)
        assert len(found) == 3, found
        with statements() as found:
            changed_since(cursor, models=[Note])
        # It looks once more for what was pruned: of a model's rows the first may be anywhere.
        assert len(found) in (3, 4), found
        with statements() as found:
            changed_since(at(3))
        assert len(found) == 2, found


@pytest.mark.usefixtures("empty")
class TestModels:
    def test_only_the_events_of_the_models_are_given(self):
        note, project = Note.objects.create(), Project.objects.create()
        Token.objects.create()
        page = changed_since(models=[Note, Project])
        assert [event.entity_id for event in page.changes] == [str(note.pk), str(project.pk)]
        assert position(page) == 3

    @pytest.mark.parametrize(
        "model",
        [Note, NoteProxy, "testapp.note", "testapp.Note", "TestApp.NOTE", "testapp.noteproxy", "testapp.NoteProxy"],
        ids=str,
    )
    def test_a_model_can_be_named_in_any_way(self, model):
        Note.objects.create()
        NoteProxy.objects.create()
        Project.objects.create()
        assert len(changed_since(models=[model]).changes) == 2
        assert labels_of([model, model]) == ("testapp.note",)

    def test_a_child_and_its_parent_have_events_of_their_own_types(self):
        puppy = Puppy.objects.create()
        Animal.objects.update(name="a")
        Dog.objects.update(breed="a")
        assert [event.entity_type for event in changed_since(models=[Animal]).changes] == ["testapp.animal"]
        assert [event.entity_type for event in changed_since(models=[Puppy]).changes] == ["testapp.puppy"]
        assert {event.entity_id for event in changed_since().changes} == {str(puppy.pk)}

    @pytest.mark.parametrize("label", ["gone.model", "testapp.gone", "GONE.Model"])
    def test_the_label_of_a_model_that_is_gone_will_do(self, label):
        add_pending(1, entity_type=label.lower())
        add_pending(1)
        assert [event.entity_type for event in changed_since(models=[label]).changes] == [label.lower()]

    @pytest.mark.parametrize("label", ["", "note", "a.b.c", "testapp"], ids=repr)
    def test_a_text_that_is_no_label_is_refused(self, label):
        with pytest.raises(ValueError, match="is no label of a model"):
            changed_since(models=[label])

    @pytest.mark.parametrize("models", ["testapp.note", Note, {Note}, 5, iter([Note]), {Note: 1}], ids=range(6))
    def test_what_is_no_sequence_is_refused(self, models):
        with pytest.raises(TypeError, match="models takes a sequence of classes or labels"):
            changed_since(models=models)

    @pytest.mark.parametrize("member", [5, None, int, Note(), b"testapp.note", ["testapp.note"]], ids=repr)
    def test_a_member_that_is_no_model_is_refused(self, member):
        with pytest.raises(TypeError, match="is neither a model nor the label of one"):
            changed_since(models=[member])

    def test_a_model_that_is_no_entity_has_no_events(self):
        add_pending(1)
        assert changed_since(models=[Box]).changes == ()

    def test_no_models_are_no_events_and_the_cursor_moves_on(self):
        add_pending(3)
        page = changed_since(models=[])
        assert (page.changes, page.has_more, position(page)) == ((), False, 3)

    def test_a_page_by_model_looks_through_a_window_and_may_be_empty(self):
        add_mixed(["a.b"] * (2 * WINDOW + 3) + ["testapp.note"])
        page, empty_pages = changed_since(models=[Note], limit=2), 0
        while page.has_more:
            assert page.changes == ()
            empty_pages += 1
            assert position(page) == 2 * WINDOW * empty_pages
            page = changed_since(page.cursor, models=[Note], limit=2)
        assert empty_pages == 1
        assert reasons(page) == [str(2 * WINDOW + 4)]
        assert position(page) == 2 * WINDOW + 4

    def test_a_full_page_by_model_ends_with_its_last_event(self):
        add_mixed(["testapp.note", "a.b", "testapp.note", "a.b", "testapp.note", "a.b"])
        page = changed_since(models=[Note], limit=2)
        assert (reasons(page), position(page), page.has_more) == (["1", "3"], 3, True)
        page = changed_since(page.cursor, models=[Note], limit=2)
        assert (reasons(page), position(page), page.has_more) == (["5"], 6, False)

    def test_a_cursor_may_go_on_with_other_models(self):
        add_mixed(["testapp.note", "a.b", "testapp.note", "a.b"])
        cursor = changed_since(models=[Note], limit=1).cursor
        assert reasons(changed_since(cursor)) == ["2", "3", "4"]

    def test_every_event_is_seen_once_whatever_the_limit(self):
        add_mixed((["testapp.note"] + ["a.b"] * 3) * 12)
        for limit in (1, 2, 5, 100):
            seen, page = [], changed_since(models=["testapp.note"], limit=limit)
            seen += reasons(page)
            while page.has_more:
                page = changed_since(page.cursor, models=["testapp.note"], limit=limit)
                seen += reasons(page)
            assert seen == [str(number) for number in range(1, 48, 4)]


@pytest.mark.usefixtures("empty")
class TestPruned:
    def prune(self, up_to):
        Event.objects.filter(position__lte=up_to).delete()

    def test_a_cursor_whose_events_were_pruned_has_expired(self):
        add_pending(6)
        cursor = changed_since(limit=2).cursor
        self.prune(3)
        with pytest.raises(CursorExpired, match=r"is at position 2 and the log of 'default' begins at 4.*cursor=None"):
            changed_since(cursor)
        assert reasons(changed_since()) == ["4", "5", "6"]
        assert issubclass(CursorExpired, LookupError)

    def test_a_cursor_just_before_the_oldest_event_has_not(self):
        add_pending(6)
        cursor = changed_since(limit=3).cursor
        self.prune(3)
        assert reasons(changed_since(cursor)) == ["4", "5", "6"]

    def test_where_everything_was_pruned_only_the_head_goes_on(self):
        add_pending(4)
        behind, end = changed_since(limit=3).cursor, changed_since().cursor
        self.prune(4)
        with pytest.raises(CursorExpired, match="begins at 5"):
            changed_since(behind)
        assert changed_since(end).changes == changed_since().changes == ()
        add_pending(1)
        assert reasons(changed_since(end)) == ["1"]

    def test_a_cursor_of_a_filter_expires_as_well(self):
        add_pending(4)
        cursor = changed_since(limit=1, models=[Note]).cursor
        self.prune(2)
        with pytest.raises(CursorExpired):
            changed_since(cursor, models=[Note])
        with pytest.raises(CursorExpired):
            changed_since(cursor, models=["a.b"])

    @pytest.mark.parametrize("models", [None, [Note], []], ids=["all", "some", "none"])
    def test_what_is_pruned_while_a_page_is_read_is_noticed(self, models, monkeypatch):
        """The bounds are read first, then the rows: a prune between the two must not go unseen."""
        add_pending(6)
        cursor = changed_since(limit=1).cursor
        read = feed._rows

        def pruned_meanwhile(*args):
            self.prune(3)
            return read(*args)

        monkeypatch.setattr(feed, "_rows", pruned_meanwhile)
        with pytest.raises(CursorExpired):
            changed_since(cursor, models=models)

    def test_everything_pruned_while_a_page_is_read_is_noticed(self, monkeypatch):
        add_pending(3)
        cursor = changed_since(limit=1).cursor
        read = feed._rows

        def pruned_meanwhile(*args):
            self.prune(3)
            return read(*args)

        monkeypatch.setattr(feed, "_rows", pruned_meanwhile)
        with pytest.raises(CursorExpired):
            changed_since(cursor)


@pytest.mark.usefixtures("empty")
class TestCursors:
    def test_a_cursor_ahead_of_the_log_is_bad(self):
        add_pending(3)
        with pytest.raises(BadCursor, match=r"is at position 9 and the log of 'default' ends at 3: it was emptied"):
            changed_since(at(9))

    def test_a_cursor_of_a_log_that_was_emptied_is_bad(self):
        add_pending(3)
        cursor = changed_since().cursor
        empty_log()
        with pytest.raises(BadCursor, match="ends at 0"):
            changed_since(cursor)

    def test_a_log_without_its_head_still_has_its_events(self):
        add_pending(3)
        cursor = changed_since(limit=1).cursor
        LogHead.objects.all().delete()
        assert reasons(changed_since(cursor)) == ["2", "3"]
        assert reasons(changed_since()) == ["1", "2", "3"]

    @pytest.mark.parametrize("text", ["", "nonsense", at(0) + "x", 5])
    def test_a_cursor_that_was_changed_is_bad(self, text):
        with pytest.raises(BadCursor, match="not one that this site gave out"):
            changed_since(text)

    def test_a_cursor_of_an_earlier_key_is_taken(self):
        add_pending(2)
        cursor = changed_since(limit=1).cursor
        with override_settings(SECRET_KEY="next", SECRET_KEY_FALLBACKS=["tests"]):
            assert reasons(changed_since(cursor)) == ["2"]
        with override_settings(SECRET_KEY="next"), pytest.raises(BadCursor):
            changed_since(cursor)

    def test_a_cursor_of_a_database_that_is_gone_is_bad(self):
        with pytest.raises(BadCursor, match="'archive' is no database of this site; it has default, other"):
            changed_since(at(1, "archive"))

    def test_a_database_that_was_never_there_is_bad_too(self):
        with pytest.raises(BadCursor, match="'nowhere' is no database"):
            changed_since(using="nowhere")


class ReplicaRouter:
    """Sends every read elsewhere."""

    def db_for_read(self, model, **hints):
        return "other"

    def db_for_write(self, model, **hints):
        return None


@pytest.mark.django_db(databases=["default", "other"])
class TestAliases:
    @pytest.fixture(autouse=True)
    def empty(self):
        empty_log()
        empty_log("other")

    def test_the_models_say_which_log(self):
        Note.objects.create()
        Remote.objects.create()
        (event,) = changed_since(models=[Remote]).changes
        assert event.entity_type == "otherapp.remote"
        (event,) = changed_since(models=[Note, "testapp.project"]).changes
        assert event.entity_type == "testapp.note"

    @pytest.mark.parametrize("label", ["otherapp.remote", "otherapp.Remote"])
    def test_the_label_of_a_model_says_so_too(self, label):
        Remote.objects.create()
        page = changed_since(models=[label, "gone.model"])
        assert len(page.changes) == 1
        assert read_cursor(page.cursor, None).using == "other"

    def test_models_of_several_databases_are_refused(self):
        with pytest.raises(ValueError, match="written to default, other, each of which has a log of its own"):
            changed_since(models=[Note, Remote])
        with pytest.raises(ValueError, match="written to default, other"):
            changed_since(models=["testapp.note", "otherapp.remote"])

    def test_they_are_not_where_the_log_is_named(self):
        Note(title="there").save(using="other")
        Remote.objects.create()
        assert len(changed_since(models=[Note, Remote], using="other").changes) == 2
        assert changed_since(models=[Note, Remote], using="default").changes == ()

    def test_without_models_the_log_is_that_of_default(self):
        Note(title="here").save()
        Note(title="there").save(using="other")
        Note(title="there").save(using="other")
        assert len(changed_since().changes) == 1
        assert len(changed_since(using="other").changes) == 2

    def test_a_cursor_goes_on_in_its_own_log(self):
        add_pending(3, using="other")
        add_pending(1)
        cursor = changed_since(using="other", limit=1).cursor
        assert reasons(changed_since(cursor)) == ["2", "3"]
        assert reasons(changed_since(cursor, models=[Note])) == ["2", "3"]
        with pytest.raises(BadCursor, match="belongs to the log of 'other'"):
            changed_since(cursor, using="default")

    @override_settings(DATABASE_ROUTERS=["tests.eventlog.test_feed.ReplicaRouter"])
    def test_it_reads_where_entities_are_written_whatever_a_router_says_of_reads(self):
        Note(title="here").save()
        add_pending(1, using="other", reason="replica")
        assert reasons(changed_since()) == reasons(changed_since(models=[Note])) == ["entity_created"]

    def test_it_sequences_its_own_log_only(self):
        add_pending(1)
        add_pending(1, using="other")
        changed_since(using="other")
        assert (raw_count(Pending), raw_count(Pending, "other")) == (1, 0)


class TestInATransaction:
    def test_it_reads_what_has_positions_and_sequences_nothing(self, committing):
        add_pending(2)
        cursor = changed_since().cursor
        Note(title="committed").save()
        with transaction.atomic():
            Note(title="own").save()
            assert len(changed_since().changes) == 2
            assert changed_since(cursor).changes == ()
            # Its own event was written early, but has no position.
            assert raw_count(Pending) == 2
            assert raw_count(Event) == 2
        assert len(changed_since(cursor).changes) == 2

    def test_it_leaves_the_head_to_others(self, committing):
        Note().save()
        with transaction.atomic():
            changed_since()
            assert raw_count(LogHead) == 0

    def test_an_old_snapshot_may_end_before_the_cursor(self, shared_database, vendor):
        if vendor == "sqlite":
            pytest.skip("a transaction that has read cannot see an older state than the reader beside it here")
        with connections["shared"].cursor() as cursor:
            if vendor == "mysql":
                cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        cursors = []

        def write():
            add_pending(3, using="shared")
            cursors.append(changed_since(using="shared").cursor)

        with transaction.atomic("shared"):
            with connections["shared"].cursor() as cursor:
                if vendor == "postgresql":
                    cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                cursor.execute("SELECT COUNT(*) FROM clean_timestamps_event")
            shared_database.run_in_threads(write)
            page = changed_since(cursors[0])
            assert (page.changes, page.has_more) == ((), False)
            assert read_cursor(page.cursor, None) == read_cursor(cursors[0], None)
        assert changed_since(cursors[0]).changes == ()

    def test_a_test_case_sees_its_own(self, empty):
        Note.objects.create()
        assert len(changed_since().changes) == 1
        with transaction.atomic():
            Note.objects.create()
            assert len(changed_since().changes) == 1
        assert len(changed_since().changes) == 2


def test_the_package_offers_the_feed():
    from django_clean_timestamps import eventlog

    assert eventlog.__all__ == ["Page", "changed_since"]
    assert apps.get_app_config("clean_timestamps").get_model("event") is Event
