"""
Bulk writes, and the transactions that change what they select while they wait.

Each scenario makes rows, has a competing transaction move some into what is selected and some out of it, write others,
delete some and insert new ones, and lets the bulk write go on after its COMMIT.
"""

from collections.abc import Callable
from typing import NamedTuple

from django.db import connections

from tests.testapp.models import Attachment, Box, Item, Note, Part, Project, Sticker, Tag, Task

OPEN, CLOSED, DONE = "open", "closed", "done"
NEW_ROWS = "SET_NULL beside new rows"
"""Whose competitor refers to the row that is to be deleted: PostgreSQL finds that out at COMMIT."""


class Scenario(NamedTuple):
    """
    One bulk write beside its competitor; each function is given an alias.

    Attributes:
        models: Whose events are checked.
        make: Makes the rows.
        compete: What the competing transaction does.
        write: The bulk write that waits for it.
    """

    models: tuple[type, ...]
    make: Callable[[str], object]
    compete: Callable[[str], object]
    write: Callable[[str], object]


def keys_of(model, using, **conditions):
    return list(model.objects.using(using).filter(**conditions).order_by("pk").values_list("pk", flat=True))


# Notes, by what is written in them.


def make_notes(using):
    Note.objects.using(using).bulk_create([Note(title=OPEN) for _ in range(12)])
    Note.objects.using(using).bulk_create([Note(title=CLOSED) for _ in range(4)])


def change_notes(using):
    notes = Note.objects.using(using)
    opened, closed = keys_of(Note, using, title=OPEN), keys_of(Note, using, title=CLOSED)
    notes.filter(pk__in=opened[:2]).update(title=CLOSED)
    notes.filter(pk__in=opened[2:4]).touch()
    note = notes.get(pk=opened[4])
    note.amount = 7
    note.save()
    notes.filter(pk__in=opened[5:7]).delete()
    notes.get(pk=opened[7]).delete()
    notes.filter(pk__in=closed[:2]).update(title=OPEN)
    notes.bulk_create([Note(title=OPEN), Note(title=CLOSED)])


def update_notes(using):
    Note.objects.using(using).filter(title=OPEN).update(title=DONE)


def touch_notes(using):
    Note.objects.using(using).filter(title=OPEN).touch()


def delete_notes(using):
    Note.objects.using(using).filter(title=OPEN).delete()


def bulk_update_notes(using):
    notes = [Note(pk=key, title=DONE) for key in keys_of(Note, using)]
    Note.objects.using(using).bulk_update(notes, ["title"])


# Tags, by their names.


def make_tags(using):
    Tag.objects.using(using).bulk_create([Tag(name=name) for name in "abcdef"])


def change_tags(using):
    tags = Tag.objects.using(using)
    tags.filter(name="a").touch()
    tags.filter(name="b").delete()
    tags.filter(name="c").update(name="z")
    tags.bulk_create([Tag(name="g"), Tag(name="h")])


def upsert_tags(using):
    has_target = connections[using].features.supports_update_conflicts_with_target
    Tag.objects.using(using).bulk_create(
        [Tag(name=name) for name in "abcdghi"],
        update_conflicts=True,
        update_fields=["name"],
        unique_fields=["name"] if has_target else None,
    )


def ignore_tags(using):
    Tag.objects.using(using).bulk_create([Tag(name=name) for name in "abcdghi"], ignore_conflicts=True)


# Attachments and tasks of projects.


def make_attachments(using):
    first, second = Project.objects.using(using).bulk_create([Project(name="first"), Project(name="second")])
    Attachment.objects.using(using).bulk_create(
        [Attachment(project=first) for _ in range(6)] + [Attachment(project=second) for _ in range(2)]
    )


def change_attachments(using):
    first, second = Project.objects.using(using).order_by("pk")
    attachments = Attachment.objects.using(using)
    keys = keys_of(Attachment, using, project=first)
    attachments.filter(pk=keys[0]).update(project=second)
    attachments.filter(pk=keys[1]).touch()
    attachments.filter(pk=keys[2]).delete()
    attachments.bulk_create([Attachment(project=second)])


def attach_new(using):
    Attachment.objects.using(using).bulk_create([Attachment(project=Project.objects.using(using).get(name="first"))])
    change_attachments(using)


def make_tasks(using):
    first, second = Project.objects.using(using).bulk_create([Project(name="first"), Project(name="second")])
    Task.objects.using(using).bulk_create([Task(project=first) for _ in range(6)] + [Task(project=second)])


def change_tasks(using):
    first, second = Project.objects.using(using).order_by("pk")
    tasks, keys = Task.objects.using(using), keys_of(Task, using, project=first)
    first.touch()
    tasks.filter(pk=keys[0]).update(project=second)
    tasks.filter(pk=keys[1]).touch()
    tasks.filter(pk=keys[2]).delete()
    tasks.filter(project=second).update(project=first)
    tasks.bulk_create([Task(project=first)])


def delete_first_project(using):
    Project.objects.using(using).filter(name="first").delete()


# Rows that cascade from what is no entity, fast and slowly.


def make_items(using):
    first, second = Box.objects.using(using).create(name="first"), Box.objects.using(using).create(name="second")
    items = Item.objects.using(using).bulk_create([Item(box=first) for _ in range(5)] + [Item(box=second)])
    Part.objects.using(using).bulk_create([Part(item=item) for item in items for _ in range(2)])
    Sticker.objects.using(using).bulk_create([Sticker(box=first) for _ in range(5)] + [Sticker(box=second)])


def change_items(using):
    first, second = Box.objects.using(using).order_by("pk")
    items, parts, stickers = (model.objects.using(using) for model in (Item, Part, Sticker))
    keys, stuck = keys_of(Item, using, box=first), keys_of(Sticker, using, box=first)
    items.filter(pk=keys[0]).touch()
    items.filter(pk=keys[1]).delete()
    parts.filter(item=keys[2]).touch()
    parts.filter(pk=keys_of(Part, using, item=keys[3])[0]).delete()
    stickers.filter(pk=stuck[0]).touch()
    stickers.filter(pk=stuck[1]).delete()
    stickers.filter(pk=stuck[2]).update(box=second)


def delete_first_box(using):
    Box.objects.using(using).filter(name="first").delete()


# Parents that a transaction touches at its end.


def make_parents(using, count):
    projects = Project.objects.using(using).bulk_create([Project() for _ in range(count)])
    Task.objects.using(using).bulk_create([Task(project=project) for project in projects])


def change_parents(using):
    projects, keys = Project.objects.using(using), keys_of(Project, using)
    projects.filter(pk__in=keys[:2]).touch()
    projects.filter(pk=keys[2]).update(name="x")
    projects.filter(pk=keys[3]).delete()
    Task.objects.using(using).filter(project=keys[4]).update(title="x")


def write_tasks(using):
    Task.objects.using(using).filter(title="").update(title="y")


def scenarios():
    """Return the scenarios by name."""
    notes = {"update": update_notes, "touch": touch_notes, "delete": delete_notes, "bulk_update": bulk_update_notes}
    found = {name: Scenario((Note,), make_notes, change_notes, write) for name, write in notes.items()}
    found |= {
        name: Scenario((Tag,), make_tags, change_tags, write)
        for name, write in {"upsert": upsert_tags, "ignore_conflicts": ignore_tags}.items()
    }
    found["SET_NULL"] = Scenario((Project, Attachment), make_attachments, change_attachments, delete_first_project)
    found[NEW_ROWS] = Scenario((Project, Attachment), make_attachments, attach_new, delete_first_project)
    found["cascade"] = Scenario((Project, Task), make_tasks, change_tasks, delete_first_project)
    found["cascade from elsewhere"] = Scenario((Item, Part, Sticker), make_items, change_items, delete_first_box)
    for name, count in {"a few touched parents": 6, "many touched parents": 60}.items():
        found[name] = Scenario(
            (Project, Task), lambda using, count=count: make_parents(using, count), change_parents, write_tasks
        )
    return found
