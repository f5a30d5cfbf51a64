"""Showing a stamp, how long something takes, or an error to a person."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from django.utils import formats, timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince
from django.utils.translation import ngettext

__all__ = ["first_line", "show_age", "show_stamp"]

_LINE_LENGTH: Final = 160


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


def show_age(seconds: float) -> str:
    """Return a number of seconds, 0 or more, in the largest units that tell it: "7 seconds", "2 hours, 5 minutes"."""
    if seconds < 60:
        return ngettext("%(count)d second", "%(count)d seconds", int(seconds)) % {"count": int(seconds)}
    now = timezone.now()
    return timesince(now - timedelta(seconds=seconds), now)


def first_line(text: str) -> str:
    """Return the first line of a text, at most 160 characters of it."""
    line = text.partition("\n")[0]
    return line if len(line) <= _LINE_LENGTH else f"{line[: _LINE_LENGTH - 1]}…"
