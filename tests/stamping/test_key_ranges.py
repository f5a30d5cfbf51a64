"""Keys that are at hand, as a condition of SQL."""

import pytest
from django.db import connection

from django_clean_timestamps.stamping.key_ranges import MAX_RANGES, KeyRanges, are_numbers
from django_clean_timestamps.stamping.rows import keyed, lock_few
from tests.testapp.models import LongKey, Note

pytestmark = pytest.mark.django_db


def selected(keys):
    rows = Note.objects.all()
    column = Note._meta.pk.get_col(rows.query.get_initial_alias())
    rows.query.where.add(KeyRanges(column, keys), "AND")
    return rows


@pytest.mark.parametrize(
    ("keys", "condition"),
    [
        ([3], "IN (3)"),
        ([3, 4, 5], "BETWEEN 3 AND 4 OR"),
        (range(3, 6), "BETWEEN 3 AND 4 OR"),
        ([-2, -1, 7], "IN (-1, 7)"),
        ([key for key in range(1, 3 * MAX_RANGES) if key % 3], "BETWEEN 4 AND 4 OR"),
        ([key for key in range(1, 3 * MAX_RANGES + 3) if key % 3], "IN (1, 2, 4, 5"),
    ],
    ids=["one", "dense", "a range", "negative", "as many ranges as may be", "too many ranges"],
)
def test_a_condition_finds_the_rows_with_its_keys_alone(keys, condition):
    Note.objects.bulk_create(Note(pk=key) for key in range(-5, 170) if key)
    found = selected(keys)
    assert sorted(found.values_list("pk", flat=True)) == list(keys)
    assert condition in str(found.query)


@pytest.mark.parametrize(
    ("model", "keys", "expected"),
    [
        (Note, [1, 2, 9], True),
        (Note, range(1, 9), True),
        (Note, [2, 1], False),
        (Note, [1, 1], False),
        (Note, [1, "2"], False),
        (Note, [False, True], False),
        (LongKey, [1, 2], False),
    ],
)
def test_only_ascending_whole_numbers_are_numbers(model, keys, expected):
    assert are_numbers(model, keys) is expected


@pytest.mark.parametrize("keys", [[2, 3], [3, 2]])
def test_rows_by_key_are_those_with_the_keys(keys):
    Note.objects.bulk_create(Note(pk=key) for key in range(1, 6))
    assert sorted(keyed(Note.objects.filter(pk=1), keys).values_list("pk", flat=True)) == [2, 3]


@pytest.mark.mariadb
def test_on_mariadb_the_keys_travel_without_parameters():
    sql, params = keyed(Note.objects.all(), [2, 3]).query.get_compiler(connection=connection).as_sql()
    assert "BETWEEN 2 AND 2 OR" in sql
    assert params == ()


@pytest.mark.parametrize(("most", "expected"), [(3, [(1, 10), (2, 20), (3, 30)]), (2, None)])
def test_few_rows_are_locked_and_read_in_the_order_of_their_keys(most, expected):
    Note.objects.bulk_create(Note(pk=key, amount=10 * key) for key in (3, 1, 2))
    assert lock_few(Note.objects.order_by("-pk").distinct(), ("amount",), most) == expected
