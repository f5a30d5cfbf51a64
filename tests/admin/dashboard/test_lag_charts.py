"""What the lines of subscriptions are called, and what is said of those that have none."""

import pytest
from django.utils import translation

from django_clean_timestamps.admin.charts import table_of
from django_clean_timestamps.admin.dashboard.lag_charts import lag_section
from django_clean_timestamps.metrics.queries.backlog import Lags, SubscriptionLag
from tests.admin.dashboard.figures import moment


def section(*handlers, others=0, waiting=0):
    """Return the section of subscriptions, each a handler's name, with its log and database where it has others."""
    named = [(each, "default", "default") if isinstance(each, str) else each for each in handlers]
    lags = Lags(
        times=(moment(0), moment(60)),
        step_seconds=60,
        furthest=tuple(
            SubscriptionLag(
                handler=handler, log_alias=log, database=database, waiting=(1, None), oldest_seconds=(2.5, 0)
            )
            for handler, log, database in named
        ),
        others_count=others,
        others_waiting=waiting,
    )
    return lag_section(lags, (), ())


def names(chart):
    return [column.name for column in table_of(chart).columns][1:]


def test_both_figures_go_by_the_same_names():
    waiting, oldest = section("shop.mail", "shop.Index-2").charts
    assert names(waiting) == ["shop_mail_count", "shop_index_2_count"]
    assert names(oldest) == ["shop_mail_seconds", "shop_index_2_seconds"]
    assert (waiting.lines[0].values, oldest.lines[0].values) == ((1, None), (2.5, 0))


@pytest.mark.parametrize(
    ("handlers", "found"),
    [
        (["shop.mail", "shop_mail", "shop-mail"], ["shop_mail", "shop_mail_2", "shop_mail_3"]),
        (["a", "a.2", "A"], ["a", "a_2", "a_3"]),
        (["2nd", "почта", "…"], ["handler_2nd", "handler", "handler_2"]),
    ],
)
def test_any_handler_gets_a_name_of_its_own_for_files(handlers, found):
    waiting, _oldest = section(*handlers).charts
    assert [line.key for line in waiting.lines] == found
    assert [line.label for line in waiting.lines] == handlers


def test_the_same_handler_of_two_logs_is_told_apart():
    waiting, _oldest = section(("a", "default", "other"), "b", ("a", "other", "other")).charts
    assert [line.label for line in waiting.lines] == ["a (log default, in other)", "b", "a (log other, in other)"]


def test_the_rest_is_told_in_a_sentence():
    assert section("a").help_text == ""
    assert section("a", others=1, waiting=0).help_text.endswith("; the lag of 1 other was never over 0.")
    assert section("a", others=2, waiting=1_234).help_text.endswith("; the lag of 2 others was never over 1,234.")
    with translation.override("de"):
        assert section("a", others=2, waiting=1_234).help_text.endswith(" 1.234.")
