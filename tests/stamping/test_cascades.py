"""Rows of a cascade that others delete between the collector's reading and its deleting."""

import pickle

import pytest
from django.db import connection
from django.db.models.deletion import Collector

from django_clean_timestamps.stamping.cascades import FETCHED
from django_clean_timestamps.testing import capture_events
from tests.testapp.models import Box, Item, Project, Task

pytestmark = pytest.mark.django_db


def test_a_row_of_a_cascade_that_went_before_is_not_told_again():
    box = Box.objects.create()
    items = [Item.objects.create(box=box) for _ in range(2)]
    keys = [str(item.pk) for item in items]
    collector = Collector(using="default")
    collector.collect([box])
    with capture_events() as events:
        Item.objects.get(pk=keys[0]).delete()
        collector.delete()
    assert [event.entity_id for event in events] == keys


@pytest.mark.parametrize("count", [2, 30])
def test_rows_of_a_cascade_are_locked_together(queries, count):
    box = Box.objects.create()
    Item.objects.bulk_create([Item(box=box) for _ in range(count)])
    with queries() as statements:
        box.delete()
    table = connection.ops.quote_name(Item._meta.db_table)
    # The collector's read, and ours.
    assert len([text for text in statements.starting("SELECT") if f"FROM {table}" in text]) == 2


def test_a_row_that_was_prefetched_is_deleted_without_a_look_at_the_others(queries):
    projects = [Project.objects.create() for _ in range(3)]
    tasks = [Task.objects.create(project=project) for project in projects]
    loaded = list(Task.objects.filter(pk__in=[task.pk for task in tasks]).prefetch_related("project").order_by("pk"))
    with capture_events() as events, queries() as statements:
        loaded[0].project.delete()
    told = {event.entity_id for event in events if event.entity_type == "testapp.project"}
    assert told == {str(projects[0].pk)}
    assert not any(", ".join(str(project.pk) for project in projects) in text for text in statements.texts)


def test_what_was_read_together_is_not_pickled():
    box = Box.objects.create()
    Item.objects.create(box=box)
    (item,) = Item._base_manager.filter(box=box)
    assert FETCHED in item.__dict__
    assert FETCHED not in pickle.loads(pickle.dumps(item)).__dict__
