"""django-simple-history: its history models copy the stamps' fields, and are no entities."""

import pytest
from simple_history.utils import bulk_create_with_history, bulk_update_with_history, update_change_reason

from django_clean_timestamps.context import stamped_at
from django_clean_timestamps.testing import capture_events
from tests.beside.stories import stamps, told
from tests.besideapp.models import Poll, PollNoStamps

pytestmark = pytest.mark.django_db


def history_of(poll):
    """Return kind and stamps of the poll's history rows, the oldest first."""
    rows = Poll.history.filter(id=poll.pk).order_by("history_id")
    return list(rows.values_list("history_type", "created_at", "updated_at"))


def test_a_history_row_has_the_stamps_of_its_entity():
    poll = Poll.objects.create(question="why?")
    assert history_of(poll) == [("+", poll.created_at, poll.updated_at)]


def test_each_history_row_keeps_the_stamps_of_its_time():
    poll = Poll.objects.create(question="why?")
    first = stamps(poll)
    poll.question = "how?"
    poll.save()
    poll.question = "when?"
    poll.save(update_fields=["question"])
    one, two, three = (row[1:] for row in history_of(poll))
    assert one == first
    assert three == stamps(poll)
    assert first[1] < two[1] < three[1]


def test_a_history_row_raises_no_event():
    with capture_events() as events:
        poll = Poll.objects.create(question="why?")
    assert told(events) == [("created", "poll", str(poll.pk))]


def test_a_history_row_that_is_saved_again_is_not_stamped_again():
    poll = Poll.objects.create(question="why?")
    before = history_of(poll)
    update_change_reason(poll, "typo")
    assert Poll.history.get().history_change_reason == "typo"
    assert history_of(poll) == before


def test_a_touch_makes_no_history_row():
    poll = Poll.objects.create(question="why?")
    poll.touch("reviewed")
    Poll.objects.all().touch("reviewed")
    assert len(history_of(poll)) == 1


def test_an_update_makes_no_history_row_but_an_event():
    # As simple-history documents: it hears save() and delete() alone.
    poll = Poll.objects.create(question="why?")
    with capture_events() as events:
        Poll.objects.update(question="how?")
    assert told(events) == [("updated", "poll", str(poll.pk))]
    assert len(history_of(poll)) == 1


def test_a_save_without_history_stamps_all_the_same():
    poll = Poll.objects.create(question="why?")
    before = poll.updated_at
    poll.save_without_historical_record()
    assert stamps(poll)[1] > before
    assert len(history_of(poll)) == 1


def test_a_deletion_is_recorded_once_and_leaves_a_history_row_with_the_stamps():
    poll = Poll.objects.create(question="why?")
    key, (created_at, updated_at) = poll.pk, stamps(poll)
    with capture_events() as events:
        poll.delete()
    assert told(events) == [("deleted", "poll", str(key))]
    row = Poll.history.get(id=key, history_type="-")
    assert (row.created_at, row.updated_at) == (created_at, updated_at)


def test_a_deletion_of_a_queryset_is_recorded_once_for_each_row():
    keys = [str(Poll.objects.create(question=question).pk) for question in ("why?", "how?")]
    with capture_events() as events:
        Poll.objects.all().delete()
    assert sorted(told(events)) == sorted(("deleted", "poll", key) for key in keys)
    assert Poll.history.filter(history_type="-").count() == 2


def test_the_instance_of_a_deferred_row_is_deleted_with_its_stamps():
    poll = Poll.objects.create(question="why?")
    expected = stamps(poll)
    Poll.objects.only("question").get().delete()
    row = Poll.history.get(history_type="-")
    assert (row.created_at, row.updated_at) == expected


def test_bulk_create_with_history_gives_both_rows_the_same_stamps():
    with capture_events() as events:
        polls = bulk_create_with_history([Poll(question="why?"), Poll(question="how?")], Poll)
    assert told(events) == [("created", "poll", str(poll.pk)) for poll in polls]
    for poll in polls:
        assert history_of(poll) == [("+", *stamps(poll))]


def test_bulk_create_with_history_that_ignores_conflicts_gives_both_rows_the_same_stamps():
    # It reads the rows again by their editable fields, since it does not know their keys.
    bulk_create_with_history([Poll(question="why?")], Poll, ignore_conflicts=True)
    poll = Poll.objects.get()
    assert history_of(poll) == [("+", *stamps(poll))]


def test_bulk_update_with_history_gives_both_rows_the_same_stamps():
    polls = [Poll.objects.create(question=question) for question in ("why?", "how?")]
    before = [stamps(poll) for poll in polls]
    for poll in polls:
        poll.question = "when?"
    with capture_events() as events:
        assert bulk_update_with_history(polls, Poll, ["question"]) == 2
    assert told(events) == [("updated", "poll", str(poll.pk)) for poll in polls]
    for poll, (created_at, updated_at) in zip(polls, before, strict=True):
        assert history_of(poll)[1:] == [("~", *stamps(poll))]
        assert stamps(poll)[0] == created_at
        assert stamps(poll)[1] > updated_at


def test_a_history_row_of_a_write_at_a_given_time_has_that_time(moment):
    poll = Poll.objects.create(question="why?")
    with stamped_at(moment):
        poll.save()
    assert history_of(poll)[1] == ("~", poll.created_at, moment)


def test_the_instance_of_a_history_row_has_the_stamps_of_its_time():
    poll = Poll.objects.create(question="why?")
    first = stamps(poll)
    poll.save()
    old = Poll.history.earliest().instance
    assert (old.created_at, old.updated_at) == first


def test_as_of_returns_the_stamps_of_that_time():
    poll = Poll.objects.create(question="why?")
    first, then = stamps(poll), Poll.history.get().history_date
    poll.save()
    old = Poll.history.as_of(then).get()
    assert (old.created_at, old.updated_at) == first


def test_saving_an_old_instance_writes_its_old_stamp_too():
    # simple-history's way to revert makes an instance with every field of the history row, so its updated_at is a
    # given one; what is given is written exactly.
    poll = Poll.objects.create(question="why?")
    first = stamps(poll)
    poll.question = "how?"
    poll.save()
    with capture_events() as events:
        Poll.history.earliest().instance.save()
    assert told(events) == [("updated", "poll", str(poll.pk))]
    assert Poll.objects.get().question == "why?"
    assert stamps(poll) == first


def test_saving_an_old_instance_without_its_stamp_stamps_now():
    poll = Poll.objects.create(question="why?")
    poll.question = "how?"
    poll.save()
    created_at, before = stamps(poll)
    old = Poll.history.earliest().instance
    old.updated_at = None
    old.save()
    assert Poll.objects.get().question == "why?"
    assert stamps(poll)[0] == created_at
    assert stamps(poll)[1] > before


def test_a_deleted_row_comes_back_with_its_created_at():
    poll = Poll.objects.create(question="why?")
    key, created_at = poll.pk, poll.created_at
    poll.delete()
    with capture_events() as events:
        Poll.history.filter(id=key).latest().instance.save()
    assert told(events) == [("created", "poll", str(key))]
    assert Poll.objects.get(pk=key).created_at == created_at


def test_a_history_without_the_stamps_is_kept_for_an_entity():
    poll = PollNoStamps.objects.create(question="why?")
    poll.save()
    assert PollNoStamps.history.count() == 2
    assert not {"created_at", "updated_at"} & {field.name for field in PollNoStamps.history.model._meta.fields}


def test_an_old_instance_of_a_history_without_stamps_has_those_of_the_row():
    poll = PollNoStamps.objects.create(question="why?")
    poll.save()
    old = PollNoStamps.history.earliest().instance
    assert (old.created_at, old.updated_at) == stamps(poll)
