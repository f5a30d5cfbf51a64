"""What would keep handlers from hearing events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.apps import AppConfig, apps
from django.core import checks
from django.core.checks import CheckMessage
from django.db import connections, router
from django.db.models import Count

from django_clean_timestamps.checks.names import NAMED
from django_clean_timestamps.conf import get_settings
from django_clean_timestamps.delivery.handlers import Handler
from django_clean_timestamps.delivery.models import ParkedEvent, Subscription
from django_clean_timestamps.delivery.registry import get_handlers
from django_clean_timestamps.eventlog.aliases import entity_aliases
from django_clean_timestamps.exceptions import InvalidSettingError
from django_clean_timestamps.stamping.entity import BaseTimestampEntity

__all__ = ["check_delivery", "check_delivery_database"]

DELIVERY_MODELS = (Subscription, ParkedEvent)


def check_delivery(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """Report handlers that hear nothing: their tables are refused (E040), no such entity (W041), no events (W042)."""
    handlers = get_handlers()
    if not handlers:
        return []
    try:
        has_events = get_settings().events
    except InvalidSettingError:
        # E001 or E002 has told.
        return []
    if not has_events:
        return [
            checks.Warning(
                f"CLEAN_TIMESTAMPS['EVENTS'] is False, so the handlers hear nothing ({_shortened(sorted(handlers))}).",
                hint="Leave EVENTS out, or take the handlers out of the code.",
                id=NAMED.format("W042"),
            )
        ]
    return [*_check_routers(), *_check_labels(handlers)]


def check_delivery_database(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **_: Any
) -> list[CheckMessage]:
    """Look into databases: for missing tables (W043), and for subscriptions that no code fits (W044, W045)."""
    found: list[CheckMessage] = []
    for alias in databases or ():
        if all(router.allow_migrate_model(alias, model) for model in DELIVERY_MODELS):
            tables = connections[alias].introspection.table_names()
            if all(model._meta.db_table in tables for model in DELIVERY_MODELS):
                found += _check_subscriptions(alias)
            elif tables:
                # None at all is a database that is only now being made.
                found += _check_tables(alias)
    return found


def _check_routers() -> Iterator[CheckMessage]:
    for alias, names in _writers().items():
        refused = [model._meta.label for model in DELIVERY_MODELS if not router.allow_migrate_model(alias, model)]
        if refused:
            yield checks.Error(
                f"Handlers ({_shortened(names)}) keep their subscriptions in the database {alias!r}, where "
                f"DATABASE_ROUTERS do not let their tables be ({', '.join(refused)}): nothing could be delivered.",
                hint=f"Let allow_migrate({alias!r}, 'clean_timestamps') return True or None, or give the handlers "
                "another on_timestamp(using=...).",
                id=NAMED.format("E040"),
            )


def _check_labels(handlers: Mapping[str, Handler]) -> Iterator[CheckMessage]:
    for name, handler in sorted(handlers.items()):
        for label in handler.labels or ():
            if not _is_entity(label):
                yield checks.Warning(
                    f"The handler {name} hears {label!r}, which is no installed entity: there will be no event of it.",
                    hint="Correct sender=, or let the model subclass BaseTimestampEntity. Where the model is gone on "
                    f"purpose, and its last events are still to be heard, silence {NAMED.format('W041')}.",
                    id=NAMED.format("W041"),
                )


def _check_tables(alias: str) -> Iterator[CheckMessage]:
    # No error: migrate, which makes them, runs this check first.
    if names := _writers().get(alias):
        yield checks.Warning(
            f"The tables of delivery are missing in the database {alias!r}, where handlers ({_shortened(names)}) keep "
            "their subscriptions: nothing can be delivered.",
            hint=f"Run 'manage.py migrate clean_timestamps --database {alias}'.",
            id=NAMED.format("W043"),
        )


def _check_subscriptions(alias: str) -> Iterator[CheckMessage]:
    shards = Subscription.objects.using(alias).values_list("handler", "log_alias").annotate(count=Count("id"))
    for name, log_alias, count in shards.filter(shards_wanted=None).order_by("handler", "log_alias"):
        handler = get_handlers().get(name)
        if reason := _why_idle(handler, alias, log_alias):
            yield checks.Warning(
                f"Nobody moves the subscription of {name} to the log of {log_alias!r}, which lives in {alias!r}: "
                f"{reason}. It keeps every event that it has not heard from being pruned.",
                hint=_way_out(name, log_alias, is_gone=handler is None),
                id=NAMED.format("W044"),
            )
        elif handler is not None and handler.shards != count:
            yield checks.Warning(
                f"The handler {name} asks for shards={handler.shards}, and its subscription to the log of "
                f"{log_alias!r} has {count}, which counts.",
                hint=f"Run 'manage.py timestamps_reshard {name} {handler.shards}', or say shards={count}.",
                id=NAMED.format("W045"),
            )


def _why_idle(handler: Handler | None, using: str, log_alias: str) -> str:
    if handler is None:
        return "there is no such handler in the code"
    if handler.alias_for(log_alias) != using:
        return f"the handler writes to {handler.alias_for(log_alias)!r} now"
    return "" if handler.hears_log(log_alias) else "the handler hears nothing of this log any more"


def _way_out(name: str, log_alias: str, *, is_gone: bool) -> str:
    if is_gone:
        return (
            f"Run 'manage.py timestamps_rename {name} NEW' if it goes by another name now, or 'manage.py "
            f"timestamps_forget {name}' if it is gone for good."
        )
    return (
        f"Run 'manage.py timestamps_forget {name} --force --database {log_alias}'; where it still hears the log it "
        "begins anew, at the head."
    )


def _writers() -> dict[str, list[str]]:
    """Return which handlers have a subscription in which database, once they are born."""
    writers: dict[str, set[str]] = {}
    for log_alias in entity_aliases():
        for name, handler in get_handlers().items():
            if handler.hears_log(log_alias):
                writers.setdefault(handler.alias_for(log_alias), set()).add(name)
    return {alias: sorted(names) for alias, names in writers.items()}


def _is_entity(label: str) -> bool:
    try:
        return issubclass(apps.get_model(label), BaseTimestampEntity)
    except (LookupError, ValueError):
        return False


def _shortened(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
