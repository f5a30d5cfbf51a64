import pytest
from django.apps.registry import Apps
from django.db import connections, models, transaction
from django.test.utils import isolate_apps

from django_clean_timestamps.context.frame import EMPTY_FRAME
from django_clean_timestamps.stamping.description import describe
from django_clean_timestamps.stamping.entity import BaseTimestampEntity
from django_clean_timestamps.stamping.touching import comes_round, enlist_parents, links_of
from django_clean_timestamps.testing import capture_events
from tests.stamping.audience import named
from tests.stamping.families import stamp, tree
from tests.stamping.rows import TICK
from tests.testapp.models import Category, City, Comment, Country, Project, Tag, Tagging, Task

pytestmark = pytest.mark.django_db


# By every way of writing.


def test_every_way_of_writing_touches_the_parent_and_its_parent(clock):
    project, task, comment = tree()
    other = Comment.objects.create(task=task)
    writes = {
        "save": comment.save,
        "save of a part": lambda: comment.save(update_fields=["text"]),
        "touch": comment.touch,
        "touch of rows": Comment.objects.all().touch,
        "update": lambda: Comment.objects.update(text="x"),
        "bulk_update": lambda: Comment.objects.bulk_update([comment], ["text"]),
        "create": lambda: Comment.objects.create(task=task),
        "bulk_create": lambda: Comment.objects.bulk_create([Comment(task=task), Comment(task=task)]),
        "ignoring": lambda: Comment.objects.bulk_create([Comment(task=task)], ignore_conflicts=True),
        "update_or_create": lambda: Comment.objects.update_or_create(pk=comment.pk, defaults={"text": "z"}),
        "related add": lambda: task.comments.add(Comment.objects.create(), bulk=True),
        "related create": lambda: task.comments.create(text="a"),
        "related set": lambda: task.comments.set([comment, other]),
        "delete of rows": lambda: Comment.objects.filter(pk=other.pk).delete(),
        "delete": comment.delete,
    }
    for name, write in writes.items():
        now = clock.tick()
        with capture_events() as events, transaction.atomic():
            write()
        assert (stamp(task), stamp(project)) == (now, now), name
        names = [named(event) for event in events]
        if name != "delete":
            assert names[-2:] == [f"updated project {project.pk}", f"updated task {task.pk}"], name
        assert names.count(f"updated project {project.pk}") == 1, name


@pytest.mark.parametrize("write", ["update", "bulk_create", "bulk_update", "touch", "delete"])
def test_set_based_writes_build_no_event_for_parents_when_nobody_listens(clock, audience, write):
    project, task, comment = tree()
    now = clock.tick()
    with audience.listening() as heard:
        {
            "update": lambda: Comment.objects.update(text="x"),
            "bulk_create": lambda: Comment.objects.bulk_create([Comment(task=task)]),
            "bulk_update": lambda: Comment.objects.bulk_update([comment], ["text"]),
            "touch": Comment.objects.touch,
            "delete": lambda: Comment.objects.all().delete(),
        }[write]()
    assert (stamp(task), stamp(project)) == (now, now)
    if heard.is_told:
        assert heard.names[-2:] == [f"updated project {project.pk}", f"updated task {task.pk}"]
        assert len(heard) == 3


def test_a_touch_strictly_increases_the_parents_stamp_when_the_clock_goes_back(clock, audience):
    project, _task, _ = tree()
    clock.tick(-60)
    before = stamp(project)
    with audience.listening() as heard:
        Comment.objects.update(text="x")
    assert stamp(project) == before + TICK
    heard.agree_with([Project.objects.get(), Task.objects.get()])


def test_a_touched_parent_is_recorded_with_its_old_stamp(clock):
    project, _, comment = tree()
    old, now = stamp(project), clock.tick()
    with capture_events() as events:
        comment.touch()
    event = next(event for event in events if event.entity_type == "testapp.project")
    assert (event.old_timestamp, event.new_timestamp) == (old, now)


# Which parents.


def test_the_old_and_the_new_parent_are_touched(clock):
    first, second = Project.objects.create(), Project.objects.create()
    task = Task.objects.create(project=first)
    for write in (
        lambda parent: (setattr(task, "project", parent), task.save()),
        lambda parent: (setattr(task, "project", parent), task.save(update_fields=["project"])),
        lambda parent: Task.objects.update(project=parent),
        lambda parent: Task.objects.update(project_id=parent.pk),
        lambda parent: parent.tasks.add(Task.objects.get()),
        lambda parent: parent.tasks.set([Task.objects.get()]),
    ):
        for parent in (second, first):
            now = clock.tick()
            with transaction.atomic():
                write(parent)
            assert Task.objects.get().project == parent
            assert (stamp(first), stamp(second)) == (now, now)
            task.refresh_from_db()


def test_an_old_parent_that_was_deferred_is_touched(clock):
    first, second = Project.objects.create(), Project.objects.create()
    Task.objects.create(project=first)
    task = Task.objects.only("title").get()
    task.project = second
    now = clock.tick()
    task.save()
    assert (stamp(first), stamp(second)) == (now, now)


def test_taking_the_parent_away_touches_the_old_one(clock, audience):
    project = Project.objects.create()
    task = Task.objects.create(project=project)
    now = clock.tick()
    with audience.listening():
        Task.objects.update(project=None)
    assert stamp(project) == now
    project.tasks.add(task)
    now = clock.tick()
    project.tasks.remove(task)
    assert stamp(project) == now
    project.tasks.add(task)
    now = clock.tick()
    project.tasks.clear()
    assert stamp(project) == now


def test_a_row_without_a_parent_touches_nobody(clock, audience):
    project = Project.objects.create()
    task = Task.objects.create()
    clock.tick()
    with audience.listening() as heard:
        Task.objects.update(title="x")
    task.save()
    assert stamp(project) == project.created_at
    heard.are(f"updated task {task.pk}")


def test_a_parent_that_is_gone_is_no_harm(clock, audience):
    project = Project.objects.create()
    task = Task.objects.create(project=project)
    with audience.listening() as heard, transaction.atomic():
        Task.objects.update(title="x")
        Project.objects.filter(pk=project.pk).update(name="x")
        Task.objects.all().delete()
        Project.objects.all().delete()
    assert heard.names[-1:] == [f"deleted project {project.pk}"] * heard.is_told
    assert task.pk


def test_the_deletion_of_a_parent_raises_no_touch_of_it(clock):
    project, task, comment = tree()
    names = {f"deleted comment {comment.pk}", f"deleted task {task.pk}", f"deleted project {project.pk}"}
    with capture_events() as events, transaction.atomic():
        project.delete()
    assert {named(event) for event in events} == names


def test_a_foreign_key_to_another_field_finds_its_parent(clock, audience):
    country, other = Country.objects.create(code="de"), Country.objects.create(code="fr")
    City.objects.create(country=country, name="a")
    now = clock.tick()
    with audience.listening() as heard:
        City.objects.update(country=other)
    assert (stamp(country), stamp(other)) == (now, now)
    assert len(heard) == 3 * heard.is_told


def test_a_through_model_between_many_and_many_is_recorded(clock, audience):
    task, tag = Task.objects.create(), Tag.objects.create(name="a")
    other = Tag.objects.create(name="b")
    with audience.listening() as heard:
        task.tags.add(tag)
        task.tags.set([other])
        task.tags.remove(other)
        task.tags.add(tag)
        task.tags.clear()
    assert not Tagging.objects.exists()
    kinds = [name.split()[0] for name in heard.names]
    assert sorted(kinds) == ["created"] * 3 * heard.is_told + ["deleted"] * 3 * heard.is_told


def test_propagate_false_touches_nobody_else(clock):
    project, task, comment = tree()
    before = stamp(project)
    clock.tick()
    with capture_events() as events:
        comment.touch(propagate=False)
    assert stamp(project) == before
    assert [named(event) for event in events] == [f"updated comment {comment.pk}"]
    assert task


# Once.


def test_many_writes_are_one_update_for_each_model(clock, queries):
    project = Project.objects.create()
    tasks = [Task.objects.create(project=project) for _ in range(3)]
    comments = [Comment.objects.create(task=task) for task in tasks]
    with queries() as statements:
        with transaction.atomic():
            for comment in comments:
                comment.touch()
                comment.touch()
    updates = [text.split()[1].strip('"`') for text in statements.starting("UPDATE")]
    assert updates == ["testapp_comment"] * 6 + ["testapp_project", "testapp_task"]


def test_many_parents_are_touched_with_one_reading(clock, audience):
    projects = Project.objects.bulk_create([Project() for _ in range(1000)])
    Task.objects.bulk_create([Task(project=project) for project in projects])
    now = clock.tick()
    with audience.listening() as heard:
        Task.objects.update(title="x")
    assert Project.objects.filter(updated_at=now).count() == 1000
    assert len(heard) == 2000 * heard.is_told


def test_the_statements_go_by_model_and_key(clock, queries, vendor):
    projects = [Project.objects.create() for _ in range(3)]
    tasks = [Task.objects.create(project=project) for project in projects]
    with queries() as statements:
        with transaction.atomic():
            for task in reversed(tasks):
                Comment.objects.create(task=task)
    last = statements.texts[-4:]
    assert [text.split()[0] for text in last] == ["SELECT", "UPDATE"] * 2
    assert ["testapp_project" in text for text in last] == [True, True, False, False]
    for text in last[::2]:
        assert "ORDER BY 1 ASC" in text or "id" in text.partition("ORDER BY")[2]
        assert text.endswith({"sqlite": "", "postgresql": "FOR NO KEY UPDATE", "mysql": "FOR UPDATE"}[vendor])
    for text, rows in zip(last[1::2], (projects, tasks), strict=True):
        assert ", ".join(str(row.pk) for row in rows) in text


# Rings.


def test_in_a_ring_the_row_that_began_is_not_written_again(clock):
    first = Category.objects.create(name="a")
    second = Category.objects.create(name="b", parent=first)
    third = Category.objects.create(name="c", parent=second)
    Category.objects.filter(pk=first.pk).update(parent=third)
    first.refresh_from_db()
    now = clock.tick()
    with capture_events() as events:
        first.touch()
    assert [named(event) for event in events] == [
        f"updated category {first.pk}",
        f"updated category {second.pk}",
        f"updated category {third.pk}",
    ]
    assert first.updated_at == stamp(first) == stamp(second) == stamp(third) == now


def test_two_rows_of_a_ring_touch_each_other(clock):
    first = Category.objects.create(name="a")
    second = Category.objects.create(name="b", parent=first)
    first.parent = second
    first.save()
    clock.tick()
    with capture_events() as events, transaction.atomic():
        first.touch()
        second.touch()
    assert sorted(named(event) for event in events) == sorted(
        [f"updated category {first.pk}", f"updated category {second.pk}"] * 2
    )
    assert stamp(first) == stamp(second) == clock.now + TICK


def test_a_row_that_is_its_own_parent_is_written_once(clock, audience):
    root = Category.objects.create(name="a")
    Category.objects.update(parent=root)
    clock.tick()
    with audience.listening() as heard:
        Category.objects.update(name="b")
    heard.are(f"updated category {root.pk}")
    assert stamp(root) == clock.now


# What cannot be touched.


def test_a_name_that_a_check_refuses_touches_nobody():
    class Careless(Project):
        touches = ("name",)

        class Meta:
            app_label = "testapp"
            proxy = True
            apps = Apps()

    assert links_of(Careless) == ()


@isolate_apps("tests.testapp")
def test_parents_that_meet_again_are_no_ring():
    class Top(BaseTimestampEntity):
        class Meta:
            app_label = "testapp"

    class Left(BaseTimestampEntity):
        top = models.ForeignKey(Top, on_delete=models.CASCADE)
        touches = ("top",)

        class Meta:
            app_label = "testapp"

    class Right(BaseTimestampEntity):
        top = models.ForeignKey(Top, on_delete=models.CASCADE)
        touches = ("top",)

        class Meta:
            app_label = "testapp"

    class Bottom(BaseTimestampEntity):
        left = models.ForeignKey(Left, on_delete=models.CASCADE)
        right = models.ForeignKey(Right, on_delete=models.CASCADE)
        touches = ("left", "right")

        class Meta:
            app_label = "testapp"

    assert not comes_round(Bottom)


def test_a_parent_that_no_key_leads_to_is_left_out():
    link = links_of(City)[0]
    with capture_events() as events, transaction.atomic():
        enlist_parents(connections["default"], City, link, ("zz",), describe(EMPTY_FRAME, "testapp.City"))
    assert events == []


def test_a_parent_that_was_set_but_not_saved_yet_is_still_to_be_touched(clock):
    old, new = Project.objects.create(), Project.objects.create()
    task = Task.objects.create(project=old)
    task.project = new
    clock.tick()
    task.save(update_fields=["title"])
    now = clock.tick()
    task.save(update_fields=["project"])
    assert (stamp(old), stamp(new)) == (now, now)
