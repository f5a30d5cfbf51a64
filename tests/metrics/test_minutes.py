"""What is counted is written once, whatever becomes of the writes."""

from hypothesis import given
from hypothesis import strategies as st

from django_clean_timestamps.metrics import minutes as module
from django_clean_timestamps.metrics.minutes import WRITABLE_SECONDS, Counted, Minutes
from django_clean_timestamps.metrics.sketch import Sketch

SAVE = ("shop.order", "update", "ok", "default")
TOUCH = ("shop.order", "touch", "ok", "default")
NOON = 1_800_000_000


def minutes():
    return Minutes(lambda series: Sketch(warning=0.005, critical=0.010))


def never(keys):
    raise AssertionError(f"nothing was in doubt, and yet {keys} were asked for")


def figures(rows):
    return [(row.start, row.series[1], row.counted.sketch.count, row.counted.rows) for row in rows]


def test_a_row_holds_its_whole_minute_each_time():
    counted = minutes()
    counted.add(NOON, SAVE, [0.001, 0.002], 2)
    first = counted.due(NOON + 10, never)
    counted.confirm(first)
    assert not counted.has_news
    counted.add(NOON, SAVE, [0.003], 1)
    assert counted.has_news
    assert figures(first) == [(NOON, "update", 2, 2)]
    assert figures(counted.due(NOON + 20, never)) == [(NOON, "update", 3, 3)]


def test_only_what_has_news_is_written():
    counted = minutes()
    counted.add(NOON, SAVE, [0.001], 1)
    counted.confirm(counted.due(NOON, never))
    counted.add(NOON, TOUCH, [0.001], 1)
    assert figures(counted.due(NOON, never)) == [(NOON, "touch", 1, 1)]


def test_what_is_counted_while_a_write_is_under_way_is_news():
    counted = minutes()
    counted.add(NOON, SAVE, [0.001], 1)
    rows = counted.due(NOON, never)
    counted.trying(rows)
    counted.add(NOON, SAVE, [0.002], 1)
    counted.confirm(rows)
    assert figures(counted.due(NOON, never)) == [(NOON, "update", 2, 2)]


def test_the_rest_of_a_minute_that_is_closed_moves_to_the_current_one():
    counted = minutes()
    counted.add(NOON, SAVE, [0.001, 0.001], 2)
    counted.confirm(counted.due(NOON, never))
    counted.add(NOON, SAVE, [0.007], 1)
    late = NOON + 60 + WRITABLE_SECONDS
    (row,) = counted.due(late, never)
    assert (row.start, row.counted.rows, row.counted.sketch.count) == (late, 1, 1)
    assert row.counted.sketch.over_warning == 1


def test_a_minute_that_is_written_and_past_is_forgotten():
    counted = minutes()
    counted.add(NOON, SAVE, [0.001], 1)
    counted.confirm(counted.due(NOON, never))
    assert counted.due(NOON + 3_600, never) == []
    assert not counted._entries


def test_a_minute_that_has_not_begun_is_the_current_one():
    counted = minutes()
    counted.add(NOON + 600, SAVE, [0.001], 1)
    assert figures(counted.due(NOON + 30, never)) == [(NOON, "update", 1, 1)]


def test_of_a_write_in_doubt_the_database_is_asked_once_its_minute_is_closed():
    for has_succeeded, moved in ((True, 1), (False, 3)):
        counted = minutes()
        counted.add(NOON, SAVE, [0.001, 0.002], 2)
        (row,) = rows = counted.due(NOON, never)
        counted.trying(rows)
        counted.add(NOON, SAVE, [0.003], 1)
        found = {(NOON, SAVE): row.counted} if has_succeeded else {}
        late = NOON + 600
        assert figures(counted.due(late, lambda keys, found=found: found)) == [(late, "update", moved, moved)]


def test_of_a_write_in_doubt_that_was_all_nothing_moves():
    counted = minutes()
    counted.add(NOON, SAVE, [0.001], 1)
    (row,) = rows = counted.due(NOON, never)
    counted.trying(rows)
    assert counted.due(NOON + 600, lambda keys: {(NOON, SAVE): row.counted}) == []


@given(
    st.lists(
        st.tuples(
            st.integers(1, 5),
            st.integers(0, 100),
            st.sampled_from(["confirmed", "lost", "written, and nobody knows"]),
        ),
        max_size=40,
    )
)
def test_nothing_is_lost_or_counted_twice(steps):
    """A database of rows by minute, writes of which each may fail on either side of its commit, and time that passes."""
    counted, database, now, seen = minutes(), {}, NOON, 0

    def read_back(keys):
        return {key: database[key] for key in keys if key in database}

    def flush(fate):
        rows = counted.due(now, read_back)
        counted.trying(rows)
        for row in rows:
            assert now < row.start + 60 + WRITABLE_SECONDS
            if fate != "lost":
                database[row.start, row.series] = row.counted
        if fate == "confirmed":
            counted.confirm(rows)

    for observations, seconds, fate in steps:
        now += seconds
        counted.add(now - now % 60, SAVE, [0.001] * observations, observations)
        seen += observations
        flush(fate)
    flush("confirmed")
    assert sum(each.sketch.count for each in database.values()) == seen
    assert sum(each.rows for each in database.values()) == seen


def test_minutes_that_wait_for_a_database_that_is_gone_are_put_together(monkeypatch):
    monkeypatch.setattr(module, "ENTRIES_AT_MOST", 2)
    counted = minutes()
    for minute in range(3):
        counted.add(NOON + 60 * minute, SAVE, [0.001], 1)
        counted.compact(NOON + 60 * minute)
    assert figures(counted.due(NOON + 125, never)) == [(NOON + 120, "update", 3, 3)]


def test_one_that_was_tried_stays_by_itself(monkeypatch):
    monkeypatch.setattr(module, "ENTRIES_AT_MOST", 1)
    counted = minutes()
    counted.add(NOON, SAVE, [0.001], 1)
    counted.confirm(counted.due(NOON, never))
    counted.add(NOON + 60, SAVE, [0.001], 1)
    counted.trying(counted.due(NOON + 60, never))
    counted.add(NOON + 120, SAVE, [0.001], 1)
    counted.compact(NOON + 120)
    assert len(counted._entries) == 3


def test_a_copy_goes_its_own_way():
    counted = Counted(Sketch())
    counted.add([0.001], 1)
    copy = counted.copy()
    copy.plus(counted)
    assert (counted.rows, counted.sketch.count, copy.rows, copy.sketch.count) == (1, 1, 2, 2)
