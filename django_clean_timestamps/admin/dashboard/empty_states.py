"""Why there is nothing to see, and what to do next."""

from __future__ import annotations

from django.utils.html import format_html
from django.utils.translation import gettext as _

from django_clean_timestamps.admin.charts import Unit, show_value
from django_clean_timestamps.admin.dashboard.asked import Asked
from django_clean_timestamps.admin.dashboard.content import Empty
from django_clean_timestamps.admin.dashboard.filters_form import RANGE_LABELS
from django_clean_timestamps.conf import get_settings
from django_clean_timestamps.metrics.queries.filters import RANGES

__all__ = ["collector_silent", "never_collected", "nothing_in_range"]


def never_collected(asked: Asked) -> Empty | None:
    """Return what to do where nothing was ever recorded, None where something was."""
    if not asked.is_never_collected:
        return None
    steps = [
        _("Save an object of a model that is an entity; figures follow within a minute."),
        format_html(
            _("They are written by web processes, by Celery workers and by {command}; one of them must run."),
            command=format_html("<code>{}</code>", "manage.py timestamps_relay --watch"),
        ),
        format_html(
            _("If nothing comes, {command} says what is missing."),
            command=format_html("<code>{}</code>", "manage.py timestamps_health"),
        ),
    ]
    if not get_settings().metrics:
        steps = [
            format_html(
                _("Recording is switched off: take {setting} out of {settings}."),
                setting=format_html("<code>{}</code>", "'METRICS': False"),
                settings=format_html("<code>{}</code>", "CLEAN_TIMESTAMPS"),
            )
        ]
    return Empty(key="never", title=_("Nothing has been collected yet"), steps=tuple(steps))


def collector_silent(asked: Asked, health_url: str) -> Empty | None:
    """Return what to do where nobody collects any more, None where somebody does."""
    if not asked.freshness.is_silent:
        return None
    return Empty(
        key="silent",
        title=_("The collector is silent"),
        steps=(
            format_html(
                _("Nothing has been collected for {age}; what you see is older than that."),
                age=show_value(float(int(asked.freshness.age_seconds or 0)), Unit.SECONDS),
            ),
            format_html(
                _("Start a web process, a Celery worker or {command}: whichever comes first takes over by itself."),
                command=format_html("<code>{}</code>", "manage.py timestamps_relay --watch"),
            ),
        ),
        links=((_("See which processes there were"), health_url),),
    )


def nothing_in_range(asked: Asked, url: str) -> Empty:
    """Return what to do where there is nothing in the range that was asked for."""
    filters = asked.filters
    narrower = any((filters.model, filters.operation, filters.outcome, filters.database))
    links = [
        (_("The last {range}").format(range=RANGE_LABELS[name]), f"{url}?range={name}")
        for name, seconds in RANGES.items()
        if seconds > filters.seconds or filters.range == "own"
    ]
    steps = [_("Nothing was recorded in the range that was asked for.")]
    if narrower:
        steps.append(_("The filters leave something out: show everything, or choose a longer range."))
        links.insert(0, (_("Everything in this range"), f"{url}?range={filters.range}"))
    elif links:
        steps.append(_("Choose another range."))
    return Empty(key="range", title=_("Nothing in this range"), steps=tuple(steps), links=tuple(links))
