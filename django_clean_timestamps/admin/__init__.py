"""The entity's side of Django's admin: put ``TimestampAdminMixin`` before ``admin.ModelAdmin``."""

from django_clean_timestamps.admin.age_filters import AgeFilter, CreatedAgeFilter, UpdatedAgeFilter
from django_clean_timestamps.admin.mixin import TimestampAdminMixin

__all__ = ["AgeFilter", "CreatedAgeFilter", "TimestampAdminMixin", "UpdatedAgeFilter"]
