"""The entity's side of Django's admin: put ``TimestampAdminMixin`` before ``admin.ModelAdmin``; and the event log."""

from contextlib import suppress

from django_clean_timestamps.admin.age_filters import AgeFilter, CreatedAgeFilter, UpdatedAgeFilter
from django_clean_timestamps.admin.mixin import TimestampAdminMixin
from django_clean_timestamps.admin.registration import register_on_default_site, register_pages

__all__ = ["AgeFilter", "CreatedAgeFilter", "TimestampAdminMixin", "UpdatedAgeFilter", "register_pages"]

# Here, where Django looks for it, so that a project's own admin module comes later and can take the page away again.
# The module of a replaced default site may be the one that imports this, and has no site yet: `wiring` asks once more.
with suppress(ImportError):
    register_on_default_site()
