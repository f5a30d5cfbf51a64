"""What would keep handlers from being run by Celery's workers, or make them run wrongly."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from django.apps import AppConfig
from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage

from django_clean_timestamps.checks.names import NAMED
from django_clean_timestamps.conf import get_settings
from django_clean_timestamps.delivery.doorbell import DRAIN, DRAIN_SECONDS
from django_clean_timestamps.delivery.doorbell.decision import current_app
from django_clean_timestamps.delivery.registry import get_handlers
from django_clean_timestamps.exceptions import InvalidSettingError

__all__ = ["check_celery"]

AMQP: Final = frozenset({"amqp", "amqps", "pyamqp"})
NO_APP: Final = "default"
"""The name of the app that Celery makes where there is none."""


def check_celery(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """Look at the Celery app that this process has (W030 to W033), or ought to have (W034)."""
    try:
        has_doorbell = get_settings().doorbell
    except InvalidSettingError:
        # E001 or E002 has told.
        return []
    app = current_app()
    if app is None or app.main == NO_APP:
        return list(_check_absent_app()) if has_doorbell else []
    found: list[CheckMessage] = []
    if has_doorbell:
        found += _check_silence(app)
        found += _check_threads(app)
    return [*found, *_check_confirms(app), *_check_scheme(app), *_check_limits(app)]


def _check_threads(app: Any) -> Iterator[CheckMessage]:
    uwsgi: Any = sys.modules.get("uwsgi")
    if uwsgi is None or not app.conf.broker_write_url:
        return
    # Some releases give bytes. With more than one thread to a process they are enabled, too.
    options = {_as_text(name): _as_text(value).lower() for name, value in uwsgi.opt.items()}
    if not any(options.get(name, "false") not in ("false", "0") for name in ("enable-threads", "threads")):
        yield checks.Warning(
            "uWSGI runs without threads, and the doorbell needs one: what is written waits for the next sweep.",
            hint="Set enable-threads = true in uWSGI's configuration, or DOORBELL to False.",
            id=NAMED.format("W030"),
        )


def _check_confirms(app: Any) -> Iterator[CheckMessage]:
    sending = sorted(name for name, handler in get_handlers().items() if handler.send)
    options = app.conf.broker_transport_options or {}
    if sending and AMQP & _schemes(app.conf.broker_write_url) and not options.get("confirm_publish"):
        yield checks.Warning(
            f"Handlers with send=True ({', '.join(sending)}) are published over AMQP without publisher confirms: an "
            "event that the broker did not take, or not yet, counts as handled.",
            hint='Set CELERY_BROKER_TRANSPORT_OPTIONS = {"confirm_publish": True}, or whatever your settings call it.',
            id=NAMED.format("W031"),
        )


def _check_scheme(app: Any) -> Iterator[CheckMessage]:
    if "filesystem" in _schemes(app.conf.broker_write_url) | _schemes(app.conf.broker_read_url):
        yield checks.Warning(
            "The broker filesystem:// makes a file before it writes it: consumers lose messages, and an empty file "
            "ends the worker.",
            hint="Use atomicfs:// from django_clean_timestamps.contrib.filesystem_broker, or a server.",
            id=NAMED.format("W032"),
        )


def _check_limits(app: Any) -> Iterator[CheckMessage]:
    leases = [handler.lease_length for handler in get_handlers().values()]
    if not leases:
        return
    wanted = DRAIN_SECONDS + max(leases)
    for name in ("time_limit", "soft_time_limit"):
        limit = _limit_of_drain(app, name)
        if limit and limit < wanted:
            yield checks.Warning(
                f"Celery's task_{name} of {limit:g} seconds ends a drain that may take {wanted:g}: {DRAIN_SECONDS:g} "
                "and a handler's lease. An event at which workers are killed again and again goes dead.",
                hint=f'Set it for this task alone: CELERY_TASK_ANNOTATIONS = {{"{DRAIN}": {{"{name}": {wanted:g}}}}}.',
                id=NAMED.format("W033"),
            )


def _check_silence(app: Any) -> Iterator[CheckMessage]:
    if get_handlers() and not app.conf.task_always_eager and not app.conf.broker_write_url:
        yield checks.Warning(
            f"The Celery app {app.main!r} has no broker_url of its own, so the doorbell is silent: what is written is "
            "handled by the next sweep only.",
            hint="Set CELERY_BROKER_URL, also where it is the one that Celery would use anyway; or DOORBELL to False.",
            id=NAMED.format("W034"),
        )


def _check_absent_app() -> Iterator[CheckMessage]:
    """Know a project that has an app from one that does without Celery by the module where it is always put."""
    package = (getattr(settings, "SETTINGS_MODULE", None) or "").partition(".")[0]
    module = f"{package}.celery"
    if get_handlers() and package and module not in sys.modules and _exists(module):
        yield checks.Warning(
            f"{module} was not imported, so there is no Celery app in this process and the doorbell is silent: what is "
            "written is handled by the next sweep only.",
            hint=f"Write 'from {module} import app as celery_app' in {package}/__init__.py, or set DOORBELL to False.",
            id=NAMED.format("W034"),
        )


def _exists(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        # The settings are a module of their own.
        return False


def _limit_of_drain(app: Any, name: str) -> float | None:
    # Not asked of the task, which would finalize the app before the project's own modules are imported.
    annotations = app.conf.task_annotations
    annotated = annotations.get(DRAIN) if isinstance(annotations, Mapping) else None
    return (annotated or {}).get(name, app.conf[f"task_{name}"])  # type: ignore[no-any-return]


def _schemes(urls: Any) -> frozenset[str]:
    each = urls.split(";") if isinstance(urls, str) else urls or ()
    return frozenset(url.partition("://")[0].partition("+")[0] for url in each)


def _as_text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
