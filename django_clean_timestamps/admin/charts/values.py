"""The figures of charts that show how something went: lines, bands, thresholds and bars over periods of time."""

from __future__ import annotations

import dataclasses
import enum
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from django_clean_timestamps.admin.charts.checking import check_key, check_number, check_numbers
from django_clean_timestamps.admin.charts.units import Shown, Unit, show_value

__all__ = ["STYLE_COUNT", "Band", "Bars", "Level", "Line", "Threshold"]

STYLE_COUNT: Final = 6
"""How many ways of drawing a line there are, that differ by dash and width and not by colour alone."""


class Level(enum.Enum):
    """How bad something is. ``NO_DATA`` is for a time of which nobody can say."""

    WARNING = "warning"
    CRITICAL = "critical"
    NO_DATA = "no-data"

    @property
    def label(self) -> str:
        return str(_LEVEL_LABELS[self])


_LEVEL_LABELS: Final[dict[Level, str | Promise]] = {
    Level.WARNING: _("warning"),
    Level.CRITICAL: _("critical"),
    Level.NO_DATA: _("no data"),
}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """
    One figure as it went.

    Attributes:
        key: Its name for a script, a style sheet and a file.
        label: Its name for people.
        values: One for each period, None where there is none: the line breaks there.
        style: How it is drawn, 1 to 6; by its place where not given. 1 is the strongest.
    """

    key: str
    label: str
    values: tuple[float | None, ...]
    style: int | None = None

    def __post_init__(self) -> None:
        check_key(self.key)
        check_numbers(self.values, self.key)
        if self.style is not None and not 1 <= self.style <= STYLE_COUNT:
            raise ValueError(f"{self.key}: there is no style {self.style}; give one from 1 to {STYLE_COUNT}")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """
    Between which two figures the true one lies, drawn as an area.

    Attributes:
        key: As a line's.
        label: As a line's.
        lower: One for each period, None where there is none.
        upper: The same; never below ``lower``.
        style: Of the line that it belongs to, 1 to 6.
    """

    key: str
    label: str
    lower: tuple[float | None, ...]
    upper: tuple[float | None, ...]
    style: int = 1

    def __post_init__(self) -> None:
        check_key(self.key)
        check_numbers(self.lower + self.upper, self.key)
        for low, high in zip(self.lower, self.upper, strict=False):
            if low is not None and high is not None and low > high:
                raise ValueError(f"{self.key}: the lower bound {low} is above the upper, {high}")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """
    A figure from which on something is bad.

    Attributes:
        value: More than it is bad.
        level: How bad.
        label: Its name for people; that of the level where empty.
    """

    value: float
    level: Level
    label: str = ""

    def __post_init__(self) -> None:
        check_number(self.value, "threshold")

    @property
    def name(self) -> str:
        return self.label or self.level.label

    def show(self, unit: Unit) -> Shown:
        return show_value(self.value, unit)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Bars:
    """
    Another figure as it went, drawn as bars below the lines.

    Attributes:
        key: As a line's.
        label: As a line's.
        unit: Of its values.
        values: One for each period, None where there is none.
    """

    key: str
    label: str
    unit: Unit
    values: tuple[float | None, ...]

    def __post_init__(self) -> None:
        check_key(self.key)
        check_numbers(self.values, self.key)
