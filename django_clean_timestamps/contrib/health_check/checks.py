"""What this package's health and readiness are as checks of django-health-check."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connections
from django.utils import translation
from health_check.base import HealthCheck
from health_check.exceptions import ServiceUnavailable, ServiceWarning

from django_clean_timestamps.exceptions import InvalidSettingError
from django_clean_timestamps.metrics.health.probing import close_fully
from django_clean_timestamps.metrics.health.readiness import READINESS, Word
from django_clean_timestamps.metrics.health.reading import read_health
from django_clean_timestamps.metrics.health.values import CheckResult, Level

__all__ = ["TimestampsHealth", "TimestampsReady"]


@dataclasses.dataclass
class TimestampsReady(HealthCheck):  # type: ignore[misc]
    """Checks that this process can serve: what ``/ready`` says. It has nothing to be set."""

    def run(self) -> None:
        """
        Ask; takes a second at most.

        Raises:
            ServiceUnavailable: It cannot serve; the text is the word of ``/ready``.
        """
        word = READINESS.ask()
        if word is not Word.READY:
            raise ServiceUnavailable(str(word))


@dataclasses.dataclass
class TimestampsHealth(HealthCheck):  # type: ignore[misc]
    """
    Checks what ``timestamps_health`` checks.

    Shows no secret: it has none, and what errors say (which may name hosts, users and keys) is left out of its texts.

    Args:
        checks: The names of the checks that count, for an instance each where a page is to tell them apart; all of them
            by default.
        databases: The aliases of the logs that are looked at, every one by default.
        warnings: Whether warnings are raised too. The page answers them like any other error, with 500, and so they
            are left out by default, as ``/health`` does.
    """

    checks: tuple[str, ...] | None = None
    databases: tuple[str, ...] | None = None
    warnings: bool = dataclasses.field(default=False, repr=False)

    def run(self) -> None:
        """
        Ask everything; on the caller's thread, whose connections are left as they were found.

        Raises:
            ServiceUnavailable: Something is critical, or could not be asked.
            ServiceWarning: Something warns, and ``warnings`` is set.
        """
        with _connections_left_as_found(), translation.override("en"):
            try:
                found = read_health(self.databases).checks
            except InvalidSettingError as error:
                raise ServiceUnavailable("the setting CLEAN_TIMESTAMPS cannot be used") from error
        counted = [check for check in found if self.checks is None or check.name in self.checks]
        bad = [check for check in counted if check.level in (Level.CRITICAL, Level.UNKNOWN)]
        if bad:
            raise ServiceUnavailable(_in_one(bad))
        warned = [check for check in counted if check.level is Level.WARNING]
        if warned and self.warnings:
            raise ServiceWarning(_in_one(warned))


def _in_one(checks: list[CheckResult]) -> str:
    return " ".join(f"{check.name}{f' {check.subject}' if check.subject else ''}: {check.text}" for check in checks)


@contextmanager
def _connections_left_as_found() -> Iterator[None]:
    """Close what is opened in the block: the threads of a pool live on, and nobody else would."""
    open_before = {each.alias for each in connections.all(initialized_only=True) if each.connection is not None}
    try:
        yield
    finally:
        for each in connections.all(initialized_only=True):
            if each.alias not in open_before:
                close_fully(each)
