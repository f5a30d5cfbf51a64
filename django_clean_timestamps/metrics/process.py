"""What this process is, as the dashboard shows it."""

from __future__ import annotations

import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final, NamedTuple

from django_clean_timestamps.metrics.models import MetricWriter

__all__ = ["ProcessFacts", "describe_process", "set_kind"]

Kind = MetricWriter.Kind

_SERVERS: Final = frozenset({"runserver", "runserver_plus", "testserver"})
"""The commands of Django and its extensions that serve requests."""

_kind: Kind | None = None


class ProcessFacts(NamedTuple):
    """A process: what it runs, on which host, with which version of this package."""

    kind: str
    host: str
    version: str


def set_kind(kind: Kind) -> None:
    """Say what this process is: the relay and Celery's workers know."""
    global _kind
    _kind = kind


def describe_process() -> ProcessFacts:
    """Return what this process is; guessed by how it was started where nobody has said it."""
    return ProcessFacts(str(_kind or _guessed(sys.argv)), platform.node()[:100], _version())


def _guessed(argv: list[str]) -> Kind:
    """A command is what was started by manage.py or django-admin, and does not serve."""
    program = Path(argv[0]).name if argv else ""
    is_command = program in {"manage.py", "django-admin"} and not _SERVERS.intersection(argv[1:2])
    return Kind.COMMAND if is_command else Kind.WEB


def _version() -> str:
    try:
        return version("django-clean-timestamps")[:30]
    except PackageNotFoundError:
        # Run from a folder that was never installed.
        return ""
