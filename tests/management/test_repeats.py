import logging

import pytest

from django_clean_timestamps.management import repeats
from django_clean_timestamps.management.repeats import without_repeats

logger = logging.getLogger("tests.repeats")


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def test_the_same_words_are_said_once_a_minute(caplog, clock):
    with without_repeats(logger, clock):
        for clock.now in (0, 1, 59, 60, 61):
            logger.warning("%s is down", "other")
    assert caplog.messages == ["other is down"] * 2


def test_other_words_are_said_at_once(caplog, clock):
    with without_repeats(logger, clock):
        for alias in ("other", "default", "other"):
            logger.warning("%s is down", alias)
    assert caplog.messages == ["other is down", "default is down"]


def test_afterwards_everything_is_said_again(caplog, clock):
    with without_repeats(logger, clock):
        logger.warning("down")
    logger.warning("down")
    assert caplog.messages == ["down"] * 2
    assert logger.filters == []


def test_ever_new_words_take_no_room(caplog, clock, monkeypatch):
    monkeypatch.setattr(repeats, "REMEMBERED", 2)
    with without_repeats(logger, clock):
        for words in ("one", "two", "three", "three", "one"):
            logger.warning(words)
    assert caplog.messages == ["one", "two", "three", "one"]
