"""The log of entities held against their rows, read past the package."""

from collections import defaultdict
from itertools import pairwise
from typing import NamedTuple

from django_clean_timestamps.eventlog.models import Event, Pending

CREATED, UPDATED, DELETED = 1, 2, 3


class Record(NamedTuple):
    """One event as it stands in the log."""

    event_id: object
    kind: int
    entity_type: str
    entity_id: str
    occurred_at: object
    previous_at: object
    reason: str

    @property
    def name(self):
        return self.entity_type, self.entity_id


def records(using="default"):
    """Return the log in order: what has a position, then what is pending."""
    rows_of = [model._base_manager.using(using).order_by("pk") for model in (Event, Pending)]
    return [Record(*row) for rows in rows_of for row in rows.values_list(*Record._fields)]


def by_name(found, name=lambda record: record.name):
    named = defaultdict(list)
    for each in found:
        named[name(each)].append(each)
    return named


def check_chains(models, using="default", *, may_say=None):
    """
    Hold each entity's events against each other and its row, and return them by entity.

    Each row has one creation and ends with at most one deletion; each update begins with the stamp at which the event
    before it has ended, or one of those that ``may_say`` holds for its entity and reason; the row holds the last stamp.
    """
    stamps = {
        (model._meta.label_lower, str(pk)): (created, updated)
        for model in models
        for pk, created, updated in model._base_manager.using(using).values_list("pk", "created_at", "updated_at")
    }
    stories = by_name(records(using))
    assert stamps.keys() <= stories.keys()
    for name, story in stories.items():
        kinds = [record.kind for record in story]
        assert kinds[0] == CREATED, name
        assert CREATED not in kinds[1:], name
        assert DELETED not in kinds[:-1], name
        assert story[0].previous_at is None
        for earlier, later in pairwise(story):
            if later.kind == UPDATED:
                assert later.occurred_at > earlier.occurred_at
                said = (may_say or {}).get((name, later.reason), earlier.occurred_at)
                assert later.previous_at in (earlier.occurred_at, said), (name, story)
        if kinds[-1] == DELETED:
            assert name not in stamps, name
        else:
            assert stamps.get(name) == (story[0].occurred_at, story[-1].occurred_at), (name, story)
    return stories
