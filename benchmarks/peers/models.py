"""The row, stamped or recorded by each peer that is installed."""

from django.apps import apps
from django.db import models
from model_utils.models import TimeStampedModel


class ModelUtils(TimeStampedModel):
    name = models.CharField(max_length=100)


if apps.is_installed("simple_history"):
    from simple_history.models import HistoricalRecords

    class SimpleHistory(models.Model):
        name = models.CharField(max_length=100)
        created_at = models.DateTimeField(auto_now_add=True)
        updated_at = models.DateTimeField(auto_now=True)
        history = HistoricalRecords()


if apps.is_installed("reversion"):
    import reversion

    @reversion.register()
    class Reversion(models.Model):
        name = models.CharField(max_length=100)
        created_at = models.DateTimeField(auto_now_add=True)
        updated_at = models.DateTimeField(auto_now=True)
