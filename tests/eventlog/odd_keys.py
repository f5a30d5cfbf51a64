"""Entities whose keys no database writes as Python does; the fixture ``odd_tables`` makes their tables."""

import datetime as dt
import uuid
from decimal import Decimal

from django.db import models

from django_clean_timestamps.models import BaseTimestampEntity
from tests.testapp.models import Token


class ShoutedField(models.CharField):
    """Has a form of its own in Python."""

    def from_db_value(self, value, expression, connection):
        return value.upper()


class OddKey(BaseTimestampEntity):
    label = models.CharField(max_length=50, default="")

    class Meta:
        abstract = True


class DecimalKey(OddKey):
    code = models.DecimalField(primary_key=True, max_digits=8, decimal_places=3)

    class Meta:
        app_label = "eventlog_tests"
        managed = False


class DayKey(OddKey):
    code = models.DateField(primary_key=True)

    class Meta:
        app_label = "eventlog_tests"
        managed = False


class ShoutedKey(OddKey):
    code = ShoutedField(primary_key=True, max_length=20)

    class Meta:
        app_label = "eventlog_tests"
        managed = False


class BooleanKey(OddKey):
    code = models.BooleanField(primary_key=True)

    class Meta:
        app_label = "eventlog_tests"
        managed = False


class TokenKey(OddKey):
    """Its key is that of another entity, which is a UUID and which every database can write."""

    code = models.OneToOneField(Token, primary_key=True, on_delete=models.DO_NOTHING, db_constraint=False)

    class Meta:
        app_label = "eventlog_tests"
        managed = False


class SlugKey(OddKey):
    code = models.SlugField(primary_key=True, max_length=200)

    class Meta:
        app_label = "eventlog_tests"
        managed = False


BY_PYTHON = {DecimalKey: Decimal("1.500"), ShoutedKey: "QUIET", BooleanKey: True, DayKey: dt.date(2026, 1, 2)}
BY_SQL = {TokenKey: uuid.UUID("123e4567-e89b-42d3-a456-426614174000"), SlugKey: "x" * 200}
ALL = (DecimalKey, DayKey, ShoutedKey, BooleanKey, TokenKey, SlugKey)
