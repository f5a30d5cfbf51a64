"""Times and lists in words, in the active language."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.formats import number_format
from django.utils.translation import gettext, ngettext

__all__ = ["counted", "duration", "listed"]

LISTED_AT_MOST = 10


def duration(seconds: float) -> str:
    """Return a time in the largest unit that it fills: ``"1 second"``, ``"2 hours"``."""
    count = int(seconds)
    if count < 1:
        return gettext("less than a second")
    if count < 60:
        return ngettext("%(count)s second", "%(count)s seconds", count) % {"count": count}
    if count < 3_600:
        return ngettext("%(count)s minute", "%(count)s minutes", count // 60) % {"count": count // 60}
    if count < 86_400:
        return ngettext("%(count)s hour", "%(count)s hours", count // 3_600) % {"count": count // 3_600}
    days = count // 86_400
    return ngettext("%(count)s day", "%(count)s days", days) % {"count": counted(days)}


def counted(number: int) -> str:
    """Return a whole number with its thousands set apart."""
    return number_format(number, force_grouping=True)


def listed(names: Sequence[str]) -> str:
    """Return names with commas, ten at most, and how many more there are."""
    shown, more = ", ".join(names[:LISTED_AT_MOST]), len(names) - LISTED_AT_MOST
    return shown if more <= 0 else gettext("%(names)s and %(count)s more") % {"names": shown, "count": more}
