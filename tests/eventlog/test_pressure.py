"""The cap on undelivered events: a write past it fails, clearly and whole, and nothing is dropped."""

import pytest
from django.db import connections, transaction
from django.test import override_settings

from django_clean_timestamps.context import without_events
from django_clean_timestamps.eventlog import pressure
from django_clean_timestamps.eventlog.cursors import answer_for_cursors, forget_cursors
from django_clean_timestamps.eventlog.models import Event, Pending
from django_clean_timestamps.eventlog.pressure import admit, count_undelivered
from django_clean_timestamps.eventlog.sequencer import sequence
from django_clean_timestamps.exceptions import BackPressureError, CleanTimestampsError
from django_clean_timestamps.testing import capture_events
from tests.eventlog.log import add_pending, empty_log, raw_count, statements
from tests.testapp.models import Note


def cap(number):
    return override_settings(CLEAN_TIMESTAMPS={"MAX_UNDELIVERED": number})


@pytest.fixture(autouse=True)
def moments(monkeypatch):
    """Stand still between two counts until the test moves on."""

    class Moments:
        now = 1_000.0

        def __call__(self):
            return self.now

    moments = Moments()
    monkeypatch.setattr(pressure.time, "monotonic", moments)
    for alias in ("default", "other"):
        connections[alias].__dict__.pop("_clean_timestamps_pressure", None)
    yield moments
    for alias in ("default", "other"):
        connections[alias].__dict__.pop("_clean_timestamps_pressure", None)


def captured_update():
    with capture_events():
        Note.objects.update(title="changed")


WRITES = {
    "save": lambda: Note(title="new").save(),
    "touch": lambda: Note.objects.get(title="there").touch(),
    "update": lambda: Note.objects.update(title="changed"),
    "touch of many": lambda: Note.objects.all().touch(),
    "bulk_create": lambda: Note.objects.bulk_create([Note(title="new"), Note(title="new")]),
    "delete of many": lambda: Note.objects.all().delete(),
    "delete": lambda: Note.objects.get(title="there").delete(),
    "captured update": captured_update,
}


def rows():
    return list(Note._base_manager.order_by("pk").values_list("title", "updated_at"))


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_a_write_past_the_cap_fails_whole_and_goes_through_once_events_were_delivered(write, committing):
    Note.objects.create(title="there")
    add_pending(4)
    before = rows()
    with cap(5):
        with pytest.raises(
            BackPressureError, match=r"5 events or more wait .* log of 'default', .*MAX_UNDELIVERED'\] is 5"
        ):
            write()
        assert rows() == before
        assert (raw_count(Pending), raw_count(Event)) == (5, 0)
        sequence()
        write()
    assert rows() != before
    assert raw_count(Event) == 5
    assert raw_count(Pending) > 0


def test_the_whole_transaction_is_rolled_back(committing):
    add_pending(5)
    with cap(5), pytest.raises(BackPressureError), transaction.atomic():
        Note(title="a").save()
        Note(title="b").save()
    assert rows() == []
    assert raw_count(Pending) == 5


def test_the_error_names_the_way_out_and_is_one_of_ours():
    assert issubclass(BackPressureError, CleanTimestampsError)
    assert issubclass(BackPressureError, RuntimeError)


@pytest.mark.django_db
class TestCounting:
    @pytest.fixture(autouse=True)
    def empty(self):
        empty_log()

    def admit(self, count=1):
        admit(connections["default"], count)

    def test_without_a_cap_nothing_is_counted(self):
        add_pending(3)
        with statements() as found:
            self.admit()
        assert found == []

    def test_below_the_cap_everything_goes(self):
        add_pending(4)
        with cap(5):
            self.admit()

    def test_at_the_cap_nothing_goes(self):
        add_pending(5)
        with cap(5), pytest.raises(BackPressureError):
            self.admit()

    def test_it_counts_at_most_once_a_second(self, moments):
        # What is pending, and the cursors of the subscriptions.
        with cap(100), statements() as found:
            for _ in range(5):
                self.admit()
                moments.now += 0.25
        assert len(found) == 2
        with cap(100), statements() as found:
            self.admit()
        assert len(found) == 2

    def test_until_then_its_own_writes_are_added(self):
        with cap(10), statements() as found:
            self.admit(4)
            self.admit(5)
            self.admit(1)
            assert len(found) == 0
            # Ten would wait now: it looks again before it refuses, and finds that they were delivered.
            self.admit(1)
        assert len(found) == 4

    def test_what_others_wrote_within_the_second_is_not_seen(self, moments):
        with cap(5):
            self.admit()
            add_pending(50)
            self.admit()
            moments.now += 1.01
            with pytest.raises(BackPressureError):
                self.admit()

    def test_a_connection_that_was_refused_counts_anew_each_time(self):
        add_pending(5)
        with cap(5):
            for _ in range(3):
                with statements() as found, pytest.raises(BackPressureError):
                    self.admit()
                assert len(found) == 2
            sequence()
            self.admit()

    def test_it_counts_no_further_than_it_needs_to(self):
        add_pending(50)
        with cap(5), pytest.raises(BackPressureError, match=r"^6 events or more"):
            self.admit()

    @pytest.mark.parametrize(("cursor", "undelivered"), [(0, 9), (3, 6), (4, 5), (6, 3), (99, 3)])
    def test_what_the_slowest_reader_has_not_done_counts_too(self, cursor, undelivered):
        add_pending(6)
        sequence()
        add_pending(3)

        def answer(using):
            return [cursor, 1_000]

        answer_for_cursors(answer)
        try:
            assert count_undelivered(connections["default"], 100) == undelivered
            assert count_undelivered(connections["default"], 2) == 2
            with cap(5):
                if undelivered >= 5:
                    with pytest.raises(BackPressureError):
                        self.admit()
                else:
                    self.admit()
        finally:
            forget_cursors(answer)

    def test_a_missing_head_is_no_backlog(self):
        def answer(using):
            return [0]

        answer_for_cursors(answer)
        try:
            assert count_undelivered(connections["default"], 100) == 0
        finally:
            forget_cursors(answer)

    def test_counting_does_not_write_what_is_pending(self):
        Note.objects.create()
        assert count_undelivered(connections["default"], 100) == 0
        assert Pending.objects.count() == 1

    @pytest.mark.django_db(databases=["default", "other"])
    def test_each_log_has_a_backlog_of_its_own(self):
        empty_log("other")
        add_pending(5)
        with cap(5):
            admit(connections["other"])
            with pytest.raises(BackPressureError, match="'default'"):
                admit(connections["default"])

    def test_a_write_without_events_is_never_refused(self):
        add_pending(5)
        with cap(5), without_events():
            Note.objects.create()
            Note.objects.update(amount=1)
        assert Note.objects.count() == 1
