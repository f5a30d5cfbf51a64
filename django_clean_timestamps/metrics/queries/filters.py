"""What the pages, the JSON and the files show: of which time, and of which operations."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Final

from django.utils.dateparse import parse_datetime
from django.utils.timezone import get_current_timezone, is_naive, make_aware

from django_clean_timestamps.metrics.models import Tier
from django_clean_timestamps.metrics.pruning import KEPT_SECONDS
from django_clean_timestamps.metrics.series import ALL
from django_clean_timestamps.probes import FAILED, INVALID, OK, Series

__all__ = ["DEFAULT_RANGE", "RANGES", "Filters", "InvalidFilter", "parse_filters", "tier_for"]

RANGES: Final = {"1h": 3_600, "6h": 21_600, "24h": 86_400, "7d": 604_800, "30d": 2_592_000}
"""The ranges that have a name, in seconds."""

DEFAULT_RANGE: Final = "24h"

POINTS_AT_LEAST: Final = 120
"""How many points a chart has at least, where the rows are there."""

LONGEST_SECONDS: Final = KEPT_SECONDS[Tier.DAY]
SHORTEST_SECONDS: Final = 300

OUTCOMES: Final = (OK, INVALID, FAILED)


class InvalidFilter(ValueError):  # noqa: N818 - what the input is
    """A filter that means nothing; its text says what was found and what is wanted, and holds no more of the input."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """
    What is to be shown.

    Attributes:
        range: A key of ``RANGES``, or ``own``.
        start: Where it begins, in seconds since 1970.
        end: Where it ends, excluded.
        is_open: Whether an own range has no end but the moment that it is looked at.
        model: The label of a model, ``""`` for all.
        operation: As the series have it, ``""`` for the single-row operations.
        outcome: Likewise, ``""`` for all.
        database: An alias, ``""`` for all.
    """

    range: str
    start: int
    end: int
    is_open: bool = False
    model: str = ""
    operation: str = ""
    outcome: str = ""
    database: str = ""

    @property
    def seconds(self) -> int:
        """How long the range is."""
        return self.end - self.start

    @property
    def is_narrowed(self) -> bool:
        """Whether it shows less than everything."""
        return bool(self.model or self.operation or self.database)

    @property
    def start_at(self) -> datetime:
        """Where it begins, aware, in UTC."""
        return datetime.fromtimestamp(self.start, UTC)

    @property
    def end_at(self) -> datetime:
        """Where it ends, aware, in UTC."""
        return datetime.fromtimestamp(self.end, UTC)

    @property
    def tier(self) -> int:
        """How many seconds one point of a chart tells of."""
        return tier_for(self.seconds, POINTS_AT_LEAST)

    def as_query(self) -> dict[str, str]:
        """Return the parameters that lead here again; where the range ends now they do not move with the clock."""
        query = {"range": self.range}
        if self.range == "own":
            query["from"] = self.start_at.isoformat()
            if not self.is_open:
                query["to"] = self.end_at.isoformat()
        names = ("model", "operation", "outcome", "database")
        return query | {name: value for name in names if (value := getattr(self, name))}


def tier_for(seconds: int, points: int) -> int:
    """Return the longest tier of which a range has at least so many points, a minute where there is none."""
    fitting = [tier for tier in Tier if seconds // tier >= points]
    return int(max(fitting, default=Tier.MINUTE))


def parse_filters(
    parameters: Mapping[str, str], *, now: datetime, series: Iterable[Series], databases: Iterable[str] = ()
) -> Filters:
    """
    Return what the parameters of an address ask for.

    Args:
        parameters: ``range``, ``from`` and ``to`` (ISO 8601; without a zone in the current one), ``model``,
            ``operation``, ``outcome``, ``database``; others are left to others.
        now: The database's time, aware.
        series: Those that exist; what none of them has is refused.
        databases: Aliases that may be named though no series has them yet.

    Raises:
        InvalidFilter: A parameter means nothing.
    """
    start, end, name = _range(parameters, now)
    known: dict[str, set[str]] = {"model": set(), "operation": set(), "database": set(databases)}
    for model, operation, _, database in series:
        if model == ALL:
            continue
        known["model"].add(model)
        known["operation"].add(operation)
        known["database"].add(database)
    chosen = {each: _chosen(parameters, each, names) for each, names in known.items()}
    outcome = _chosen(parameters, "outcome", set(OUTCOMES))
    is_open = name == "own" and not parameters.get("to")
    return Filters(range=name, start=start, end=end, is_open=is_open, outcome=outcome, **chosen)


def _chosen(parameters: Mapping[str, str], name: str, known: set[str]) -> str:
    value = parameters.get(name, "")
    if value and value not in known:
        wanted = ", ".join(sorted(filter(None, known))) or "nothing yet: there are no figures"
        raise InvalidFilter(name, f"No figures are kept of the {name} that was asked for; there are those of: {wanted}")
    return value


def _range(parameters: Mapping[str, str], now: datetime) -> tuple[int, int, str]:
    name = parameters.get("range", "")
    given = {each: parameters.get(each, "") for each in ("from", "to")}
    if name not in ("", "own", *RANGES):
        raise InvalidFilter("range", f"The range is none of {', '.join(RANGES)} and own")
    if name == "own" or (not name and any(given.values())):
        return _own_range(given, now)
    name = name or DEFAULT_RANGE
    end = int(now.timestamp()) + 1
    return end - RANGES[name], end, name


def _own_range(given: Mapping[str, str], now: datetime) -> tuple[int, int, str]:
    start = _moment("from", given["from"], None)
    end = _moment("to", given["to"], now)
    first, last = int(start.timestamp()), int(end.timestamp())
    if not SHORTEST_SECONDS <= last - first <= LONGEST_SECONDS:
        raise InvalidFilter("from", "An own range is from 5 minutes to 400 days long, and begins before it ends")
    return first, last, "own"


def _moment(name: str, text: str, otherwise: datetime | None) -> datetime:
    if not text and otherwise is not None:
        return otherwise
    try:
        found = parse_datetime(text)
    except ValueError:
        found = None
    if found is None:
        raise InvalidFilter(name, f"{name} is no time; give one like 2026-01-31T14:30")
    return make_aware(found, get_current_timezone()) if is_naive(found) else found
