"""What is said of an alert, in words; times and figures beside them, for whoever reads them by a program."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from typing import Any, Final

from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from django_clean_timestamps.metrics.alerts.notices import Notice
from django_clean_timestamps.metrics.series import HANDLER_PREFIX

__all__ = [
    "ADVICE",
    "TITLES",
    "UNITS",
    "Message",
    "figure_in_words",
    "level_in_words",
    "message_of",
    "one_line",
    "subject_in_words",
]

TITLES: Final[dict[str, Promise]] = {
    "latency": _("Slow operations"),
    "validation_errors": _("Refused input"),
    "undelivered": _("Undelivered events"),
    "oldest_event": _("An old event"),
    "dead_events": _("Dead events"),
    "collector_silence": _("No figures"),
}

ADVICE: Final[dict[str, Promise]] = {
    "latency": _(
        "Look at the operation's page for when it began and its slowest examples; then at the database's load."
    ),
    "validation_errors": _("Look at the operation's page for the reasons; a release or a client may send wrong input."),
    "undelivered": _("See that workers or a relay run, with timestamps_status; then which handler is behind."),
    "oldest_event": _("See that workers or a relay run, with timestamps_status; then which handler is behind."),
    "dead_events": _("Read their errors under Events and deliveries, mend the cause, then retry or skip them."),
    "collector_silence": _("See that the project's processes run, and that they can write to the metrics' database."),
}

_LEVELS: Final[dict[str, Promise]] = {
    "ok": _("ok"),
    "warning": _("warning"),
    "critical": _("critical"),
    "no_data": _("no data"),
    "silenced": _("silenced"),
}
UNITS: Final = {
    "latency": "percent",
    "validation_errors": "percent",
    "undelivered": "events",
    "oldest_event": "seconds",
    "dead_events": "events",
    "collector_silence": "seconds",
}
"""In what values and thresholds are told: of latency the share of slow operations."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """
    What sinks are told of one alert: of one key always the same.

    Attributes:
        key: What a repeat is known by.
        rule: The rule's name.
        subject: Whose alert it is, as the tables have it; made of names in the code and the settings alone.
        state: ``firing``, ``no_data`` (it fired, and there are no more figures), ``ok`` or ``silenced``.
        level: ``warning``, ``critical`` or ``ok``.
        episode: The how-manieth time that it has fired.
        changed_at: When it became so, aware, in UTC; None where that is not known any more.
        value: The figure then, None where there was none.
        threshold: What it was held against.
        unit: Of both: ``percent``, ``events`` or ``seconds``.
        slow_ms: Of latency, over how many milliseconds an operation counts as slow.
        window_seconds: How far back it was looked, 0 for a single figure.
    """

    key: str
    rule: str
    subject: str
    state: str
    level: str
    episode: int
    changed_at: datetime | None
    value: float | None
    threshold: float | None
    unit: str
    slow_ms: float | None
    window_seconds: int

    @property
    def title(self) -> str:
        """How bad it is, and what, on one line."""
        word = level_in_words(self.level if self.state == "firing" else self.state)
        return one_line(f"[{word}] {TITLES[self.rule]}: {subject_in_words(self.rule, self.subject)}")

    @property
    def figures(self) -> str:
        """Value and limit in a sentence, "" where there are none."""
        return figure_in_words(self.rule, self.value, self.threshold, self.slow_ms, self.window_seconds)

    @property
    def advice(self) -> str:
        """What to do."""
        return str(ADVICE[self.rule])

    def as_dict(self) -> dict[str, Any]:
        """Return all of it in what JSON can hold, times as ISO 8601."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        changed_at = None if self.changed_at is None else self.changed_at.isoformat()
        texts = {"title": self.title, "figures": self.figures, "advice": self.advice}
        return values | {"changed_at": changed_at} | texts


def message_of(notice: Notice, figures: Any | None) -> Message:
    """
    Return what a notice says.

    Args:
        notice: The notice.
        figures: The figures of its version, with the columns of ``AlertFigures``; None where they are gone.
    """
    return Message(
        key=notice.key,
        rule=notice.rule,
        subject=notice.subject,
        state="silenced" if notice.is_silenced else str(notice.state),
        level=str(notice.level),
        episode=notice.episode,
        changed_at=None if notice.changed_at is None else notice.changed_at.astimezone(UTC),
        value=figures and figures.value,
        threshold=figures and figures.threshold,
        unit=UNITS[notice.rule],
        slow_ms=figures and figures.slow_ms,
        window_seconds=figures.window_seconds if figures else 0,
    )


def subject_in_words(rule: str, subject: str) -> str:
    """Return whose alert it is, for people."""
    if rule == "validation_errors":
        return subject
    if rule != "latency":
        return gettext("all logs and handlers") if rule != "collector_silence" else gettext("all processes")
    model, operation, database = subject.split("/", 2)
    names = {"operation": operation, "model": model, "database": database}
    if operation.startswith(HANDLER_PREFIX):
        names["operation"] = operation.removeprefix(HANDLER_PREFIX)
        return gettext("handler %(operation)s on %(database)s") % names
    if not model:
        return gettext("%(operation)s on %(database)s") % names
    return gettext("%(operation)s of %(model)s on %(database)s") % names


def level_in_words(level: str) -> str:
    """Return a level, a state or ``silenced`` in a word."""
    return str(_LEVELS[level])


def figure_in_words(
    rule: str, value: float | None, threshold: float | None, slow_ms: float | None, window_seconds: int
) -> str:
    """Return a value and its limit in a sentence, "" where there is no limit."""
    if threshold is None:
        return ""
    names = {
        "value": _short(value),
        "threshold": _short(threshold),
        "slow": _short(slow_ms),
        "minutes": window_seconds // 60,
    }
    if value is None:
        return gettext("There was no figure; the limit is %(threshold)s seconds.") % names
    sentences = {
        "latency": _(
            "%(value)s%% of operations took over %(slow)s ms in the last %(minutes)s minutes; "
            "the limit is %(threshold)s%%."
        ),
        "validation_errors": _(
            "%(value)s%% of operations were refused in the last %(minutes)s minutes; the limit is %(threshold)s%%."
        ),
        "undelivered": _("Waiting events: %(value)s; the limit is %(threshold)s."),
        "oldest_event": _("The oldest event has waited for %(value)s seconds; the limit is %(threshold)s."),
        "dead_events": _("Dead events: %(value)s; the limit is %(threshold)s."),
        "collector_silence": _("The last sign of life was %(value)s seconds ago; the limit is %(threshold)s."),
    }
    return str(sentences[rule] % names)


def one_line(text: str) -> str:
    """Return a text without line breaks and control characters: a mail's header with one is refused."""
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())


def _short(number: float | None) -> str:
    """Return a number with as many digits as tell something."""
    if number is None:
        return "–"
    return f"{number:.0f}" if number >= 100 or number == int(number) else f"{number:.3g}"
