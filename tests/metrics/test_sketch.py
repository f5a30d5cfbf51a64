"""A sketch counts exactly what it says it does, and merges by addition."""

import math
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from django_clean_timestamps.metrics.sketch import LE_BOUNDS, Sketch
from django_clean_timestamps.metrics.sketch.buckets import bucket_index, upper_bound, upper_bounds
from django_clean_timestamps.metrics.sketch.histogram import Histogram

SCALES = range(7)
# Some below, some above what is clamped to; some on bounds and beside them.
bounds = st.integers(-1275, 637).map(upper_bound)
latencies = st.one_of(
    st.floats(0, 2_000),
    st.floats(1e-4, 0.1),
    bounds,
    bounds.map(lambda bound: math.nextafter(bound, math.inf)),
    bounds.map(lambda bound: math.nextafter(bound, 0)),
    st.sampled_from([0.0, 5e-324, 1e-6, 0.005, 0.01, 1_000.0, 1e9]),
)
thresholds = st.sampled_from([None, 0.005, 0.01])


@st.composite
def sketches(draw):
    sketch = Sketch(warning=draw(thresholds), critical=draw(thresholds))
    sketch.extend(draw(st.lists(latencies, max_size=30)))
    return sketch.downscaled(draw(st.sampled_from([6, 6, 6, 3, 0])))


def sketch_of(*seconds, **limits):
    sketch = Sketch(**limits)
    sketch.extend(seconds)
    return sketch


@pytest.mark.parametrize("scale", SCALES)
def test_every_bound_falls_into_the_bucket_that_it_closes(scale):
    indices = range(bucket_index(1e-6, scale), bucket_index(1_000.0, scale))
    assert [bucket_index(upper_bound(index, scale), scale) for index in indices] == list(indices)


@pytest.mark.parametrize("scale", SCALES)
def test_the_next_larger_float_than_a_bound_falls_into_the_next_bucket(scale):
    indices = range(bucket_index(1e-6, scale), bucket_index(1_000.0, scale))
    above = [math.nextafter(upper_bound(index, scale), math.inf) for index in indices]
    assert [bucket_index(each, scale) for each in above] == [index + 1 for index in indices]


@pytest.mark.parametrize("scale", SCALES)
def test_the_bounds_that_are_kept_are_those_of_the_formula(scale):
    for index in range(bucket_index(1e-6, scale), bucket_index(1_000.0, scale) + 1):
        assert upper_bounds(scale)[index] == upper_bound(index, scale) == 2 ** (index / 2**scale)


@given(latencies)
def test_a_latency_lies_between_its_buckets_bounds(seconds):
    index = bucket_index(seconds)
    assert upper_bound(index - 1) < min(max(seconds, 1e-6), 1_000.0) <= upper_bound(index)


@given(latencies, st.integers(0, 5))
def test_a_bucket_lies_wholly_inside_the_one_of_half_the_resolution(seconds, scale):
    assert bucket_index(seconds, scale) == math.ceil(bucket_index(seconds, scale + 1) / 2)


@pytest.mark.parametrize("seconds", [0.0, 5e-324, 2.2e-308, 1e-9, 1e-6])
def test_what_is_at_most_a_microsecond_shares_the_first_bucket(seconds):
    assert bucket_index(seconds) == -1275


@pytest.mark.parametrize("seconds", [1_000.0, 1_000.1, 1e17])
def test_what_is_at_least_a_thousand_seconds_shares_the_last_bucket(seconds):
    assert bucket_index(seconds) == 638


@given(st.lists(latencies, min_size=1))
@example([1e-7, 5_000.0])
def test_many_at_once_are_counted_as_one_by_one(seconds):
    at_once, one_by_one = sketch_of(*seconds, warning=0.005, critical=0.01), Sketch(warning=0.005, critical=0.01)
    for each in seconds:
        one_by_one.add(each)
    assert at_once.buckets() == one_by_one.buckets()
    assert (at_once.count, at_once.min, at_once.max) == (one_by_one.count, one_by_one.min, one_by_one.max)
    assert (at_once.over_warning, at_once.over_critical) == (one_by_one.over_warning, one_by_one.over_critical)
    assert at_once.sum == pytest.approx(one_by_one.sum, rel=1e-12, abs=1e-9 * len(seconds))


@given(st.lists(latencies, min_size=1), st.sampled_from(SCALES))
def test_a_coarse_sketch_is_added_to_by_its_own_buckets(seconds, scale):
    later, first = Sketch().downscaled(scale), sketch_of(*seconds)
    later.extend(seconds)
    assert later == first.downscaled(scale)


@given(st.lists(latencies, min_size=1))
def test_count_min_max_and_the_counts_over_thresholds_are_exact(seconds):
    sketch = sketch_of(*seconds, warning=0.005, critical=0.01)
    assert (sketch.count, sketch.min, sketch.max) == (len(seconds), min(seconds), max(seconds))
    assert sketch.over_warning == sum(each > 0.005 for each in seconds)
    assert sketch.over_critical == sum(each > 0.01 for each in seconds)
    assert sketch.sum == pytest.approx(math.fsum(seconds), rel=1e-12, abs=1e-9)
    assert sketch.mean == pytest.approx(math.fsum(seconds) / len(seconds), rel=1e-12, abs=1e-9)


def test_one_that_repeats_is_counted_so_many_times():
    sketch = Sketch(warning=0.005, critical=0.01)
    sketch.add(0.007, 3)
    assert sketch == sketch_of(0.007, 0.007, 0.007, warning=0.005, critical=0.01)
    assert (sketch.over_warning, sketch.over_critical) == (3, 0)


def test_the_sum_does_not_drift_over_millions():
    sketch = Sketch()
    sketch.add(0.1, 10_000_000)
    assert sketch.sum == 1_000_000.0


def test_a_latency_equal_to_a_threshold_is_not_over_it():
    assert sketch_of(0.005, 0.0051, warning=0.005).over_warning == 1


def test_a_clock_that_was_set_back_counts_as_zero():
    sketch, one_by_one = sketch_of(-0.5, 0.25), Sketch()
    one_by_one.add(-0.5)
    one_by_one.add(0.25)
    assert sketch == one_by_one
    assert (sketch.count, sketch.min, sketch.sum) == (2, 0.0, 0.25)


def test_nothing_at_all_changes_nothing():
    sketch = sketch_of(0.1)
    sketch.extend([])
    assert sketch == sketch_of(0.1)


def test_latencies_may_come_from_a_generator():
    sketch = Sketch()
    sketch.extend(each / 1_000 for each in range(1, 4))
    assert sketch == sketch_of(0.001, 0.002, 0.003)


@pytest.mark.parametrize("seconds", [math.nan, math.inf, 1e18], ids=str)
def test_what_is_no_number_of_seconds_is_refused_and_nothing_counted(seconds):
    sketch = sketch_of(0.1)
    with pytest.raises(ValueError, match="a finite number is wanted"):
        sketch.add(seconds)
    with pytest.raises(ValueError, match="one of them is infinite or no number"):
        sketch.extend([0.1, seconds, 0.2, -0.1])
    assert sketch == sketch_of(0.1)


@pytest.mark.parametrize("times", [0, -1])
def test_less_than_once_is_refused(times):
    with pytest.raises(ValueError, match=f"times is {times}; 1 or more is wanted"):
        Sketch().add(0.1, times)


@pytest.mark.parametrize("threshold", [-0.001, math.nan, math.inf], ids=str)
def test_a_threshold_that_nothing_can_be_counted_by_is_refused(threshold):
    with pytest.raises(ValueError, match=r"warning is .*a number of seconds from 0, or None, is wanted"):
        Sketch(warning=threshold)
    with pytest.raises(ValueError, match="critical is"):
        Sketch(critical=threshold)


def test_an_empty_sketch_has_no_figures():
    sketch = Sketch(warning=0.005)
    assert not sketch
    assert (sketch.count, sketch.sum, sketch.over_warning, sketch.over_critical) == (0, 0.0, 0, None)
    assert (sketch.min, sketch.max, sketch.mean, sketch.fraction_over(0.005)) == (None, None, None, None)
    assert sketch.buckets() == []
    assert set(sketch.cumulative(LE_BOUNDS)) == {0}
    assert repr(sketch) == "<Sketch: empty>"


def test_a_sketch_shows_what_it_holds():
    sketch = sketch_of(0.001, 0.002, 0.0042)
    assert sketch
    assert repr(sketch) == "<Sketch: 3 from 0.001 to 0.0042 s, p95 0.0042 s>"


def test_a_sketch_is_equal_to_no_other_thing_and_is_no_key():
    assert Sketch() != 0
    assert sketch_of(0.1) != sketch_of(0.1, warning=0.005)
    with pytest.raises(TypeError, match="unhashable"):
        hash(Sketch())


def test_a_lone_latency_far_from_the_others_is_found_whichever_came_first():
    assert sketch_of(900.0, 1e-5) == Sketch.merged([sketch_of(900.0), sketch_of(1e-5)])
    assert sketch_of(900.0, 1e-5) == Sketch.merged([sketch_of(1e-5), sketch_of(900.0)])


@given(sketches(), sketches())
def test_merging_is_commutative(one, other):
    assert Sketch.merged([one, other]) == Sketch.merged([other, one])


@given(sketches(), sketches(), sketches())
def test_merging_is_associative(first, second, third):
    left = Sketch.merged([Sketch.merged([first, second]), third])
    assert left == Sketch.merged([first, Sketch.merged([second, third])])


@given(sketches(), sketches(), st.sampled_from(SCALES))
def test_downscaling_and_merging_may_be_done_in_either_order(one, other, scale):
    scale = min(scale, one.scale, other.scale)
    before = Sketch.merged([one.downscaled(scale), other.downscaled(scale)])
    assert before == Sketch.merged([one, other]).downscaled(scale)


@given(st.lists(latencies), st.lists(latencies))
def test_a_merged_sketch_is_that_of_all_latencies(some, others):
    merged, whole = Sketch.merged([sketch_of(*some), sketch_of(*others)]), sketch_of(*some, *others)
    assert merged.buckets() == whole.buckets()
    assert (merged.count, merged.min, merged.max) == (whole.count, whole.min, whole.max)
    assert merged.sum == pytest.approx(whole.sum, rel=1e-12, abs=3e-9)


@given(sketches())
def test_an_empty_sketch_adds_nothing_and_takes_over_the_others_thresholds(sketch):
    merged = Sketch(warning=1.0)
    merged.merge(sketch)
    if sketch:
        assert merged == sketch
    before = sketch.copy()
    sketch.merge(Sketch(warning=7.0))
    if sketch:
        assert sketch == before


def test_sketches_counted_by_the_same_thresholds_know_what_was_over_them():
    one = sketch_of(0.004, 0.006, warning=0.005, critical=0.01)
    one.merge(sketch_of(0.02, warning=0.005, critical=0.01))
    assert (one.warning, one.over_warning, one.critical, one.over_critical) == (0.005, 2, 0.01, 1)


@pytest.mark.parametrize("other", [0.004, None])
def test_sketches_counted_by_different_thresholds_merge_to_one_that_does_not_know(other):
    one = sketch_of(0.02, warning=0.005, critical=0.01)
    one.merge(sketch_of(0.02, warning=other, critical=0.01))
    assert (one.warning, one.over_warning, one.critical, one.over_critical) == (None, None, 0.01, 2)
    one.merge(sketch_of(0.02, warning=0.005, critical=other))
    assert (one.warning, one.over_warning, one.critical, one.over_critical) == (None, None, None, None)


def test_a_sketch_merged_into_itself_holds_all_twice():
    sketch = sketch_of(0.004, 0.006, warning=0.005)
    sketch.merge(sketch)
    assert sketch == sketch_of(0.004, 0.004, 0.006, 0.006, warning=0.005)


def test_nothing_merges_to_an_empty_sketch():
    assert Sketch.merged([]) == Sketch()


def test_the_merged_sketches_stay_as_they_were():
    fine, coarse = sketch_of(0.004, 0.9), sketch_of(0.005).downscaled(2)
    merged = Sketch.merged([fine, coarse])
    merged.add(0.1)
    assert (fine, coarse) == (sketch_of(0.004, 0.9), sketch_of(0.005).downscaled(2))
    assert (merged.scale, fine.scale) == (2, 6)


def test_a_copy_is_changed_apart():
    sketch = sketch_of(0.004, warning=0.001)
    copy = sketch.copy()
    assert copy == sketch
    copy.add(0.004)
    assert sketch == sketch_of(0.004, warning=0.001)


def test_two_sketches_are_counted_into_a_subclass_as_well():
    class Own(Sketch):
        __slots__ = ()

    assert type(Own.merged([sketch_of(0.1)])) is Own
    assert repr(Own()) == "<Own: empty>"


@given(st.lists(latencies, min_size=1), st.sampled_from([None, *SCALES]))
def test_buckets_follow_upon_each_other_and_hold_all(seconds, scale):
    sketch = sketch_of(*seconds)
    listed = sketch.buckets(scale)
    assert sum(count for _, _, count in listed) == sketch.count
    assert all(one[1] == other[0] for one, other in pairwise(listed))
    assert listed[0][2]
    assert listed[-1][2]
    for lower, upper, count in listed:
        assert count == sum(lower < min(max(each, 1e-6), 1_000.0) <= upper for each in seconds)


@pytest.mark.parametrize("scale", [-1, 7])
def test_a_scale_that_there_is_not_is_refused(scale):
    with pytest.raises(ValueError, match=f"scale is {scale}; this sketch has 6, and one from 0 to that is wanted"):
        sketch_of(0.1).downscaled(scale)


def test_a_coarse_sketch_cannot_be_made_finer():
    with pytest.raises(ValueError, match="scale is 4; this sketch has 3"):
        sketch_of(0.1).downscaled(3).buckets(4)


@given(st.lists(latencies), st.lists(bounds))
def test_cumulative_counts_are_exact(seconds, bounds):
    assert sketch_of(*seconds).cumulative(bounds) == [sum(each <= bound for each in seconds) for bound in bounds]


@given(st.lists(latencies))
def test_cumulative_counts_are_exact_for_the_bounds_of_prometheus(seconds):
    counts = sketch_of(*seconds).cumulative(LE_BOUNDS)
    assert counts == [sum(each <= bound for each in seconds) for bound in LE_BOUNDS]


@pytest.mark.parametrize("bound", [0.005, 1e-7, 2_048.0, 0.0])
def test_a_bound_that_is_none_is_refused_by_name(bound):
    with pytest.raises(ValueError, match=f"^{bound!r} s is no upper bound of a bucket at scale 6; the next one is "):
        sketch_of(0.1).cumulative([1.0, bound])


def test_the_bounds_of_prometheus_ascend_from_100_us_to_a_minute_near_round_numbers():
    assert list(LE_BOUNDS) == sorted(LE_BOUNDS)
    assert len(LE_BOUNDS) == 20
    for bound in LE_BOUNDS:
        power = 10 ** math.floor(math.log10(bound * 1.006))
        assert min(abs(bound / (step * power) - 1) for step in (1, 2.5, 3, 5, 6, 7.5)) < 0.0055
    assert (LE_BOUNDS[0], LE_BOUNDS[-1]) == (pytest.approx(1e-4, rel=0.0055), pytest.approx(60, rel=0.0055))


@given(st.lists(latencies, min_size=1), bounds)
def test_the_share_over_a_bound_is_exact(seconds, bound):
    over = sum(each > bound for each in seconds) / len(seconds)
    assert sketch_of(*seconds).fraction_over(bound) == pytest.approx(over, abs=1e-9)


@given(st.lists(latencies, min_size=1), st.sampled_from([0.005, 0.01]))
def test_the_share_over_a_threshold_that_was_counted_by_is_exact(seconds, threshold):
    over = sum(each > threshold for each in seconds) / len(seconds)
    assert sketch_of(*seconds, warning=0.005, critical=0.01).fraction_over(threshold) == over


@given(st.lists(latencies, min_size=1), latencies)
def test_the_share_over_anything_is_wrong_by_its_own_bucket_at_most(seconds, limit):
    sketch = sketch_of(*seconds)
    over = sum(each > limit for each in seconds)
    beside = sum(bucket_index(each) == bucket_index(limit) for each in seconds)
    assert abs(sketch.fraction_over(limit) * len(seconds) - over) <= beside + 1e-9


def test_all_are_over_less_than_the_smallest_and_none_over_the_largest():
    sketch = sketch_of(0.004, 0.006)
    assert sketch.fraction_over(0.0039999) == 1.0
    assert sketch.fraction_over(0.005) == 0.5
    assert sketch.fraction_over(0.006) == 0.0


def test_a_bucket_is_divided_in_the_middle_of_its_logarithm():
    lower, upper = upper_bound(-501), upper_bound(-500)
    sketch = sketch_of(math.nextafter(lower, 1), upper)
    assert sketch.fraction_over(math.sqrt(lower * upper)) == pytest.approx(0.5)


class TestMinus:
    @given(st.lists(st.floats(1e-6, 1_000), max_size=50), st.lists(st.floats(1e-6, 1_000), max_size=50))
    def test_an_earlier_copy_and_what_came_since_are_the_whole(self, before, since):
        sketch = Sketch(warning=0.005, critical=0.010)
        sketch.extend(before)
        earlier = sketch.copy()
        sketch.extend(since)
        rest = sketch.minus(earlier)
        assert rest.count == len(since)
        assert rest.over_warning == sum(each > 0.005 for each in since)
        earlier.merge(rest)
        assert earlier == sketch

    def test_nothing_since_is_an_empty_sketch_of_the_same_thresholds(self):
        sketch = Sketch(warning=0.005)
        sketch.add(0.001)
        rest = sketch.minus(sketch.copy())
        assert not rest
        assert rest.warning == 0.005
        assert rest.min is None

    @pytest.mark.parametrize("other", [[0.0001], [0.001, 0.001, 0.001], [0.5]])
    def test_what_is_no_earlier_copy_is_refused(self, other):
        sketch, earlier = Sketch(), Sketch()
        sketch.extend([0.001, 0.001, 0.002, 0.0005, 0.003])
        earlier.extend(other)
        with pytest.raises(ValueError, match="no earlier copy"):
            sketch.minus(earlier)

    def test_of_a_histogram_nothing_is_left_of_an_equal_one(self):
        histogram = Histogram()
        histogram.add(0.001, 2)
        rest = histogram.minus(histogram)
        assert (rest.counts, rest.scale) == ([], histogram.scale)
