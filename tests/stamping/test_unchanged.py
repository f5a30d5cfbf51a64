"""``skip_unchanged``: a ``save()`` that changes nothing writes nothing."""

from datetime import timedelta

import pytest
from django.core.files.base import ContentFile
from django.db import models, transaction
from django.db.models import F

from django_clean_timestamps.context import preserve_timestamps, stamped_at
from django_clean_timestamps.testing import capture_events
from tests.testapp.models import Careful, CarefulChild, Document, Note

pytestmark = pytest.mark.django_db

SECOND = timedelta(seconds=1)


@pytest.fixture(autouse=True)
def media(settings, tmp_path):
    settings.MEDIA_ROOT = str(tmp_path)


@pytest.fixture
def careful(clock):
    Careful.objects.create(name="a", amount=1)
    clock.tick()
    return Careful.objects.get()


class Outcome:
    """What a ``save()`` did."""

    def __init__(self, entity, queries, **how):
        sent = []

        def receive(instance, **_):
            sent.append(instance)

        models.signals.post_save.connect(receive, sender=type(entity))
        try:
            with capture_events() as self.events, queries() as self.statements:
                entity.save(**how)
        finally:
            models.signals.post_save.disconnect(receive, sender=type(entity))
        self.post_saves = len(sent)

    @property
    def wrote(self):
        words = [text.split()[0] for text in self.statements.texts]
        wrote = "UPDATE" in words or "INSERT" in words
        assert (len(self.events), self.post_saves) == ((1, 1) if wrote else (0, 0))
        return wrote


def test_unchanged_means_no_write_no_event_no_post_save(careful, queries, clock):
    before = careful.updated_at
    outcome = Outcome(careful, queries)
    assert not outcome.wrote
    assert len(outcome.statements.texts) == 1
    assert (careful.updated_at, Careful.objects.get().updated_at) == (before, before)


def test_a_change_is_written(careful, queries, clock):
    careful.name = "b"
    assert Outcome(careful, queries).wrote
    assert Careful.objects.get().updated_at == clock.now
    assert not Outcome(careful, queries).wrote


def test_without_the_attribute_every_save_writes(queries, clock):
    assert Outcome(Note.objects.create(), queries).wrote


def test_an_insert_is_a_change(queries, clock):
    assert Outcome(Careful(), queries).wrote


def test_a_lost_row_is_inserted(careful, queries):
    Careful.objects.all().delete()
    assert Outcome(careful, queries).wrote


def test_it_is_compared_with_the_row_not_with_what_was_loaded(careful, queries, clock):
    careful.name = "b"
    Careful.objects.update(name="b")
    assert not Outcome(careful, queries).wrote
    Careful.objects.update(name="c")
    assert Outcome(careful, queries).wrote
    assert Careful.objects.get().name == "b"


def test_a_change_by_a_receiver_of_pre_save_counts(careful, queries):
    def receive(instance, **_):
        instance.amount = 99

    models.signals.pre_save.connect(receive, sender=Careful)
    try:
        assert Outcome(careful, queries).wrote
    finally:
        models.signals.pre_save.disconnect(receive, sender=Careful)
    assert Careful.objects.get().amount == 99


def test_an_expression_is_a_change(careful, queries):
    careful.amount = F("amount")
    assert Outcome(careful, queries).wrote


def test_a_given_stamp_is_a_change(careful, queries, clock):
    careful.updated_at = clock.now - SECOND
    assert Outcome(careful, queries).wrote
    careful.created_at = clock.now - 2 * SECOND
    with preserve_timestamps():
        assert Outcome(careful, queries).wrote


def test_a_given_moment_is_no_change(careful, queries, clock):
    with stamped_at(clock.now):
        assert not Outcome(careful, queries).wrote


def test_a_new_file_is_a_change_and_a_stored_one_is_not(careful, queries):
    careful.file = ContentFile(b"x", name="a.txt")
    assert Outcome(careful, queries).wrote
    assert not Outcome(Careful.objects.get(), queries).wrote
    careful.file = ContentFile(b"y", name="a.txt")
    assert Outcome(careful, queries).wrote
    careful.file = None
    assert Outcome(careful, queries).wrote
    assert not Outcome(careful, queries).wrote


def test_only_the_fields_that_are_to_be_written_are_compared(careful, queries):
    careful.name = "b"
    assert not Outcome(careful, queries, update_fields=["amount"]).wrote
    assert Outcome(careful, queries, update_fields=["name"]).wrote


def test_a_deferred_field_is_not_compared(queries, clock):
    Document.objects.create(data={"a": 1})
    document = Document.objects.defer("data").get()
    outcome = Outcome(document, queries)
    assert not outcome.wrote
    assert "data" not in outcome.statements.texts[0].partition("FROM")[0]
    document.number = 5
    assert Outcome(document, queries).wrote


def test_text_of_another_type_is_compared_as_its_field_reads_it(careful, queries):
    careful.amount = "1"
    assert not Outcome(careful, queries).wrote


def test_what_its_field_cannot_read_is_left_to_djangos_own_error(careful):
    careful.amount = "many"
    with pytest.raises(ValueError, match="expected a number"), transaction.atomic():
        careful.save()


def test_a_multi_table_child_is_compared_in_all_its_tables(queries, clock):
    CarefulChild.objects.create(name="a", extra="b")
    child = CarefulChild.objects.get()
    clock.tick()
    assert not Outcome(child, queries).wrote
    child.extra = "c"
    assert Outcome(child, queries).wrote
    child.name = "d"
    assert Outcome(child, queries).wrote
    assert not Outcome(child, queries).wrote
    assert Careful.objects.get().updated_at == clock.now + timedelta(microseconds=1)


def test_a_callers_block_is_usable_afterwards(careful, queries):
    with transaction.atomic():
        assert not Outcome(careful, queries).wrote
        Note.objects.create()
    with transaction.atomic(), transaction.atomic():
        careful.save()
        Note.objects.create()
    assert Note.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_what_a_receiver_of_pre_save_wrote_stays(clock):
    Careful.objects.create()
    careful = Careful.objects.get()

    def receive(**_):
        Note.objects.create()

    models.signals.pre_save.connect(receive, sender=Careful)
    try:
        careful.save()
    finally:
        models.signals.pre_save.disconnect(receive, sender=Careful)
    assert (Note.objects.count(), Careful.objects.get().updated_at) == (1, clock.now)


def test_an_unchanged_instance_made_by_hand_learns_that_its_row_exists(careful, queries, clock):
    by_hand = Careful(pk=careful.pk, name="a", amount=1)
    assert not Outcome(by_hand, queries).wrote
    assert (by_hand._state.adding, by_hand._state.db) == (False, "default")
    assert (by_hand.created_at, by_hand.updated_at) == (careful.created_at, careful.updated_at)
    by_hand.touch()


def test_an_unchanged_save_still_has_no_save_under_way(careful):
    careful.save()
    assert careful._timestamp_save is None


def test_force_update_of_the_same_is_no_change(careful, queries):
    assert not Outcome(careful, queries, force_update=True).wrote


@pytest.mark.parametrize(
    ("before", "after"),
    [({"a": 1}, {"a": True}), ({"a": 1}, {"a": 1.5}), ([], None), ({}, {"b": []}), ({"a": [1, 2]}, {"a": [2, 1]})],
)
def test_json_is_compared_as_text(queries, clock, before, after):
    Document.objects.create(data=before)
    document = Document.objects.get()
    assert not Outcome(document, queries).wrote
    document.data = after
    assert Outcome(document, queries).wrote
    assert not Outcome(document, queries).wrote


def test_a_generated_field_is_not_compared(queries, clock):
    Document.objects.create(number=2)
    document = Document.objects.get()
    assert document.doubled == 4
    assert not Outcome(document, queries).wrote
