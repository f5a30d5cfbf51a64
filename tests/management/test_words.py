from io import StringIO

import pytest
from django.core.management.base import OutputWrapper

from django_clean_timestamps.management.progress import ProgressLine
from django_clean_timestamps.management.words import count_of, near_words, times
from tests.management.ears import Terminal


@pytest.mark.parametrize(("count", "words"), [(0, "0 shards"), (1, "1 shard"), (1_200, "1,200 shards")])
def test_a_count_has_its_noun(count, words):
    assert count_of(count, "shard") == words


@pytest.mark.parametrize(("count", "words"), [(1, "once"), (2, "twice"), (1_200, "1,200 times")])
def test_how_often_something_was(count, words):
    assert times(count) == words


@pytest.mark.parametrize(
    ("word", "near"),
    [
        ("shop.serach", "did you mean 'shop.search'? "),
        ("serach", "did you mean 'shop.search'? "),
        ("mail", "did you mean 'shop.mail' or 'news.mail'? "),
        ("shop_search", "did you mean 'shop.search'? "),
        ("shop.zzz", ""),
    ],
)
def test_near_names_are_those_whose_last_parts_are_near(word, near):
    known = ["shop.search", "shop.mail", "news.mail"]
    assert near_words(word, known) == f"{near}Known are shop.search, shop.mail, news.mail."


def test_of_many_names_some_are_named_and_the_others_counted():
    known = [f"shop.h{number}" for number in range(25)]
    assert near_words("zzz", known).endswith("shop.h18, shop.h19 and 5 more.")


class TestProgress:
    def test_each_text_is_written_over_the_last_one(self):
        stream = Terminal()
        line = ProgressLine(OutputWrapper(stream))
        line.show("nine left")
        line.show("two")
        line.clear()
        assert stream.getvalue() == "\rnine left\r\rtwo      \r\r   \r"

    def test_nothing_is_cleared_where_nothing_was_shown(self):
        stream = Terminal()
        ProgressLine(OutputWrapper(stream)).clear()
        assert stream.getvalue() == ""

    def test_where_there_is_no_terminal_nothing_is_shown(self):
        stream = StringIO()
        line = ProgressLine(OutputWrapper(stream))
        line.show("nine left")
        line.clear()
        assert stream.getvalue() == ""
