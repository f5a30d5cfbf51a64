"""What figures are counted in, and how one is written: three digits and the unit that suits its size."""

from __future__ import annotations

import dataclasses
import enum
import math
from collections.abc import Iterable
from decimal import Decimal
from statistics import median
from typing import Final

from django.utils import formats
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

__all__ = ["Measure", "Shown", "Unit", "isolate", "measure_of", "measure_of_all", "show_count", "show_value"]

_DIGITS: Final = 3
# Of less than one per cent.
_FEW_DIGITS: Final = 2
_MOST: Final = 1e6
_LEAST: Final = 1e-4

# U+2068 and U+2069 are to SVG's text what <bdi> is to HTML's.
_ISOLATED: Final = "\u2068{}\u2069"


class Unit(enum.Enum):
    """
    What a figure is counted in.

    ``SHARE`` is 0 to 1 and shown in per cent; ``SECONDS`` are shown in microseconds to days.
    """

    SECONDS = "seconds"
    SHARE = "share"
    COUNT = "count"
    PER_SECOND = "per_second"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """
    A size in which the figures of a unit are written.

    Attributes:
        factor: How many of the unit it is.
        least: The smallest figure that it is chosen for.
        symbol: As it stands in a table's heading.
        pattern: As it stands beside a number.
    """

    factor: float
    least: float
    symbol: str | Promise
    pattern: str | Promise

    def show(self, value: float) -> Shown:
        """Return a figure of the unit in this size, to three digits; less than one per cent to two."""
        number = _number(value / self.factor, _FEW_DIGITS if self.symbol == "%" and value < self.factor else _DIGITS)
        return Shown(number=number, symbol=str(self.symbol), text=str(self.pattern).format(number=number))


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """
    A figure as people read it.

    Attributes:
        number: In the viewer's format, ``4.21``.
        symbol: Of its unit, ``ms``; empty for a bare count.
        text: Both, which no line break parts.
    """

    number: str
    symbol: str
    text: str

    def __str__(self) -> str:
        return self.__html__()

    def __html__(self) -> SafeString:
        """Return it for a page, in one piece also where text runs from right to left."""
        return isolate(self.text)

    @property
    def isolated(self) -> str:
        """Return it for a drawing, in one piece also where text runs from right to left."""
        return _ISOLATED.format(self.text)


def _of(factor: float, symbol: str | Promise, pattern: str | Promise, least: float | None = None) -> Measure:
    return Measure(factor=factor, least=factor if least is None else least, symbol=symbol, pattern=pattern)


# The spaces are no-break spaces.
_MEASURES: Final = {
    Unit.SECONDS: (
        _of(1e-6, _("\N{MICRO SIGN}s"), _("{number}\N{NO-BREAK SPACE}\N{MICRO SIGN}s"), least=0),
        _of(1e-3, _("ms"), _("{number}\N{NO-BREAK SPACE}ms")),
        _of(1, _("s"), _("{number}\N{NO-BREAK SPACE}s")),
        _of(60, _("min"), _("{number}\N{NO-BREAK SPACE}min"), least=120),
        _of(3600, _("h"), _("{number}\N{NO-BREAK SPACE}h"), least=7200),
        _of(86400, _("d"), _("{number}\N{NO-BREAK SPACE}d"), least=172800),
    ),
    Unit.SHARE: (_of(0.01, "%", _("{number}%"), least=0),),
    Unit.COUNT: (
        _of(1, "", "{number}", least=0),
        _of(1e3, _("k"), _("{number}k")),
        _of(1e6, _("M"), _("{number}M")),
        _of(1e9, _("G"), _("{number}G")),
    ),
    Unit.PER_SECOND: (
        _of(1, _("/s"), _("{number}/s"), least=0),
        _of(1e3, _("k/s"), _("{number}k/s")),
        _of(1e6, _("M/s"), _("{number}M/s")),
    ),
}

_ZERO_SECONDS: Final = _MEASURES[Unit.SECONDS][2]


def measure_of(value: float, unit: Unit) -> Measure:
    """Return the size that suits a figure."""
    if unit is Unit.SECONDS and value == 0:
        return _ZERO_SECONDS
    # 999.9 microseconds are written as 1 ms, not as 1000.
    rounded = float(f"{value:.{_DIGITS}g}")
    return next(measure for measure in reversed(_MEASURES[unit]) if measure.least <= rounded)


def measure_of_all(values: Iterable[float], unit: Unit) -> Measure:
    """Return the size in which a column of figures is read best: that of its middle one; a count stays whole."""
    if unit is Unit.COUNT:
        return _MEASURES[unit][0]
    found = [value for value in values if value]
    return measure_of(median(found) if found else 0, unit)


def isolate(text: str) -> SafeString:
    """Return a text for a page, that keeps its direction whatever stands around it."""
    return format_html("<bdi>{}</bdi>", text)


def show_value(value: float, unit: Unit) -> Shown:
    """
    Return a figure as people read it.

    >>> show_value(0.00421, Unit.SECONDS).text.split()
    ['4.21', 'ms']
    >>> show_value(12_345, Unit.COUNT).text
    '12.3k'
    """
    return measure_of(value, unit).show(value)


def show_count(count: float) -> str:
    """Return a count, rounded, with all its digits, in the viewer's format."""
    return formats.number_format(Decimal(round(count)), force_grouping=True)


def _number(number: float, digits: int) -> str:
    """Return so many digits of a number in the viewer's format, without zeros at the end."""
    if number and not _LEAST <= number < _MOST:
        return f"{number:.{digits - 1}e}"
    places = max(0, digits - 1 - math.floor(math.log10(number))) if number else 0
    text = f"{number:.{places}f}"
    return str(formats.number_format(Decimal(text.rstrip("0").rstrip(".") if places else text)))
