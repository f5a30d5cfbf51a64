import random

import pytest

from tests.faults.parts import part_of

pytestmark = pytest.mark.faults
NAMES = [f"tests/faults/test_kills.py::test_{number}" for number in range(10)]


@pytest.mark.parametrize("parts", [1, 2, 3, 10, 11])
def test_each_test_is_in_one_part_whatever_order_each_run_has(parts):
    found = [name for part in range(1, parts + 1) for name in part_of(random.sample(NAMES, 10), part, parts)]
    assert sorted(found) == sorted(NAMES)


def test_parts_are_of_one_size_or_differ_by_one():
    assert sorted(len(part_of(NAMES, part, 3)) for part in (1, 2, 3)) == [3, 3, 4]
