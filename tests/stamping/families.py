"""A project, a task of it and a comment on that: a row, its parent and its grandparent."""

from tests.testapp.models import Comment, Project, Task


def tree():
    project = Project.objects.create(name="p")
    task = Task.objects.create(project=project)
    return project, task, Comment.objects.create(task=task)


def stamp(entity):
    return type(entity).objects.values_list("updated_at", flat=True).get(pk=entity.pk)
