"""Packages that an exporter needs and a project may be without."""

from __future__ import annotations

from django_clean_timestamps.exceptions import CleanTimestampsError

__all__ = ["ExtraMissing"]


class ExtraMissing(CleanTimestampsError, ImportError):  # noqa: N818 - a state of the installation
    """
    The package that an exporter needs is not installed.

    Args:
        package: Its name on the package index.
        extra: The extra of this package that brings it.
    """

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(
            f"{package} is not installed, which is needed to export metrics; "
            f"run: pip install 'django-clean-timestamps[{extra}]'"
        )
