"""What the tests of the sequencer look at, and readers for it to hear of."""

from contextlib import contextmanager

from django_clean_timestamps.eventlog.cursors import answer_for_cursors, forget_cursors
from django_clean_timestamps.eventlog.models import Event, LogHead


def positions(using="default"):
    return list(Event._base_manager.using(using).order_by("position").values_list("position", flat=True))


def head(using="default"):
    return LogHead._base_manager.using(using).values_list("position", flat=True).first()


@contextmanager
def cursors_at(*at):
    """Let a reader be at some positions."""

    def answer(using):
        return at

    answer_for_cursors(answer)
    try:
        yield
    finally:
        forget_cursors(answer)
