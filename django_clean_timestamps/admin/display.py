"""Showing a stamp to a person."""

from __future__ import annotations

from datetime import UTC, datetime

from django.utils import formats, timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

__all__ = ["show_stamp"]


def show_stamp(stamp: datetime | None) -> SafeString | None:
    """Return the stamp in the viewer's time zone and format, with the exact UTC on hover; None where there is none."""
    if stamp is None:
        return None
    exact = stamp.astimezone(UTC)
    return format_html(
        '<time datetime="{}" title="{} UTC">{}</time>',
        exact.isoformat(),
        exact.strftime("%Y-%m-%d %H:%M:%S.%f"),
        formats.date_format(timezone.localtime(exact), "DATETIME_FORMAT"),
    )
