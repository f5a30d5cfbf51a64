"""The table of all operations, which can be sorted by each column."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from django.utils.functional import Promise, cached_property
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_clean_timestamps.admin.charts import Cell, Column, Shown, Table, Unit, show_value
from django_clean_timestamps.admin.dashboard.asked import Asked
from django_clean_timestamps.admin.dashboard.limits import ERRORS, LATENCY, limits_of, rules_by_name
from django_clean_timestamps.metrics.alerts.rules import Rule
from django_clean_timestamps.metrics.queries.operations import OperationFigures
from django_clean_timestamps.metrics.series import HANDLER_PREFIX

__all__ = ["DESCENDING", "SORT", "OperationRow", "OperationsTable", "name_of_operation"]

SORT: Final = "sort"
DESCENDING: Final = "-"


class _Column(NamedTuple):
    key: str
    label: str | Promise
    unit: Unit | None
    value: Callable[[OperationFigures], Cell]


_COLUMNS: Final = (
    _Column("model", gettext_lazy("Model"), None, lambda each: each.model),
    _Column("operation", gettext_lazy("Operation"), None, lambda each: each.operation),
    _Column("database", gettext_lazy("Database"), None, lambda each: each.database),
    _Column("count", gettext_lazy("Count"), Unit.COUNT, lambda each: each.count),
    _Column("rows", gettext_lazy("Rows"), Unit.COUNT, lambda each: each.row_count),
    _Column("p50", "p50", Unit.SECONDS, lambda each: each.p50),
    _Column("p95", "p95", Unit.SECONDS, lambda each: each.p95),
    _Column("p99", "p99", Unit.SECONDS, lambda each: each.p99),
    _Column("longest", gettext_lazy("Longest"), Unit.SECONDS, lambda each: each.longest_seconds),
    _Column("refused", gettext_lazy("Refused"), Unit.COUNT, lambda each: each.invalid),
    _Column("failed", gettext_lazy("Failed"), Unit.COUNT, lambda each: each.failed),
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """
    The head of a column.

    Attributes:
        key: The column's.
        label: For people.
        url: What sorts by it.
        direction: As ``aria-sort`` has it, empty where it is not sorted by it.
        is_number: Whether its cells are figures.
    """

    key: str
    label: str
    url: str
    direction: str
    is_number: bool


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class OperationRow:
    """
    One operation on one model.

    Attributes:
        figures: What is known of it.
        url: Its own page.
        bad: The columns whose figures are worth a look.
    """

    figures: OperationFigures
    url: str
    bad: frozenset[str]

    @property
    def model(self) -> str:
        """The model, a dash where it belongs to none."""
        return self.figures.model or "–"

    @property
    def operation(self) -> str:
        """The operation, as people read it."""
        return name_of_operation(self.figures.operation)

    @property
    def cells(self) -> list[tuple[str, Shown | None, bool]]:
        """The figures, each with the label of its column and whether it is one to look at."""
        return [
            (
                str(column.label),
                _shown(column.value(self.figures), column.unit),
                column.key in self.bad,
            )
            for column in _COLUMNS
            if column.unit is not None
        ]


class OperationsTable:
    """
    All operations that were asked for.

    Args:
        asked: What was asked for; ``sort`` of the address names a column, with a minus in front for descending.
        figures: Of the operations.
        url: The address of the page, without a query.
        operation_url: That of the page about one operation.
    """

    def __init__(self, asked: Asked, figures: Sequence[OperationFigures], *, url: str, operation_url: str) -> None:
        self._asked = asked
        self._url, self._operation_url = url, operation_url
        wanted = asked.request.GET.get(SORT, "")
        self._is_descending = wanted.startswith(DESCENDING)
        self._column = next((each for each in _COLUMNS if each.key == wanted.removeprefix(DESCENDING)), None)
        self.figures = list(figures) if self._column is None else self._sorted(figures, self._column)
        self.has_databases = asked.has_several_databases

    @property
    def headings(self) -> list[Heading]:
        """The heads of the columns."""
        return [self._heading(each) for each in _COLUMNS if each.key != "database" or self.has_databases]

    @cached_property
    def rows(self) -> list[OperationRow]:
        """The rows."""
        rules = rules_by_name()
        return [OperationRow(figures=each, url=self._url_of(each), bad=_bad(each, rules)) for each in self.figures]

    @property
    def table(self) -> Table:
        """The same for a file."""
        return Table(
            caption=_("Operations"),
            columns=tuple(Column(key=each.key, label=str(each.label), unit=each.unit) for each in _COLUMNS),
            rows=tuple(tuple(column.value(each) for column in _COLUMNS) for each in self.figures),
        )

    def _sorted(self, figures: Sequence[OperationFigures], column: _Column) -> list[OperationFigures]:
        """Return them by a column; those that have no figure come last either way."""

        def value(each: OperationFigures) -> Cell:
            return column.value(each)

        known = [each for each in figures if value(each) is not None]
        unknown = [each for each in figures if value(each) is None]
        return sorted(known, key=value, reverse=self._is_descending) + unknown  # type: ignore[arg-type]

    def _heading(self, column: _Column) -> Heading:
        is_chosen = column is self._column
        # Of figures the highest is looked for, of names the first.
        is_next_descending = not self._is_descending if is_chosen else column.unit is not None
        sort = (DESCENDING if is_next_descending else "") + column.key
        query = urlencode({**self._asked.filters.as_query(), SORT: sort})
        direction = ("descending" if self._is_descending else "ascending") if is_chosen else ""
        return Heading(
            key=column.key,
            label=str(column.label),
            url=f"{self._url}?{query}#operations",
            direction=direction,
            is_number=column.unit is not None,
        )

    def _url_of(self, figures: OperationFigures) -> str:
        query = self._asked.filters.as_query()
        query.pop("outcome", None)
        named = {"model": figures.model, "operation": figures.operation, "database": figures.database}
        return f"{self._operation_url}?{urlencode(query | {name: value for name, value in named.items() if value})}"


def name_of_operation(operation: str) -> str:
    """
    Return an operation as people read it.

    >>> name_of_operation("handler:shop.mail")
    'handler shop.mail'
    """
    return operation.replace(HANDLER_PREFIX, f"{HANDLER_PREFIX[:-1]} ", 1)


def _shown(value: Cell, unit: Unit | None) -> Shown | None:
    return show_value(value, unit) if unit is not None and isinstance(value, int | float) else None


def _bad(figures: OperationFigures, rules: Mapping[str, Rule]) -> frozenset[str]:
    errors = limits_of(rules[ERRORS])
    is_bad = {
        "p95": any((figures.p95 or 0.0) > limit.value for limit in limits_of(rules[LATENCY], figures.operation)),
        "refused": any(figures.invalid > limit.value * figures.count for limit in errors),
        "failed": figures.failed > 0,
    }
    return frozenset(name for name, bad in is_bad.items() if bad)
