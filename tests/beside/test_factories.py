"""factory_boy and model-bakery: what they make is stamped, and what they are given is kept."""

from datetime import UTC, datetime

import factory
import pytest
from django.db.models.signals import post_delete, post_save, pre_save
from model_bakery import baker, generators

from django_clean_timestamps.models import CreatedAtField, UpdatedAtField
from django_clean_timestamps.testing import capture_events
from tests.beside.stories import stamps, told
from tests.besideapp.models import Book, Shelf

pytestmark = pytest.mark.django_db

LONG_AGO = datetime(2020, 2, 2, 12, 30, 15, 123456, tzinfo=UTC)
LATER = datetime(2021, 3, 3, 12, 30, 15, 654321, tzinfo=UTC)


class ShelfFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Shelf

    name = "crime"


class BookFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Book

    isbn = factory.declarations.Sequence(lambda number: f"isbn-{number}")
    shelf = factory.declarations.SubFactory(ShelfFactory)


class BookByIsbnFactory(BookFactory):
    class Meta:
        model = Book
        django_get_or_create = ("isbn",)


# factory_boy


def test_a_factory_makes_an_entity_whose_stamps_are_equal():
    with capture_events() as events:
        book = BookFactory(shelf=None)
    assert told(events) == [("created", "book", str(book.pk))]
    assert stamps(book) == (book.created_at, book.created_at)


def test_a_factory_keeps_given_stamps():
    book = BookFactory(created_at=LONG_AGO, updated_at=LATER)
    assert stamps(book) == (LONG_AGO, LATER)


def test_a_factory_that_is_given_created_at_alone_makes_both_equal():
    assert stamps(BookFactory(created_at=LONG_AGO)) == (LONG_AGO, LONG_AGO)


def test_a_factory_makes_a_batch_in_order():
    books = BookFactory.create_batch(3, shelf=None)
    assert sorted(books, key=lambda book: book.created_at) == books


def test_a_factory_builds_an_entity_without_stamps():
    book = BookFactory.build()
    assert (book.created_at, book.updated_at) == (None, None)


def test_a_factory_that_finds_its_row_writes_nothing():
    book = BookByIsbnFactory(isbn="1")
    before = stamps(book)
    with capture_events() as events:
        assert BookByIsbnFactory(isbn="1", shelf=None) == book
    assert events == []
    assert stamps(book) == before


def test_a_subfactorys_parent_is_touched():
    shelf = ShelfFactory()
    before = shelf.updated_at
    BookFactory(shelf=shelf)
    assert stamps(shelf)[1] > before


# model-bakery


def test_bakery_makes_an_entity_whose_stamps_are_equal():
    with capture_events() as events:
        book = baker.make(Book)
    assert told(events) == [("created", "book", str(book.pk))]
    assert stamps(book) == (book.created_at, book.created_at)


def test_bakery_keeps_given_stamps():
    book = baker.make(Book, created_at=LONG_AGO, updated_at=LATER)
    assert stamps(book) == (LONG_AGO, LATER)


def test_bakery_that_is_given_created_at_alone_makes_both_equal():
    assert stamps(baker.make(Book, created_at=LONG_AGO)) == (LONG_AGO, LONG_AGO)


def test_bakery_prepares_an_entity_without_stamps():
    book = baker.prepare(Book)
    assert (book.created_at, book.updated_at) == (None, None)


def test_bakery_makes_many_in_one_bulk_insert_with_one_stamp():
    books = baker.make(Book, _quantity=3, _bulk_create=True)
    assert len({stamps(book) for book in books}) == 1


def test_bakery_that_fills_optional_fields_wants_a_generator_for_the_stamps():
    # It knows Django's own field classes by identity, and fields with a default; ours must not have one.
    with pytest.raises(TypeError, match=r"CreatedAtField.* is not supported by baker"):
        baker.make(Book, _fill_optional=True)


def test_bakery_with_generators_that_give_nothing_leaves_the_stamps_to_us(monkeypatch):
    monkeypatch.setattr(generators, "user_mapping", {CreatedAtField: lambda: None, UpdatedAtField: lambda: None})
    book = baker.make(Book, _fill_optional=True)
    assert book.shelf is not None
    assert stamps(book) == (book.created_at, book.created_at)


# Muted signals


def test_saves_under_muted_signals_are_recorded():
    with factory.django.mute_signals(pre_save, post_save), capture_events() as events:
        book = BookFactory(shelf=None)
        book.save()
    assert told(events) == [("created", "book", str(book.pk)), ("updated", "book", str(book.pk))]


def test_a_fast_deletion_under_muted_signals_is_recorded():
    book = BookFactory(shelf=None)
    key = str(book.pk)
    with factory.django.mute_signals(post_delete), capture_events() as events:
        book.delete()
    assert told(events) == [("deleted", "book", key)]


def test_a_slow_deletion_under_muted_signals_is_not_recorded():
    # Of what its collector deletes as instances Django tells by post_delete alone. Our receiver is connected by the
    # first such deletion of the model; connected under the mute it would be heard.
    ShelfFactory().delete()
    shelf = ShelfFactory()
    with factory.django.mute_signals(post_delete), capture_events() as events:
        shelf.delete()
    assert events == []
    assert not Shelf.objects.exists()


def test_a_slow_deletion_after_muted_signals_is_recorded():
    shelf, other = ShelfFactory(), ShelfFactory()
    key = str(other.pk)
    with factory.django.mute_signals(post_delete):
        shelf.delete()
    with capture_events() as events:
        other.delete()
    assert told(events) == [("deleted", "shelf", key)]
