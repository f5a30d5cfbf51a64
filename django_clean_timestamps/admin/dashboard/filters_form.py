"""What can be asked for, as links and forms that work without a script."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final

from django.utils import timezone
from django.utils.functional import Promise
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_clean_timestamps.admin.dashboard.asked import Asked
from django_clean_timestamps.admin.dashboard.operations_table import name_of_operation
from django_clean_timestamps.metrics.queries.filters import RANGES, Filters
from django_clean_timestamps.metrics.series import ALL, BULK_OPERATIONS, HANDLER_PREFIX, SINGLE_ROW_OPERATIONS
from django_clean_timestamps.probes import FAILED, INVALID, OK

__all__ = ["RANGE_LABELS", "Choice", "FiltersForm", "Select"]

RANGE_LABELS: Final[dict[str, str | Promise]] = {
    "1h": gettext_lazy("1 h"),
    "6h": gettext_lazy("6 h"),
    "24h": gettext_lazy("24 h"),
    "7d": gettext_lazy("7 d"),
    "30d": gettext_lazy("30 d"),
}
"""The ranges with a name, as people read them."""
_OUTCOMES: Final = {OK: gettext_lazy("well"), INVALID: gettext_lazy("refused"), FAILED: gettext_lazy("failed")}
_INPUT_FORMAT: Final = "%Y-%m-%dT%H:%M"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """
    One thing to choose.

    Attributes:
        value: As the address has it.
        label: For people.
        is_chosen: Whether it is chosen now.
        url: Where it leads by itself.
    """

    value: str
    label: str
    is_chosen: bool
    url: str = ""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Select:
    """
    One of the lists to choose from.

    Attributes:
        name: Of the parameter.
        label: For people.
        choices: What there is, everything first.
    """

    name: str
    label: str
    choices: tuple[Choice, ...]

    @property
    def id(self) -> str:
        """Its name on the page."""
        return f"timestamp-{self.name}"


class FiltersForm:
    """
    The filters of a page.

    Args:
        asked: What was asked for.
        url: The page's address, without a query.
        has_selects: Whether it asks for more than a range.
    """

    def __init__(self, asked: Asked, url: str, *, has_selects: bool = True) -> None:
        self.filters, self.url, self._asked = asked.filters, url, asked
        self._has_selects = has_selects

    @property
    def ranges(self) -> list[Choice]:
        """The ranges with a name, each with its address."""
        others = _without_range(self.filters)
        return [
            Choice(
                value=name,
                label=str(RANGE_LABELS[name]),
                is_chosen=name == self.filters.range,
                url=f"{self.url}?{urlencode({'range': name, **others})}",
            )
            for name in RANGES
        ]

    @property
    def is_own(self) -> bool:
        """Whether the range is one of the viewer's own."""
        return self.filters.range == "own"

    @property
    def first(self) -> str:
        """Where the range begins, for an input."""
        return _local(self.filters.start)

    @property
    def last(self) -> str:
        """Where it ends."""
        return _local(self.filters.end)

    @property
    def zone(self) -> str:
        """In which zone these are."""
        return timezone.get_current_timezone_name()

    @property
    def kept_range(self) -> list[tuple[str, str]]:
        """What the form of the lists sends along."""
        others = _without_range(self.filters)
        return [(name, value) for name, value in self.filters.as_query().items() if name not in others]

    @property
    def kept_choices(self) -> list[tuple[str, str]]:
        """What the form of the range sends along."""
        return list(_without_range(self.filters).items())

    @property
    def is_narrow(self) -> bool:
        """Whether the lists leave anything out."""
        return self._has_selects and bool(self.kept_choices)

    @property
    def clear_url(self) -> str:
        """What shows everything in the same range."""
        return f"{self.url}?{urlencode(self.kept_range)}"

    @property
    def selects(self) -> list[Select]:
        """The lists to choose from, without those that offer one thing."""
        names = [each for each in self._asked.series.values() if each[0] != ALL]
        if not self._has_selects or not names:
            return []
        found = [
            self._select("model", _("Model"), _("all models"), {each[0] for each in names}),
            self._select("operation", _("Operation"), _("single rows"), {each[1] for each in names}),
            self._select("outcome", _("Outcome"), _("all outcomes"), set(_OUTCOMES)),
            self._select("database", _("Database"), _("all databases"), {each[3] for each in names}),
        ]
        return [each for each in found if len(each.choices) > 2 or not each.choices[0].is_chosen]

    def _select(self, name: str, label: str, everything: str, values: Iterable[str]) -> Select:
        chosen = getattr(self.filters, name)
        named = [
            Choice(value=value, label=_label(name, value), is_chosen=value == chosen)
            for value in _ordered(name, [each for each in values if each])
        ]
        return Select(
            name=name, label=label, choices=(Choice(value="", label=everything, is_chosen=not chosen), *named)
        )


def _without_range(filters: Filters) -> dict[str, str]:
    return {name: value for name, value in filters.as_query().items() if name not in ("range", "from", "to")}


def _ordered(name: str, values: Sequence[str]) -> list[str]:
    """Return operations by their kind: single rows, bulk, others, handlers."""
    if name == "outcome":
        return list(_OUTCOMES)

    def place(value: str) -> tuple[bool, bool, bool, str]:
        is_handler = value.startswith(HANDLER_PREFIX)
        return value not in SINGLE_ROW_OPERATIONS, value not in BULK_OPERATIONS, is_handler, value

    return sorted(values, key=place)


def _label(name: str, value: str) -> str:
    return str(_OUTCOMES[value]) if name == "outcome" else name_of_operation(value)


def _local(seconds: int) -> str:
    return timezone.localtime(datetime.fromtimestamp(seconds, UTC)).strftime(_INPUT_FORMAT)
