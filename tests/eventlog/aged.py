"""Events of chosen ages in the log."""

from datetime import timedelta

from django_clean_timestamps.eventlog.fields import database_now
from django_clean_timestamps.eventlog.models import Event
from django_clean_timestamps.eventlog.sequencer import sequence
from tests.eventlog.log import add_pending

__all__ = ["add_aged", "make_older", "positions"]


def add_aged(*days, using="default"):
    """Give positions to events that were recorded so many days ago, in this order."""
    for age in days:
        add_pending(1, using, recorded_at=database_now(using) - timedelta(days=age))
    sequence(using)


def make_older(days, *, using="default", upto=None):
    """Let events be recorded so many days ago, all or those up to a position."""
    events = Event._base_manager.using(using)
    events = events.all() if upto is None else events.filter(position__lte=upto)
    events.update(recorded_at=database_now(using) - timedelta(days=days))


def positions(using="default"):
    return list(Event.objects.using(using).order_by("position").values_list("position", flat=True))
