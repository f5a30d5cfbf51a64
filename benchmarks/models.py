"""The same row three times: stamped by nobody, by ``auto_now``, and by us."""

from datetime import UTC, datetime

from django.db import models

from django_clean_timestamps.models import BaseTimestampEntity

LONG_AGO = datetime(2026, 1, 1, 12, 30, 45, 123456, tzinfo=UTC)


class Plain(models.Model):
    name = models.CharField(max_length=100)
    created_at = models.DateTimeField(default=LONG_AGO, editable=False)
    updated_at = models.DateTimeField(default=LONG_AGO, editable=False)


class AutoNow(models.Model):
    name = models.CharField(max_length=100)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)


class Entity(BaseTimestampEntity):
    name = models.CharField(max_length=100)


class Parent(BaseTimestampEntity):
    name = models.CharField(max_length=100)


class Child(BaseTimestampEntity):
    touches = ("parent",)

    name = models.CharField(max_length=100)
    parent = models.ForeignKey(Parent, on_delete=models.CASCADE)


class Scratch(models.Model):
    """One row, written at the start of a measured transaction so that no side pays for the lock or the BEGIN."""

    number = models.IntegerField(default=0)


class Effect(models.Model):
    """What a handler or a task does: it writes one of these for each event."""

    entity_id = models.CharField(max_length=200)
