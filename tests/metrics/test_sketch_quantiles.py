"""A sketch's quantiles are close to those of the latencies themselves, whatever they look like."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_clean_timestamps.metrics.sketch import Sketch

MOST_OFF = 0.0055
QS = (0.0, 0.001, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1.0)
SHAPES = {
    "log-normal": lambda chance: chance.lognormvariate(math.log(0.003), 0.6),
    "uniform": lambda chance: chance.uniform(1e-6, 0.05),
    "constant": lambda _: 0.0042,
    "bimodal": lambda chance: chance.gauss(0.002, 0.0001) if chance.random() < 0.7 else chance.gauss(0.9, 0.05),
}


def exact(ordered, q):
    return ordered[max(math.ceil(q * len(ordered)), 1) - 1]


def latency(chance):
    """Return one of a save's latencies: most are quick, some wait for a lock, a few for a server far away."""
    kind = chance.random()
    if kind < 0.90:
        return chance.lognormvariate(math.log(0.0021), 0.35)
    if kind < 0.99:
        return chance.lognormvariate(math.log(0.012), 0.5)
    return chance.lognormvariate(math.log(0.3), 0.9)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("size", [1, 2, 20, 5_000])
def test_quantiles_are_close_for_every_shape(shape, size):
    chance = random.Random(f"{shape} {size}")
    seconds = sorted(SHAPES[shape](chance) for _ in range(size))
    sketch = Sketch()
    sketch.extend(seconds)
    for q, estimate in zip(QS, sketch.quantiles(*QS), strict=True):
        assert estimate == pytest.approx(exact(seconds, q), rel=MOST_OFF), q


@given(st.lists(st.floats(1e-6, 1_000.0), min_size=1), st.floats(0, 1))
def test_any_quantile_of_any_latencies_is_close(seconds, q):
    sketch = Sketch()
    sketch.extend(seconds)
    assert sketch.quantile(q) == pytest.approx(exact(sorted(seconds), q), rel=MOST_OFF)


@given(st.lists(st.floats(0, 5_000.0), min_size=1), st.lists(st.floats(0, 1), max_size=5))
def test_quantiles_ascend_between_the_smallest_and_the_largest(seconds, qs):
    sketch = Sketch()
    sketch.extend(seconds)
    found = sketch.quantiles(0, *sorted(qs), 1)
    assert list(found) == sorted(found)
    assert (found[0], found[-1]) == (min(seconds), max(seconds))


@pytest.mark.parametrize("scale", range(7))
def test_a_coarser_sketch_is_off_by_half_a_bucket_at_most(scale):
    chance = random.Random(scale)
    seconds = sorted(latency(chance) for _ in range(5_000))
    sketch = Sketch()
    sketch.extend(seconds)
    width = 2 ** (1 / 2**scale)
    for q, estimate in zip(QS, sketch.downscaled(scale).quantiles(*QS), strict=True):
        assert estimate == pytest.approx(exact(seconds, q), rel=(width - 1) / (width + 1) + 1e-12)


def test_latencies_that_are_all_the_same_have_exact_quantiles():
    sketch = Sketch()
    sketch.add(0.0042, 1_000)
    assert set(sketch.quantiles(*QS)) == {0.0042}


def test_quantiles_come_in_the_order_asked_for():
    sketch = Sketch()
    sketch.extend([0.001, 0.002, 0.003])
    assert sketch.quantiles(1, 0) == (0.003, 0.001)
    assert sketch.quantiles() == ()


def test_no_latencies_have_no_quantiles():
    assert Sketch().quantile(0.5) is None
    assert Sketch().quantiles(0.5, 0.95) == (None, None)


@pytest.mark.parametrize("q", [-0.1, 1.1, 95, math.nan])
def test_a_quantile_that_is_no_share_is_refused(q):
    with pytest.raises(ValueError, match=f"q is {q}; a share from 0 to 1 is wanted"):
        Sketch().quantile(q)


def test_a_million_latencies_in_a_thousand_sketches_have_the_quantiles_of_them_all():
    chance = random.Random(20260711)
    seconds = [latency(chance) for _ in range(1_000_000)]
    packed = []
    for place in range(0, len(seconds), 1_000):
        sketch = Sketch(warning=0.005, critical=0.01)
        sketch.extend(seconds[place : place + 1_000])
        packed.append(sketch.to_bytes())
    merged = Sketch()
    for data in packed:
        merged.merge_bytes(data)
    seconds.sort()
    assert merged.count == 1_000_000
    assert merged.over_warning == sum(each > 0.005 for each in seconds)
    for q, estimate in zip(QS, merged.quantiles(*QS), strict=True):
        assert estimate == pytest.approx(exact(seconds, q), rel=0.006), q
