"""A sketch comes back from its bytes as it was, and from no others."""

import math
import random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from django_clean_timestamps.metrics.sketch import Sketch
from tests.metrics.test_sketch import sketch_of, sketches

STORED = bytes.fromhex(
    "01c09d4446030601c3fdfca9f1d24d62603fb81e85eb51b89e3fe0c5cc137b14ae47e17a743f027b14ae47e17a843f016364"
    "60606064a02b60641814801100"
)


def typical_sketch(size=3_000):
    chance = random.Random(size)
    return sketch_of(*(chance.lognormvariate(math.log(0.003), 0.35) for _ in range(size)), warning=0.005, critical=0.01)


def with_counts_up_to(most):
    sketch = typical_sketch()
    sketch.add(0.003, most)
    return sketch


@given(sketches())
@example(Sketch())
@example(Sketch(warning=0.005, critical=0.01))
@example(sketch_of(1e17, 1e-9, 0.005, warning=0.0, critical=1e17))
def test_a_sketch_comes_back_as_it_was(sketch):
    back = Sketch.from_bytes(sketch.to_bytes())
    assert back == sketch
    assert (back.scale, back.count, back.sum, back.min, back.max) == (
        sketch.scale,
        sketch.count,
        sketch.sum,
        sketch.min,
        sketch.max,
    )
    assert (back.warning, back.over_warning, back.critical, back.over_critical) == (
        sketch.warning,
        sketch.over_warning,
        sketch.critical,
        sketch.over_critical,
    )


@pytest.mark.parametrize("most", [1, 255, 256, 65_535, 65_536, 2**32 - 1, 2**32, 2**60])
def test_counts_of_any_size_come_back(most):
    sketch = sketch_of(0.001, 0.5)
    sketch.add(0.003, most)
    assert Sketch.from_bytes(sketch.to_bytes()) == sketch
    assert Sketch.from_bytes(with_counts_up_to(most).to_bytes()) == with_counts_up_to(most)


@given(sketches(), sketches())
def test_bytes_merge_as_the_sketch_does(one, other):
    merged = one.copy()
    merged.merge_bytes(other.to_bytes())
    assert merged == Sketch.merged([one, other])


def test_a_sketch_that_came_back_can_be_added_to():
    back = Sketch.from_bytes(sketch_of(0.004, warning=0.005).to_bytes())
    back.extend([0.006, 0.0001])
    assert back.over_warning == 1
    assert back.buckets() == sketch_of(0.004, 0.006, 0.0001).buckets()


def test_what_a_database_hands_out_as_a_memoryview_is_read():
    assert Sketch.from_bytes(memoryview(typical_sketch().to_bytes())) == typical_sketch()


def test_the_same_sketch_is_the_same_bytes_however_it_came_about():
    halves = [sketch_of(0.25, 0.5), sketch_of(0.125, 4.0)]
    assert Sketch.merged(halves).to_bytes() == Sketch.merged(reversed(halves)).to_bytes()


def test_the_first_byte_is_the_version():
    assert typical_sketch().to_bytes()[0] == 1


def test_a_sketch_of_this_version_is_read_for_ever():
    sketch = sketch_of(0.002, 0.0021, 0.007, 0.03, warning=0.005, critical=0.01)
    assert Sketch.from_bytes(STORED) == sketch


def test_some_thousand_latencies_take_few_bytes():
    assert len(typical_sketch(1_000).to_bytes()) < 230
    assert len(typical_sketch(3_000).to_bytes()) < 290
    assert len(typical_sketch(100_000).to_bytes()) < 600


def test_a_lone_latency_far_from_the_others_takes_few_bytes():
    sketch = typical_sketch()
    before = len(sketch.to_bytes())
    sketch.add(1_000.0)
    assert len(sketch.to_bytes()) - before < 20


def test_an_empty_sketch_takes_few_bytes():
    assert len(Sketch().to_bytes()) < 40


@pytest.mark.parametrize("version", [0, 2, 255])
def test_another_version_is_refused_with_the_way_out(version):
    data = bytes([version]) + typical_sketch().to_bytes()[1:]
    with pytest.raises(ValueError, match=f"the first is {version}, and version 1 is read. Upgrade this process"):
        Sketch.from_bytes(data)


def test_bytes_that_were_cut_are_refused_wherever_they_were_cut():
    data = typical_sketch().to_bytes()
    for size in range(1, len(data)):
        with pytest.raises(ValueError, match=rf"The {size} bytes of a sketch were cut or changed"):
            Sketch.from_bytes(data[:size])


def test_no_bytes_are_refused():
    with pytest.raises(ValueError, match="no bytes at all"):
        Sketch.from_bytes(b"")


def test_bytes_with_any_bit_changed_are_refused():
    data = sketch_of(0.002, 0.007, warning=0.005).to_bytes()
    for place in range(8 * len(data)):
        changed = bytearray(data)
        changed[place // 8] ^= 1 << place % 8
        with pytest.raises(ValueError, match="sketch"):
            Sketch.from_bytes(bytes(changed))


@given(st.binary(max_size=100) | st.binary(max_size=100).map(lambda data: b"\1" + data))
@example(b'{"count": 1}')
@example(b"\x80\x04K\x01.")
def test_what_was_never_a_sketch_is_refused(data):
    with pytest.raises(ValueError, match="sketch"):
        Sketch.from_bytes(data)


def test_a_sketch_stays_as_it_was_when_bytes_are_refused():
    sketch = typical_sketch()
    with pytest.raises(ValueError, match="cut or changed"):
        sketch.merge_bytes(sketch.to_bytes()[:-1])
    assert sketch == typical_sketch()
