"""How things stand, in one sentence, and how old what is shown is."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import datetime

from django.utils import formats, timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from django_clean_timestamps.admin.charts import Unit, show_value
from django_clean_timestamps.admin.charts.units import isolate
from django_clean_timestamps.admin.dashboard.limits import ERRORS, LATENCY, OLDEST, QUEUE, rules_by_name, show_limit
from django_clean_timestamps.admin.dashboard.standings import CRITICAL, NO_DATA, WELL, AlertNow, mark_of, worst_first
from django_clean_timestamps.admin.marks import Mark
from django_clean_timestamps.metrics.queries.processes import Freshness

__all__ = ["Sentence", "describe_age", "describe_state", "name_alert", "show_since"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """
    How things stand.

    Attributes:
        mark: In a sign and a word.
        text: In a sentence.
    """

    mark: Mark
    text: SafeString


def describe_state(freshness: Freshness, alerts: Sequence[AlertNow]) -> Sentence:
    """Return how things stand: the collector's silence first, else the worst alert, else that all is well."""
    if freshness.age_seconds is None:
        return Sentence(mark=NO_DATA, text=isolate(_("Nothing has been collected yet.")))
    if freshness.is_silent:
        text = _("No process has collected for {age}, so nobody can say how things stand now.")
        return Sentence(mark=CRITICAL, text=format_html(text, age=show_value(freshness.age_seconds, Unit.SECONDS)))
    loud = [each for each in worst_first(alerts) if not each.is_silenced]
    if not loud:
        text = _("Everything is well, or silenced.") if alerts else _("Everything is well.")
        return Sentence(mark=WELL, text=isolate(text))
    first = loud[0]
    text = format_html(
        _("{what} since {time}"), what=name_alert(first), time=isolate(show_since(first.since, freshness.now))
    )
    others = len(loud) - 1
    if others:
        rest = ngettext("and {count} other alert is open", "and {count} other alerts are open", others)
        rest = rest.format(count=others)
    else:
        is_all = all(not each.is_silenced for each in alerts)
        rest = _("everything else is well") if is_all else _("everything else is well or silenced")
    return Sentence(mark=mark_of(first.level), text=format_html("{}; {}.", text, rest))


def describe_age(freshness: Freshness) -> str | SafeString:
    """Return how old what is shown is; nothing where there is nothing."""
    if freshness.age_seconds is None:
        return ""
    return format_html(_("Data {age} old."), age=show_value(float(int(freshness.age_seconds)), Unit.SECONDS))


def name_alert(alert: AlertNow) -> SafeString:
    """Return what an alert says, without its time."""
    rule = rules_by_name()[alert.rule]
    limit = rule.critical if alert.level == "critical" else rule.warning
    value = "" if limit is None else show_limit(limit, rule)
    subject = isolate(alert.subject)
    if alert.level == "no_data":
        return format_html(_("No data has come for {subject}"), subject=subject)
    texts = {
        LATENCY: _("More than {share} of {subject} have taken over {value}"),
        ERRORS: _("More than {value} of writes to {subject} have been refused"),
        QUEUE: _("More than {value} events have waited for delivery"),
        OLDEST: _("The oldest undelivered event has waited for over {value}"),
        "dead_events": _("More than {value} events have been dead"),
        "collector_silence": _("No process has collected for over {value}"),
    }
    text = texts.get(alert.rule, _("The alert {rule} has been open"))
    share = show_value(rule.share, Unit.SHARE)
    return format_html(text, rule=alert.rule, subject=subject, value=value, share=share)


def show_since(moment: datetime, now: datetime) -> str:
    """Return a moment as a time of day, with the date where it was another day."""
    local, today = timezone.localtime(moment), timezone.localtime(now)
    time = formats.date_format(local, "TIME_FORMAT")
    if local.date() == today.date():
        return time
    return f"{formats.date_format(local, 'MONTH_DAY_FORMAT')} {time}"
