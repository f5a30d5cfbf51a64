"""The page of health: each check with what to do, and the processes."""

from __future__ import annotations

import dataclasses
from typing import Final

from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_clean_timestamps.admin.charts import Column, Shown, Table, Unit, show_value
from django_clean_timestamps.admin.charts.units import isolate
from django_clean_timestamps.admin.dashboard.asked import Asked
from django_clean_timestamps.admin.dashboard.content import Content, Page
from django_clean_timestamps.admin.dashboard.sentences import Sentence
from django_clean_timestamps.admin.dashboard.standings import CRITICAL, WARNING, WELL
from django_clean_timestamps.admin.display import show_age, show_stamp
from django_clean_timestamps.admin.marks import Mark
from django_clean_timestamps.metrics.health.reading import read_health
from django_clean_timestamps.metrics.health.values import CheckResult, Figure, Health, Level
from django_clean_timestamps.metrics.models import MetricWriter
from django_clean_timestamps.metrics.queries.processes import Process, read_processes

__all__ = ["HEALTH"]

UNKNOWN: Final = Mark("?", gettext_lazy("unknown"), "care")
GONE: Final = Mark("○", gettext_lazy("gone"), "quiet")
LIVING: Final = Mark("✓", gettext_lazy("living"), "good")

_MARKS: Final = {Level.OK: WELL, Level.WARNING: WARNING, Level.UNKNOWN: UNKNOWN, Level.CRITICAL: CRITICAL}
_WORST_FIRST: Final = (Level.CRITICAL, Level.UNKNOWN, Level.WARNING, Level.OK)

SKEW_SECONDS: Final = 1.0
"""How far off a clock is worth a look."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CheckRow:
    """
    One check.

    Attributes:
        result: What it found.
        has_detail: Whether what an error said may be shown.
    """

    result: CheckResult
    has_detail: bool

    @property
    def mark(self) -> Mark:
        """How well it is."""
        return _MARKS[self.result.level]

    @property
    def name(self) -> str:
        """Which check, as people read it."""
        return self.result.name.replace("_", " ").replace("-", " ")

    @property
    def when(self) -> SafeString | None:
        """When it was made."""
        return show_stamp(self.result.checked_at)

    @property
    def detail(self) -> str:
        """What an error said, for those who may read it."""
        return self.result.detail if self.has_detail else ""

    @property
    def figures(self) -> list[tuple[str, str]]:
        """The numbers behind it, each with its name."""
        return [(each.name.replace("_", " "), _figure(each)) for each in self.result.figures if each.value is not None]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ProcessRow:
    """
    One process.

    Attributes:
        process: What is known of it.
    """

    process: Process

    @property
    def mark(self) -> Mark:
        """Whether it lives."""
        return LIVING if self.process.is_living else GONE

    @property
    def kind(self) -> str:
        """What it runs."""
        return str(dict(MetricWriter.Kind.choices).get(self.process.kind, self.process.kind))

    @property
    def started(self) -> SafeString | None:
        """When it began."""
        return show_stamp(self.process.started_at)

    @property
    def seen(self) -> str:
        """How long ago it gave a sign."""
        return _("{age} ago").format(age=show_age(self.process.age_seconds))

    @property
    def skew(self) -> Shown:
        """How far its clock is off, ahead or behind."""
        return show_value(abs(self.process.skew_seconds), Unit.SECONDS)

    @property
    def skew_sign(self) -> str:
        """Which way."""
        return "+" if self.process.skew_seconds > 0 else "\N{MINUS SIGN}" if self.process.skew_seconds else ""

    @property
    def is_skewed(self) -> bool:
        """Whether its clock is worth a look."""
        return abs(self.process.skew_seconds) >= SKEW_SECONDS


def build(asked: Asked) -> Content:
    """Return what the page shows: the checks are made now."""
    health = read_health()
    processes = read_processes(asked.using)
    ordered = sorted(health.checks, key=lambda each: _WORST_FIRST.index(each.level))
    rows = [CheckRow(result=each, has_detail=asked.labels is None) for each in ordered]
    return Content(
        tables={"checks": _checks_table(health), "processes": _processes_table(processes)},
        context={
            "sentence": _describe(health),
            "checks": rows,
            "evaluation": _evaluation(health),
            "processes": [ProcessRow(process=each) for each in processes],
        },
    )


HEALTH = Page(key="health", title=gettext_lazy("Health"), build=build, has_filters=False, has_range=False)


def _describe(health: Health) -> Sentence:
    bad = [each for each in health.checks if each.level is not Level.OK]
    if not bad:
        text = _("All {count} checks are well.").format(count=len(health.checks))
    else:
        text = _("{bad} of {count} checks need a look.").format(bad=len(bad), count=len(health.checks))
    return Sentence(mark=_MARKS[health.level], text=isolate(text))


def _evaluation(health: Health) -> str:
    if health.evaluation_age_seconds is None:
        return _("Alerts were never evaluated.")
    return _("Alerts were evaluated {age} ago.").format(age=show_age(health.evaluation_age_seconds))


def _figure(figure: Figure) -> str:
    value = figure.value or 0.0
    return show_value(value, Unit.SECONDS if figure.unit == "seconds" else Unit.COUNT).text


def _checks_table(health: Health) -> Table:
    columns = (
        Column(key="check", label=_("Check")),
        Column(key="subject", label=_("Of")),
        Column(key="level", label=_("State")),
        Column(key="text", label=_("What was found")),
        Column(key="remedy", label=_("What to do")),
        Column(key="checked_at", label=_("When")),
    )
    rows = tuple(
        (each.name, each.subject, str(each.level), each.text, each.remedy, each.checked_at) for each in health.checks
    )
    return Table(caption=_("Checks"), columns=columns, rows=rows)


def _processes_table(processes: list[Process]) -> Table:
    columns = (
        Column(key="kind", label=_("Kind")),
        Column(key="host", label=_("Host")),
        Column(key="version", label=_("Version")),
        Column(key="started_at", label=_("Started")),
        Column(key="seen_at", label=_("Last seen")),
        Column(key="skew", label=_("Clock off by"), unit=Unit.SECONDS),
        Column(key="dropped", label=_("Dropped"), unit=Unit.COUNT),
    )
    rows = tuple(
        (each.kind, each.host, each.version, each.started_at, each.seen_at, each.skew_seconds, each.dropped)
        for each in processes
    )
    return Table(caption=_("Processes"), columns=columns, rows=rows)
