"""What would keep metrics from being written, and alerts from being told."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import Any, Final

from django.apps import AppConfig
from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import connections, router
from django.db.models import Model

from django_clean_timestamps.checks.names import NAMED
from django_clean_timestamps.conf import SETTING_NAME, Settings, get_settings
from django_clean_timestamps.exceptions import InvalidSettingError
from django_clean_timestamps.metrics.alerts.models import AlertChange, AlertNotice, AlertState
from django_clean_timestamps.metrics.alerts.rules import find_rule_problems
from django_clean_timestamps.metrics.models import (
    MetricExample,
    MetricLease,
    MetricMinute,
    MetricReason,
    MetricRollup,
    MetricSample,
    MetricSeries,
    MetricTotal,
    MetricWriter,
)

__all__ = ["METRICS_MODELS", "check_metrics", "check_metrics_database"]

METRICS_MODELS: Final[tuple[type[Model], ...]] = (
    MetricSeries,
    MetricWriter,
    MetricMinute,
    MetricRollup,
    MetricTotal,
    MetricSample,
    MetricReason,
    MetricExample,
    MetricLease,
    AlertState,
    AlertChange,
    AlertNotice,
)

NOWHERE: Final = "django.core.mail.backends.dummy.EmailBackend"
UNSET_SENDER: Final = "webmaster@localhost"


def check_metrics(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """Report what keeps metrics from being written (E051, E052) and alerts from being told (E050, E053 to W056)."""
    try:
        wanted = get_settings()
    except InvalidSettingError:
        # E001 or E002 has told.
        return []
    # Also where METRICS is off: on again one day, it is to work.
    found = [*_check_rules(wanted), *_check_addresses(wanted)]
    if wanted.metrics:
        return [*found, *_check_alias(wanted.metrics_database), *_check_mail(wanted)]
    if wanted.alerts or wanted.alert_mail_to:
        found.append(
            checks.Warning(
                f"{SETTING_NAME}['METRICS'] is False, so there are no figures that alerts could be made of.",
                hint="Leave METRICS out, or take ALERTS and ALERT_MAIL_TO out.",
                id=NAMED.format("W056"),
            )
        )
    return found


def check_metrics_database(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **_: Any
) -> list[CheckMessage]:
    """Look into the metrics' database for missing tables (W057)."""
    try:
        wanted = get_settings()
    except InvalidSettingError:
        return []
    alias = wanted.metrics_database
    if not wanted.metrics or alias not in (databases or ()) or _refused(alias):
        return []
    tables = connections[alias].introspection.table_names()
    missing = [model._meta.db_table for model in METRICS_MODELS if model._meta.db_table not in tables]
    # None at all is a database that is only now being made. No error: migrate, which makes them, runs this first.
    if not tables or not missing:
        return []
    return [
        checks.Warning(
            f"Tables of the metrics are missing in the database {alias!r} ({_shortened(missing)}): no figures are "
            "kept, and nobody is alerted.",
            hint=f"Run 'manage.py migrate clean_timestamps --database {alias}', or set {SETTING_NAME} = "
            "{'METRICS': False}.",
            id=NAMED.format("W057"),
        )
    ]


def _check_rules(wanted: Settings) -> Iterator[CheckMessage]:
    for problem in find_rule_problems(wanted.alerts):
        yield checks.Error(
            problem,
            hint="See the reference of alerts for what each rule can be given. Until then nobody is alerted.",
            id=NAMED.format("E050"),
        )


def _check_alias(alias: str) -> Iterator[CheckMessage]:
    if alias not in connections.settings:
        yield checks.Error(
            f"{SETTING_NAME}['METRICS_DATABASE'] is {alias!r}, which DATABASES does not have: no figures are kept.",
            hint=f"Name one of {', '.join(map(repr, connections.settings))}, or leave it out for 'default'.",
            id=NAMED.format("E051"),
        )
    elif refused := _refused(alias):
        yield checks.Error(
            f"{SETTING_NAME}['METRICS_DATABASE'] is {alias!r}, where DATABASE_ROUTERS do not let the metrics' tables "
            f"be ({_shortened(refused)}): no figures are kept.",
            hint=f"Let allow_migrate({alias!r}, 'clean_timestamps') return True or None, or name another database.",
            id=NAMED.format("E052"),
        )


def _check_addresses(wanted: Settings) -> Iterator[CheckMessage]:
    for address in wanted.alert_mail_to:
        try:
            validate_email(address)
        except ValidationError:
            yield checks.Error(
                f"{SETTING_NAME}['ALERT_MAIL_TO'] has {address!r}, which is no address: no alert can be mailed.",
                hint="Give plain addresses, such as 'operators@example.org', without a name.",
                id=NAMED.format("E053"),
            )


def _check_mail(wanted: Settings) -> Iterator[CheckMessage]:
    if not wanted.alert_mail_to:
        return
    if _mail_backend() == NOWHERE:
        yield checks.Warning(
            f"Alerts are to be mailed ({SETTING_NAME}['ALERT_MAIL_TO']), but the project's mail goes nowhere: its "
            f"backend is {NOWHERE}.",
            hint="Name a backend that sends, or leave ALERT_MAIL_TO out.",
            id=NAMED.format("W054"),
        )
    if settings.DEFAULT_FROM_EMAIL == UNSET_SENDER:
        yield checks.Warning(
            f"Alerts are to be mailed from {UNSET_SENDER}, Django's default, which many servers refuse.",
            hint="Set DEFAULT_FROM_EMAIL to an address of your own.",
            id=NAMED.format("W055"),
        )


def _mail_backend() -> str:
    mailers: Any = getattr(settings, "MAILERS", None)
    if mailers is not None:
        return str(mailers.get("default", {}).get("BACKEND", ""))
    # Django 6.1 has MAILERS in its place, and warns whoever asks for the old one.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return str(settings.EMAIL_BACKEND)


def _refused(alias: str) -> list[str]:
    return [model._meta.label for model in METRICS_MODELS if not router.allow_migrate_model(alias, model)]


def _shortened(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
