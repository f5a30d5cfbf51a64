"""Putting the package's pages on an admin site."""

from __future__ import annotations

from typing import Any, Final

from django.apps import apps
from django.contrib import admin
from django.db.models import Model

from django_clean_timestamps.admin.dashboard.admin import DashboardAdmin
from django_clean_timestamps.admin.eventlog import EventLogAdmin
from django_clean_timestamps.admin.parked import ParkedEventAdmin
from django_clean_timestamps.admin.subscriptions import SubscriptionAdmin
from django_clean_timestamps.delivery.models import ParkedEvent, Subscription
from django_clean_timestamps.eventlog.models import Event
from django_clean_timestamps.metrics.models import Dashboard

__all__ = ["register_on_default_site", "register_pages"]

_PAGES: Final[dict[type[Model], type[admin.ModelAdmin[Any]]]] = {
    Dashboard: DashboardAdmin,
    Event: EventLogAdmin,
    Subscription: SubscriptionAdmin,
    ParkedEvent: ParkedEventAdmin,
}

_is_done = False


def register_pages(site: admin.AdminSite) -> None:
    """
    Put the package's pages on an admin site; on the default site they stand by themselves.

    Calling it again changes nothing, and a page that the project has registered itself stays.
    """
    for model, model_admin in _PAGES.items():
        if not site.is_registered(model):
            site.register(model, model_admin)


def register_on_default_site() -> None:
    """
    Do so on the default site, once in a process, where Django's admin is installed and the models are there.

    A second time would undo it where a project took a page away.
    """
    global _is_done
    if _is_done or not apps.models_ready or not apps.is_installed("django.contrib.admin"):
        return
    register_pages(admin.site)
    _is_done = True
