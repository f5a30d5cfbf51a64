from django.db import models

from django_clean_timestamps.models import BaseTimestampEntity


class Counter(BaseTimestampEntity):
    """
    Counts its own writes: the event of each says in its reason which number it wrote.

    The counters of one flock are always written together and hold the same number.
    """

    name = models.CharField(max_length=60, unique=True)
    flock = models.IntegerField(default=0, db_index=True)
    number = models.IntegerField(default=1)


class Book(BaseTimestampEntity):
    title = models.CharField(max_length=50, default="")


class Page(BaseTimestampEntity):
    """Touches its book just before COMMIT; its foreign key is checked at COMMIT on PostgreSQL and SQLite."""

    book = models.ForeignKey(Book, on_delete=models.CASCADE)
    text = models.CharField(max_length=50, default="")

    touches = ("book",)


class Effect(models.Model):
    """What a handler has done with an event: one row for each time that was committed, in the order of their ids."""

    handler = models.CharField(max_length=60)
    entity = models.CharField(max_length=60)
    number = models.IntegerField()
    event_id = models.CharField(max_length=32)


class Tally(models.Model):
    """How many effects a handler has had: one row that each of them changes."""

    handler = models.CharField(max_length=60, unique=True)
    count = models.IntegerField(default=0)
