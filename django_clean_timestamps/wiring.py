"""The one place that connects what lies lower to what lies higher."""

from __future__ import annotations

__all__ = ["connect"]


def connect() -> None:
    """Register the system checks. Called when the apps are ready."""
    from django_clean_timestamps import checks

    checks.register()
