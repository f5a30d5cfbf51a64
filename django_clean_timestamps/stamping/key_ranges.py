"""Conditions on keys that are at hand by the thousand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, Final

from django.db.models import Field, Model
from django.db.models.lookups import Lookup

__all__ = ["KeyRanges", "are_numbers"]

MAX_RANGES: Final = 50
"""With more of them a database is faster at looking each key up."""


class KeyRanges(Lookup):
    """
    Says whether a key is one of some whole numbers, which ascend.

    Numbers that follow each other become one range: nobody can have a row between them. On MariaDB ten thousand keys as
    parameters of an IN took five times as long as the UPDATE by them. They are written into the SQL, being numbers.

    The end of each run is named by itself: behind the end of a range InnoDB locks the next row and the gap before it,
    under REPEATABLE READ, and nobody could have inserted a row behind the newest.
    """

    prepare_rhs = False

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        """Return the condition."""
        column, params = self.process_lhs(compiler, connection)
        found = list(_runs(self.rhs))
        if len(found) > MAX_RANGES:
            return f"{column} IN ({', '.join(map(str, self.rhs))})", tuple(params)
        conditions = [f"{column} BETWEEN {first} AND {last - 1}" for first, last in found if first < last]
        conditions.append(f"{column} IN ({', '.join(str(last) for _, last in found)})")
        return f"({' OR '.join(conditions)})", tuple(params) * len(conditions)


def are_numbers(model: type[Model], keys: Sequence[Any]) -> bool:
    """Say whether the keys of rows are whole numbers in Python and in the database, and ascend."""
    field: Field[Any, Any] = model._meta.pk
    return isinstance(keys, range) or (
        field.get_internal_type() in _NUMBERS
        and all(type(key) is int for key in keys)
        and all(one < next_ for one, next_ in pairwise(keys))
    )


_NUMBERS: Final = frozenset(
    (
        *("AutoField", "BigAutoField", "SmallAutoField", "IntegerField", "BigIntegerField", "SmallIntegerField"),
        *("PositiveIntegerField", "PositiveBigIntegerField", "PositiveSmallIntegerField"),
    )
)


def _runs(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield the first and the last of the numbers that follow each other without a gap."""
    if isinstance(numbers, range):
        yield numbers[0], numbers[-1]
        return
    first = last = numbers[0]
    for number in numbers[1:]:
        if number != last + 1:
            yield first, last
            first = number
        last = number
    yield first, last
