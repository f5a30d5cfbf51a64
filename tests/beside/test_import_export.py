"""django-import-export: row by row and in bulk."""

import pytest
from import_export import resources
from tablib import Dataset  # type: ignore[import-untyped]

from django_clean_timestamps.context import preserve_timestamps, timestamp_context
from django_clean_timestamps.exceptions import ImmutableTimestampError
from django_clean_timestamps.testing import capture_events
from tests.beside.stories import stamps, told
from tests.besideapp.models import Book, Shelf

pytestmark = pytest.mark.django_db

in_both_ways = pytest.mark.parametrize("bulk", [False, True], ids=["row by row", "bulk"])


def resource(bulk=False, **options):
    """Return a resource for books that knows them by their isbn."""
    meta = {"model": Book, "import_id_fields": ("isbn",), "use_bulk": bulk, "fields": ("isbn", "title", "pages")}
    meta.update(options)
    meta = {name: value for name, value in meta.items() if value is not None}
    return type("BookResource", (resources.ModelResource,), {"Meta": type("Meta", (), meta)})()


def full_resource(bulk):
    """Return a resource of all fields but the key, which import-export's bulk update cannot do with."""
    return resource(bulk, fields=None, exclude=("id",))


def dataset(*rows, headers=("isbn", "title", "pages")):
    return Dataset(*rows, headers=headers)


@pytest.fixture
def book():
    return Book.objects.create(isbn="1", title="one", pages=1)


@in_both_ways
def test_new_rows_are_stamped_and_recorded(bulk):
    with capture_events() as events:
        resource(bulk).import_data(dataset(("1", "one", 1), ("2", "two", 2)), raise_errors=True)
    books = list(Book.objects.order_by("isbn"))
    assert told(events) == [("created", "book", str(book.pk)) for book in books]
    assert all(book.created_at == book.updated_at for book in books)


@in_both_ways
def test_existing_rows_are_stamped_and_keep_their_created_at(bulk, book):
    created_at, before = stamps(book)
    with capture_events() as events:
        resource(bulk).import_data(dataset(("1", "uno", 1)), raise_errors=True)
    assert told(events) == [("updated", "book", str(book.pk))]
    assert Book.objects.get().title == "uno"
    assert stamps(book)[0] == created_at
    assert stamps(book)[1] > before


@in_both_ways
def test_new_and_existing_rows_in_one_file_are_told_apart(bulk, book):
    with capture_events() as events:
        resource(bulk).import_data(dataset(("1", "uno", 1), ("2", "two", 2)), raise_errors=True)
    new = Book.objects.get(isbn="2")
    assert sorted(told(events)) == [("created", "book", str(new.pk)), ("updated", "book", str(book.pk))]


@in_both_ways
def test_skipped_rows_are_left_alone(bulk, book):
    before = stamps(book)
    with capture_events() as events:
        result = resource(bulk, skip_unchanged=True).import_data(dataset(("1", "one", 1)), raise_errors=True)
    assert result.totals["skip"] == 1
    assert events == []
    assert stamps(book) == before


@in_both_ways
def test_a_dry_run_leaves_no_row_and_no_event(bulk, book):
    before = stamps(book)
    with capture_events() as events:
        resource(bulk).import_data(
            dataset(("1", "uno", 1), ("2", "two", 2)), dry_run=True, use_transactions=True, raise_errors=True
        )
    assert events == []
    assert stamps(book) == before
    assert Book.objects.count() == 1


@in_both_ways
def test_the_rows_carry_the_reason_of_the_import(bulk, book):
    with timestamp_context(reason="catalogue of May"), capture_events() as events:
        resource(bulk).import_data(dataset(("1", "uno", 1), ("2", "two", 2)), raise_errors=True)
    assert [event.reason for event in events] == ["catalogue of May"] * 2


@in_both_ways
def test_deleted_rows_are_recorded(bulk, book):
    books = resource(bulk)
    books.for_delete = lambda row, instance: row["title"] == ""
    with capture_events() as events:
        books.import_data(dataset(("1", "", 1)), raise_errors=True)
    assert told(events) == [("deleted", "book", str(book.pk))]
    assert not Book.objects.exists()


@in_both_ways
def test_imported_rows_touch_their_parent(bulk):
    shelf = Shelf.objects.create()
    before = shelf.updated_at
    resource(bulk, fields=("isbn", "shelf")).import_data(
        dataset(("1", shelf.pk), headers=("isbn", "shelf")), raise_errors=True
    )
    assert stamps(shelf)[1] > before


def test_rows_of_one_bulk_share_one_stamp():
    resource(bulk=True).import_data(dataset(("1", "one", 1), ("2", "two", 2)), raise_errors=True)
    assert len(set(Book.objects.values_list("created_at", "updated_at"))) == 1


def test_what_the_entity_refuses_is_an_invalid_row():
    result = resource().import_data(dataset(("1", "forbidden", 1), ("2", "two", 2)))
    assert [row.error_dict for row in result.invalid_rows] == [{"title": ["This is forbidden."]}]
    assert list(Book.objects.values_list("isbn", flat=True)) == ["2"]


# Resources of all fields, which the stamps are among


@in_both_ways
def test_a_resource_of_all_fields_stamps_rows_of_a_file_without_stamps(bulk, book):
    created_at, before = stamps(book)
    full_resource(bulk).import_data(dataset(("1", "uno", 1), ("2", "two", 2)), raise_errors=True)
    assert stamps(book)[0] == created_at
    assert stamps(book)[1] > before
    new = Book.objects.get(isbn="2")
    assert new.created_at == new.updated_at


@in_both_ways
def test_new_rows_keep_the_stamps_of_the_file(bulk):
    headers = ("isbn", "created_at", "updated_at")
    rows = dataset(("1", "2020-02-02 10:00:00", "2021-03-03 11:00:00"), headers=headers)
    resource(bulk, fields=headers).import_data(rows, raise_errors=True)
    assert [str(stamp) for stamp in stamps(Book.objects.get())] == [
        "2020-02-02 10:00:00+00:00",
        "2021-03-03 11:00:00+00:00",
    ]


@in_both_ways
def test_an_exported_file_with_stamps_cannot_be_imported_over_its_rows(bulk, book):
    # The file has them to the second alone, which is another created_at. Leave the stamps out of a resource's fields.
    before = stamps(book)
    every_field = full_resource(bulk)
    exported = every_field.export()
    result = every_field.import_data(exported)
    errors = result.base_errors if bulk else result.rows[0].errors
    assert [type(error.error) for error in errors] == [ImmutableTimestampError]
    assert stamps(book) == before


@in_both_ways
def test_an_exported_file_with_stamps_can_be_imported_over_its_rows_where_stamps_are_preserved(bulk, book):
    every_field = full_resource(bulk)
    exported = every_field.export()
    with preserve_timestamps(Book):
        every_field.import_data(exported, raise_errors=True)
    assert stamps(book) == tuple(stamp.replace(microsecond=0) for stamp in (book.created_at, book.updated_at))
