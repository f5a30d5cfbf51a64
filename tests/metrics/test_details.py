"""Reasons and examples."""

from datetime import UTC, datetime

from django_clean_timestamps.metrics.details import EXAMPLES, REASONS, REASONS_HELD, Detail, Details

SAVE = ("shop.order", "update", "ok", "default")
HOUR = 1_800_000_000


def test_reasons_are_counted():
    detail = Detail()
    detail.add(
        [(0.001, 1, "1", "import"), (0.001, 1, "2", "import"), (0.001, 1, "3", ""), (0.001, 9, None, "x" * 300)], HOUR
    )
    assert detail.top_reasons == [("import", 2), ("x" * 200, 1)]


def test_only_the_most_frequent_reasons_are_written_and_few_are_held():
    detail = Detail()
    detail.add(
        [(0.001, 1, None, f"reason {number}") for number in range(REASONS_HELD + 1)] + [(0.001, 1, None, "often")] * 3,
        HOUR,
    )
    assert len(detail.reasons) <= REASONS_HELD
    assert detail.top_reasons[0] == ("often", 3)
    assert len(detail.top_reasons) == REASONS


def test_the_slowest_are_kept_with_the_row_they_were_about():
    detail = Detail()
    detail.add([(number / 1_000, 1, number, f"because {number}") for number in range(20)], HOUR)
    detail.add([(1.0, 1, None, "many rows"), (0.5, 1, "k" * 300, None or "")], HOUR + 5)
    assert len(detail.examples) == EXAMPLES
    first = detail.examples[0]
    assert (first.seconds, first.entity_id, first.reason) == (0.5, "k" * 200, "")
    assert first.occurred_at == datetime.fromtimestamp(HOUR + 5, UTC)
    assert [example.seconds for example in detail.examples[1:]] == [0.019, 0.018, 0.017, 0.016]


def test_fast_ones_are_no_news():
    detail = Detail()
    detail.add([(1.0, 1, "1", "")] * EXAMPLES, HOUR)
    detail.has_news = False
    detail.add([(0.5, 1, "1", "")], HOUR)
    assert not detail.has_news


def test_each_hour_has_its_own_and_is_forgotten_later():
    details = Details()
    details.add(HOUR + 5, SAVE, [(0.001, 1, "1", "a")])
    details.add(HOUR + 3_605, SAVE, [(0.001, 1, "1", "b")])
    due = details.due(HOUR + 3_700)
    assert [(hour, detail.top_reasons) for hour, _, detail in due] == [
        (HOUR - HOUR % 3_600, [("a", 1)]),
        (HOUR - HOUR % 3_600 + 3_600, [("b", 1)]),
    ]
    details.confirm(due)
    assert details.due(HOUR + 3_700) == []
    details.due(HOUR + 100_000)
    assert not details._details
