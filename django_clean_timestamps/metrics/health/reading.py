"""Asking everything that health is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.db import Error, connections

from django_clean_timestamps.conf import get_settings
from django_clean_timestamps.delivery.models import Subscription
from django_clean_timestamps.delivery.places import aliases_of_log, has_delivery_tables
from django_clean_timestamps.delivery.registry import get_handlers
from django_clean_timestamps.delivery.status import read_subscriptions
from django_clean_timestamps.eventlog.aliases import entity_aliases, has_log, is_read_only
from django_clean_timestamps.eventlog.status import LogStatus, read_status
from django_clean_timestamps.exceptions import CleanTimestampsError
from django_clean_timestamps.metrics.health.checks.alerts import check_alerts
from django_clean_timestamps.metrics.health.checks.databases import (
    check_database,
    check_log_tables,
    check_tables,
    could_not_ask,
    no_log,
    not_asked,
)
from django_clean_timestamps.metrics.health.checks.logs import check_sequencer, check_transactions
from django_clean_timestamps.metrics.health.checks.processes import (
    check_clocks,
    check_collector,
    check_delivery,
    check_series,
)
from django_clean_timestamps.metrics.health.checks.subscriptions import check_dead_events, check_subscriptions, waits
from django_clean_timestamps.metrics.health.limits import Limits
from django_clean_timestamps.metrics.health.migrations import APP_LABEL, unapplied_migrations
from django_clean_timestamps.metrics.health.probing import Answer, select_one
from django_clean_timestamps.metrics.health.readiness import ASKER
from django_clean_timestamps.metrics.health.values import CheckResult, Health, Level
from django_clean_timestamps.metrics.queries.alerts import read_alerts
from django_clean_timestamps.metrics.queries.processes import Process, read_freshness, read_processes

__all__ = ["read_health"]

FAILURES: Final = (Error, CleanTimestampsError, ImproperlyConfigured, OSError)
"""What asking a database may end with."""

METRICS_MODULE: Final = "django_clean_timestamps.metrics."


def read_health(databases: Iterable[str] | None = None) -> Health:
    """
    Return how stamping, delivery and metrics stand; changes nothing.

    A database that does not answer within a second is told of and left alone: what lies in it is unknown. All of them
    are asked that at once, each over a connection of its own; the rest goes over the caller's. Texts are in the active
    language.

    Args:
        databases: Aliases of the logs to look at; by default every one that entities can be in. The metrics are looked
            at either way.

    Raises:
        InvalidSettingError: The settings cannot be used.
    """
    return _Reading(databases, Limits.in_force()).read()


class _Reading:
    def __init__(self, databases: Iterable[str] | None, limits: Limits) -> None:
        self.are_named = databases is not None
        self.logs = entity_aliases() if databases is None else tuple(dict.fromkeys(databases))
        self.limits = limits
        settings = get_settings()
        self.metrics_alias = settings.metrics_database if settings.metrics else None
        self.evaluation_age_seconds: float | None = None
        self.processes: list[Process] | None = None
        self.oldest_seconds: list[float] = []
        self.found_log = False

    def read(self) -> Health:
        begun_at = datetime.now(UTC)
        answers = ASKER.ask_all(self._aliases(), select_one)
        self.answering = {alias for alias, answer in answers.items() if answer.error is None}
        checks = tuple(self._checks(answers))
        return Health(checks=checks, checked_at=begun_at, evaluation_age_seconds=self.evaluation_age_seconds)

    def _aliases(self) -> tuple[str, ...]:
        subscribed = (alias for log in self.logs for alias in aliases_of_log(log))
        metrics = () if self.metrics_alias is None else (self.metrics_alias,)
        return tuple(dict.fromkeys([*self.logs, *subscribed, *metrics]))

    def _checks(self, answers: Mapping[str, Answer]) -> Iterator[CheckResult]:
        yield from (check_database(alias, answer) for alias, answer in answers.items())
        for alias in self.logs:
            yield from self._attempt("log", alias, alias, partial(self._of_log, alias))
        if not self.found_log:
            yield no_log(has_entities=bool(self.logs))
        if self.metrics_alias is not None:
            yield from self._attempt("metrics", "", self.metrics_alias, self._of_metrics)
        oldest = max(self.oldest_seconds, default=None)
        yield check_delivery(oldest, self.processes, self.limits)

    def _attempt(
        self, name: str, subject: str, alias: str, work: Callable[[], Iterator[CheckResult]]
    ) -> Iterator[CheckResult]:
        """Yield what some checks find until one cannot be made, and that then."""
        if alias not in self.answering:
            # What does not answer may well hold one.
            self.found_log = self.found_log or name == "log"
            yield not_asked(name, subject)
            return
        try:
            yield from work()
        except FAILURES as error:
            yield could_not_ask(name, subject, error)

    def _of_log(self, alias: str) -> Iterator[CheckResult]:
        if not self.are_named and not has_log(alias):
            return
        self.found_log = True
        log = read_status(alias)
        tables = check_log_tables(alias, log.missing_tables, unapplied_migrations(connections[alias]))
        yield tables
        if log.missing_tables:
            return
        is_heard = any(handler.hears_log(alias) for handler in get_handlers().values())
        yield check_sequencer(log, self.limits, is_heard=is_heard)
        yield check_transactions(log)
        if is_heard:
            self._note_wait(log.oldest_pending_age_seconds)
        yield from self._of_deliveries(log)

    def _of_deliveries(self, log: LogStatus) -> Iterator[CheckResult]:
        aliases = []
        for alias in aliases_of_log(log.using):
            if alias not in self.answering:
                yield not_asked("subscriptions", alias)
            elif has_delivery_tables(alias):
                aliases += [] if is_read_only(alias) else [alias]
            elif self._is_written_to(log.using, alias):
                yield check_tables("subscriptions", alias, alias, [Subscription._meta.db_table])
        subscriptions = read_subscriptions(log.using, aliases)
        for shard in filter(waits, subscriptions):
            self._note_wait(shard.lag_seconds)
        yield from check_subscriptions(subscriptions, self.limits)
        yield check_dead_events(log.using, subscriptions, self.limits)

    def _is_written_to(self, log_alias: str, alias: str) -> bool:
        handlers = get_handlers().values()
        return any(each.hears_log(log_alias) and each.alias_for(log_alias) == alias for each in handlers)

    def _note_wait(self, seconds: float | None) -> None:
        if seconds is not None:
            self.oldest_seconds.append(seconds)

    def _of_metrics(self) -> Iterator[CheckResult]:
        using: Any = self.metrics_alias
        tables = check_tables("metrics", "", using, _missing_tables(using), unapplied_migrations(connections[using]))
        yield tables
        if tables.level is not Level.OK:
            return
        freshness = read_freshness(using)
        self.evaluation_age_seconds = freshness.evaluation_age_seconds
        self.processes = read_processes(using)
        yield check_collector(freshness, self.processes, self.limits)
        yield check_clocks(self.processes)
        yield check_series(self.processes)
        yield check_alerts(read_alerts(using), freshness.evaluation_age_seconds)


def _missing_tables(using: str) -> list[str]:
    models = apps.get_app_config(APP_LABEL).get_models()
    wanted = {
        model._meta.db_table
        for model in models
        if model.__module__.startswith(METRICS_MODULE) and not model._meta.proxy
    }
    connection = connections[using]
    with connection.cursor() as cursor:
        return sorted(wanted - set(connection.introspection.table_names(cursor)))
