"""Rows to write to, and what stands in them."""

from datetime import UTC, datetime, timedelta

from tests.testapp.models import Note

TICK = timedelta(microseconds=1)
SECOND = timedelta(seconds=1)
EARLIER = datetime(2025, 6, 1, 12, 30, 15, 123456, tzinfo=UTC)


def notes(*titles, **fields):
    return [Note.objects.create(title=title, **fields) for title in titles]


def stamps(model=Note):
    return list(model.objects.order_by("pk").values_list("updated_at", flat=True))


def no_notes(name):
    """Return a query that Django knows to be empty, without asking the database."""
    return Note.objects.none().values(name)


def row(entity, using="default"):
    return type(entity)._base_manager.using(using).get(pk=entity.pk)
