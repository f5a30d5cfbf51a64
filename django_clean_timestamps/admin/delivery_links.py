"""Where the admin shows deliveries, for those who may see them."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import AdminSite
from django.contrib.admin.utils import quote
from django.http import HttpRequest
from django.urls import reverse
from django.utils.http import urlencode

from django_clean_timestamps.admin.databases import DATABASE, delivery_databases, key_of
from django_clean_timestamps.delivery.models import ParkedEvent, Subscription

__all__ = ["may_see_parked", "may_see_subscriptions", "parked_list_url", "parked_url"]


def may_see_parked(site: AdminSite, request: HttpRequest) -> bool:
    """Say whether parked events stand on the site and its user may view them, those of the models that he may view."""
    return site.is_registered(ParkedEvent) and site.get_model_admin(ParkedEvent).has_view_permission(request)


def may_see_subscriptions(site: AdminSite, request: HttpRequest) -> bool:
    """Say whether subscriptions stand on the site and its user may view them."""
    return site.is_registered(Subscription) and site.get_model_admin(Subscription).has_view_permission(request)


def parked_list_url(site: AdminSite, using: str, **asked: str) -> str:
    """Return the address of the list of the parked events of a database, with what is asked for."""
    database = {DATABASE: using} if len(delivery_databases()) > 1 else {}
    return f"{reverse(f'{site.name}:clean_timestamps_parkedevent_changelist')}?{urlencode(database | asked)}"


def parked_url(site: AdminSite, using: str, pk: Any) -> str:
    """Return the address of a parked event's page."""
    return reverse(f"{site.name}:clean_timestamps_parkedevent_change", args=[quote(key_of(pk, using))])
