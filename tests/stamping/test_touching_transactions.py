"""Parents are touched before COMMIT: what was suspended at the write, the last write's context, and what is taken back."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import transaction
from django.test import TestCase

from django_clean_timestamps.context import (
    no_touching,
    preserve_timestamps,
    stamped_at,
    timestamp_context,
    without_events,
)
from django_clean_timestamps.signals import timestamp_created
from django_clean_timestamps.testing import capture_events
from tests.stamping.families import stamp, tree
from tests.stamping.rows import TICK
from tests.testapp.models import Comment, Project, Task, Ticket

pytestmark = pytest.mark.django_db


# Suspension counts when the child is written.


@pytest.mark.parametrize(
    "suspended",
    [no_touching(), no_touching(Project), preserve_timestamps(), preserve_timestamps(Project)],
    ids=range(4),
)
def test_what_was_suspended_at_the_write_counts_not_at_commit(clock, audience, suspended):
    project, _, _ = tree()
    before = stamp(project)
    clock.tick()
    with audience.listening(), transaction.atomic():
        with suspended:
            Comment.objects.update(text="x")
    assert stamp(project) == before
    with audience.listening():
        block = transaction.atomic()
        block.__enter__()
        Comment.objects.update(text="y")
        with suspended:
            block.__exit__(None, None, None)
    assert stamp(project) == clock.now


def test_a_suspended_grandparent_is_left_out_alone(clock):
    project, task, comment = tree()
    before = stamp(project)
    now = clock.tick()
    with no_touching(Project):
        comment.touch()
    assert (stamp(project), stamp(task)) == (before, now)


def test_without_events_at_the_write_touches_in_silence(clock, audience):
    project, task, _ = tree()
    now = clock.tick()
    with audience.listening() as heard, transaction.atomic():
        with without_events(Project, Task):
            Comment.objects.update(text="x")
    assert (stamp(task), stamp(project)) == (now, now)
    assert len(heard) == heard.is_told


# The context of the last write.


def test_the_parents_event_carries_the_context_of_the_last_write(clock):
    project, _, comment = tree()
    with capture_events() as events, transaction.atomic():
        with timestamp_context(reason="first", actor="1", n=1):
            comment.touch()
        with timestamp_context(reason="last", actor="2", correlation_id="c", n=2):
            Comment.objects.update(text="x")
    event = events[-1] if events[-1].entity_type == "testapp.project" else events[-2]
    assert (event.entity_id, event.reason, event.actor, event.correlation_id) == (str(project.pk), "last", "2", "c")
    assert event.metadata == {"n": 2}


def test_a_passed_reason_reaches_the_parent(clock):
    _, _, comment = tree()
    with capture_events() as events:
        comment.touch("reviewed")
    assert {event.reason for event in events} == {"reviewed"}


def test_a_given_moment_reaches_the_parents_but_never_puts_them_back(clock, audience):
    project, task, comment = tree()
    early, late = datetime(2025, 1, 1, tzinfo=UTC), clock.now + timedelta(seconds=30)
    before = stamp(project), stamp(task)
    with audience.listening() as heard, stamped_at(early):
        Comment.objects.bulk_create([Comment(task=task)])
    assert (stamp(project), stamp(task)) == before
    assert not [event for event in heard if event.entity_type == "testapp.project" and event.occurred_at != before[0]]
    with audience.listening() as heard, stamped_at(late):
        Comment.objects.filter(pk=comment.pk).update(text="x")
    assert (stamp(project), stamp(task)) == (late, late)
    heard.agree_with([Project.objects.get(), Task.objects.get()])


def test_parents_of_different_moments_go_in_one_transaction(clock, audience):
    first, second = tree(), tree()
    late = clock.now + timedelta(seconds=30)
    now = clock.tick(10)
    with audience.listening(), transaction.atomic():
        with stamped_at(late):
            Comment.objects.filter(pk=first[2].pk).update(text="x")
        Comment.objects.filter(pk=second[2].pk).update(text="x")
    assert (stamp(first[0]), stamp(second[0])) == (late, now)


# Transactions.


def test_what_a_savepoint_takes_back_touches_nobody(clock):
    project, _, comment = tree()
    before = stamp(project)
    clock.tick()
    with transaction.atomic():
        with pytest.raises(RuntimeError), transaction.atomic():
            comment.touch()
            raise RuntimeError
        with transaction.atomic():
            pass
    assert stamp(project) == before


def test_what_a_transaction_takes_back_touches_nobody(clock):
    project, _, comment = tree()
    before = stamp(project)
    with capture_events() as events, pytest.raises(RuntimeError), transaction.atomic():
        comment.touch()
        raise RuntimeError
    assert stamp(project) == before
    assert events == []


def test_the_parent_is_touched_before_commit_not_before(clock):
    project, _, comment = tree()
    before = stamp(project)
    clock.tick()
    with transaction.atomic():
        comment.touch()
        assert stamp(project) == before
    assert stamp(project) == clock.now


@pytest.mark.django_db(transaction=True)
def test_a_real_transaction_touches_before_commit(clock, audience):
    project, task, _ = tree()
    now = clock.tick()
    with audience.listening() as heard:
        Comment.objects.update(text="x")
    assert (stamp(project), stamp(task)) == (now, now)
    assert len(heard) == 3 * heard.is_told
    clock.tick()
    with audience.listening() as heard, transaction.atomic():
        Comment.objects.update(text="y")
        assert stamp(project) == now
    assert stamp(project) == clock.now
    assert len(heard) == 3 * heard.is_told


@pytest.mark.django_db(transaction=True)
def test_a_receiver_that_writes_while_parents_are_touched_touches_too(clock):
    project, task, _ = tree()
    other = Project.objects.create()

    def answer(event, **_):
        if event.entity_type == "testapp.comment":
            Task.objects.create(project=other)

    timestamp_created.connect(answer, sender=Comment)
    now = clock.tick()
    try:
        Comment.objects.create(task=task)
    finally:
        timestamp_created.disconnect(answer, sender=Comment)
    assert (stamp(project), stamp(other)) == (now, now)


class InATestCase(TestCase):
    """The test's own block never commits; the outermost other one stands for it."""

    def test_a_lone_write_touches_at_once(self):
        project, _, comment = tree()
        before = stamp(project)
        comment.touch()
        self.assertGreater(stamp(project), before)
        before = stamp(project)
        Comment.objects.update(text="x")
        self.assertGreater(stamp(project), before)

    def test_a_block_without_a_savepoint_touches_with_each_write(self):
        # Its end is not told to anybody.
        project, _, comment = tree()
        before = stamp(project)
        with transaction.atomic(savepoint=False):
            comment.touch()
            assert stamp(project) > before

    def test_a_related_manager_touches_at_once(self):
        project, task, _ = tree()
        before = stamp(project)
        project.tasks.set([task, Task.objects.create()])
        assert stamp(project) > before

    def test_the_outermost_block_touches_at_its_end(self):
        project, _, comment = tree()
        before = stamp(project)
        with transaction.atomic():
            with transaction.atomic():
                comment.touch()
            self.assertEqual(stamp(project), before)
        self.assertGreater(stamp(project), before)


def test_a_ticket_touches_beside_its_other_relations(clock):
    project = Project.objects.create()
    ticket = Ticket.objects.create(project=project)
    now = clock.tick()
    Project.objects.filter(pk=project.pk).update(name="x")
    clock.tick()
    with transaction.atomic():
        ticket.touch()
        Project.objects.all().delete()
    ticket.refresh_from_db()
    assert (ticket.project_id, ticket.updated_at) == (None, clock.now + TICK)
    assert now < ticket.updated_at
