"""A project's own ENGINE: the seam mixed into the backend of the database under test."""

from importlib import import_module

from django.db import connections

from django_clean_timestamps.unit_of_work import UnitOfWorkMixin

_vendor = import_module(f"{connections.settings['default']['ENGINE']}.base")


class DatabaseWrapper(UnitOfWorkMixin, _vendor.DatabaseWrapper):
    pass
