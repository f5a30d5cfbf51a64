"""Entities on a second database."""

from django.db import models

from django_clean_timestamps.models import BaseTimestampEntity


class Remote(BaseTimestampEntity):
    name = models.CharField(max_length=50, default="")
