"""Django REST framework: serializers show the stamps and never take them."""

from datetime import UTC, datetime

import pytest
from django.core.exceptions import ValidationError
from rest_framework.fields import DateTimeField
from rest_framework.test import APIClient

from django_clean_timestamps.context import timestamp_context
from django_clean_timestamps.testing import capture_events
from tests.beside.api import BookSerializer
from tests.beside.stories import stamps, told
from tests.besideapp.models import Book, Shelf

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.beside.api")]

LONG_AGO = "2001-02-03T04:05:06.789012Z"


@pytest.fixture
def client():
    return APIClient()


@pytest.fixture
def book():
    return Book.objects.create(isbn="1", title="one")


def parsed(text):
    return datetime.fromisoformat(text).astimezone(UTC)


# Serializers


@pytest.mark.parametrize("name", ["created_at", "updated_at"])
def test_a_serializer_shows_a_stamp_and_does_not_take_it(name):
    field = BookSerializer().fields[name]
    assert isinstance(field, DateTimeField)
    assert field.read_only


def test_a_serializer_shows_the_stamps_to_the_microsecond(book):
    data = BookSerializer(book).data
    assert (parsed(data["created_at"]), parsed(data["updated_at"])) == stamps(book)


def test_a_serializer_creates_a_stamped_entity():
    serializer = BookSerializer(data={"isbn": "1"})
    assert serializer.is_valid()
    with capture_events() as events:
        made = serializer.save()
    assert told(events) == [("created", "book", str(made.pk))]
    assert stamps(made) == (made.created_at, made.created_at)


def test_a_serializer_of_many_creates_each_with_an_event():
    serializer = BookSerializer(data=[{"isbn": "1"}, {"isbn": "2"}], many=True)
    assert serializer.is_valid()
    with capture_events() as events:
        made = serializer.save()
    assert told(events) == [("created", "book", str(book.pk)) for book in made]


def test_a_serializer_updates_and_keeps_created_at(book):
    created_at, before = stamps(book)
    serializer = BookSerializer(book, data={"title": "uno"}, partial=True)
    assert serializer.is_valid()
    with capture_events() as events:
        serializer.save()
    assert told(events) == [("updated", "book", str(book.pk))]
    assert stamps(book)[0] == created_at
    assert stamps(book)[1] > before


def test_a_serializer_passes_on_a_stamp_that_the_view_gives(book, moment):
    serializer = BookSerializer(book, data={"title": "uno"}, partial=True)
    assert serializer.is_valid()
    serializer.save(updated_at=moment)
    assert stamps(book)[1] == moment


# Views


def test_post_creates_a_stamped_entity(client):
    with capture_events() as events:
        response = client.post("/books/", {"isbn": "1", "title": "one"})
    assert response.status_code == 201
    made = Book.objects.get()
    assert told(events) == [("created", "book", str(made.pk))]
    assert (parsed(response.data["created_at"]), parsed(response.data["updated_at"])) == stamps(made)


def test_post_takes_no_stamps(client):
    client.post("/books/", {"isbn": "1", "created_at": LONG_AGO, "updated_at": LONG_AGO})
    made = Book.objects.get()
    assert made.created_at == made.updated_at > parsed(LONG_AGO)


@pytest.mark.parametrize("method", ["put", "patch"])
def test_a_change_stamps_and_answers_with_the_new_stamp(client, book, method):
    created_at, before = stamps(book)
    with capture_events() as events:
        response = getattr(client, method)(f"/books/{book.pk}/", {"isbn": "1", "title": "uno"})
    assert response.status_code == 200
    assert told(events) == [("updated", "book", str(book.pk))]
    assert stamps(book) == (created_at, parsed(response.data["updated_at"]))
    assert stamps(book)[1] > before


@pytest.mark.parametrize("method", ["put", "patch"])
def test_a_change_takes_no_stamps(client, book, method):
    created_at, before = stamps(book)
    changes = {"isbn": "1", "created_at": LONG_AGO, "updated_at": LONG_AGO}
    assert getattr(client, method)(f"/books/{book.pk}/", changes).status_code == 200
    assert stamps(book)[0] == created_at
    assert stamps(book)[1] > before


def test_a_change_through_the_api_touches_the_parent(client, book):
    shelf = Shelf.objects.create()
    before = shelf.updated_at
    client.patch(f"/books/{book.pk}/", {"shelf": shelf.pk})
    assert stamps(shelf)[1] > before


def test_delete_is_recorded(client, book):
    with capture_events() as events:
        assert client.delete(f"/books/{book.pk}/").status_code == 204
    assert told(events) == [("deleted", "book", str(book.pk))]


def test_get_writes_nothing(client, book):
    with capture_events() as events:
        assert client.get("/books/").status_code == 200
        assert client.get(f"/books/{book.pk}/").status_code == 200
    assert events == []


# What a write refuses


def test_what_the_serializer_refuses_writes_nothing(client, book):
    with capture_events() as events:
        assert client.post("/books/", {"isbn": "1"}).status_code == 400
    assert events == []


def test_what_the_entity_refuses_is_an_error_of_the_server(client):
    # REST framework runs no full_clean(), and makes answers of its own ValidationError alone.
    with pytest.raises(ValidationError, match="This is forbidden"):
        client.post("/books/", {"isbn": "1", "title": "forbidden"})
    assert not Book.objects.exists()


def test_a_view_can_answer_for_what_the_entity_refuses(client):
    response = client.post("/answering-books/", {"isbn": "1", "title": "forbidden"})
    assert response.status_code == 400
    assert response.json() == {"title": ["This is forbidden."]}
    assert not Book.objects.exists()


def test_a_view_can_answer_for_what_our_rules_refuse(client):
    with timestamp_context(reason="x" * 201):
        response = client.post("/answering-books/", {"isbn": "1"})
    assert response.status_code == 400
    (message,) = response.json()["non_field_errors"]
    assert "reason" in message
    assert "200" in message
    assert not Book.objects.exists()
