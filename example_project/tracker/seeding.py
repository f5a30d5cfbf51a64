"""
The tracker's small, fixed set of data.

Everything is stamped at fixed distances before ``now``, so that two seedings at the same moment
make the same rows.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.db import transaction

from django_clean_timestamps.context import stamped_at, timestamp_context
from tracker.models import Comment, Project, Task

USERNAMES = ("demo", "maintainer", "reviewer", "operator")


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSeed:
    """A task to make: its title, status, age and comments."""

    title: str
    status: str
    age: timedelta
    description: str = ""
    comments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectSeed:
    """A project to make, with its tasks."""

    name: str
    slug: str
    description: str
    tasks: tuple[TaskSeed, ...]


PROJECTS = (
    ProjectSeed(
        name="Website",
        slug="website",
        description="The public site: content, speed and the way it looks on a phone.",
        tasks=(
            TaskSeed(
                title="Make the start page readable on a phone",
                status=Task.Status.DONE,
                age=timedelta(days=40),
                comments=("The menu wraps now.", "Checked at 320 pixels: nothing scrolls sideways."),
            ),
            TaskSeed(
                title="Compress the images",
                status=Task.Status.IN_PROGRESS,
                age=timedelta(days=9),
                description="The largest three make up most of the page's weight.",
                comments=("AVIF halves the photographs.",),
            ),
            TaskSeed(
                title="Write the page about accessibility",
                status=Task.Status.OPEN,
                age=timedelta(hours=30),
            ),
        ),
    ),
    ProjectSeed(
        name="Billing",
        slug="billing",
        description="Invoices, reminders and what the accounts need each month.",
        tasks=(
            TaskSeed(
                title="Round totals after adding, not before",
                status=Task.Status.REVIEW,
                age=timedelta(days=21),
                description="A sum of rounded amounts can be a cent off the rounded sum.",
                comments=("A test with ten thirds shows it.", "Fixed; waiting for review."),
            ),
            TaskSeed(
                title="Send reminders in the customer's language",
                status=Task.Status.OPEN,
                age=timedelta(days=3),
            ),
        ),
    ),
    ProjectSeed(
        name="Operations",
        slug="operations",
        description="Backups, monitoring and the night of the upgrade.",
        tasks=(
            TaskSeed(
                title="Alert when the disk is four fifths full",
                status=Task.Status.DONE,
                age=timedelta(days=70),
            ),
            TaskSeed(
                title="Restore last week's backup as a drill",
                status=Task.Status.OPEN,
                age=timedelta(minutes=55),
                comments=("The copy takes twelve minutes.",),
            ),
        ),
    ),
)


def seed(now: datetime) -> dict[str, int]:
    """
    Make what is missing of the users, projects, tasks and comments; return how many of each.

    A project that exists is left as it is, with all that is in it. One transaction a project.
    Users get no usable password.

    Args:
        now: The moment before which everything is stamped; aware.
    """
    made = {"users": 0, "projects": 0, "tasks": 0, "comments": 0}
    users = []
    for username in USERNAMES:
        user, is_new = _ensure_user(username)
        users.append(user)
        made["users"] += is_new
    for project_seed in PROJECTS:
        if not Project.objects.filter(slug=project_seed.slug).exists():
            _make_project(project_seed, users, now, made)
    return made


def _ensure_user(username: str) -> tuple[User, bool]:
    user, is_new = User.objects.get_or_create(username=username)
    if is_new:
        user.set_unusable_password()
        user.save()
    return user, is_new


@transaction.atomic
def _make_project(project_seed: ProjectSeed, users: list[User], now: datetime, made: dict[str, int]) -> None:
    oldest_age = max(task.age for task in project_seed.tasks) + timedelta(days=2)
    authors = itertools.cycle(users)
    with timestamp_context(reason="seeded", actor="seed"):
        with stamped_at(now - oldest_age):
            project = Project.objects.create(
                name=project_seed.name,
                slug=project_seed.slug,
                description=project_seed.description,
            )
        made["projects"] += 1
        for task_seed in project_seed.tasks:
            _make_task(task_seed, project, authors, now)
            made["tasks"] += 1
            made["comments"] += len(task_seed.comments)


def _make_task(task_seed: TaskSeed, project: Project, authors: Iterator[User], now: datetime) -> None:
    with stamped_at(now - task_seed.age):
        task = Task.objects.create(
            project=project,
            title=task_seed.title,
            description=task_seed.description,
            status=task_seed.status,
            author=next(authors),
            assignee=next(authors),
        )
    for number, body in enumerate(task_seed.comments, start=1):
        # Comments divide the task's age evenly, so the last one is never in the future.
        age = task_seed.age * (1 - number / (len(task_seed.comments) + 1))
        with stamped_at(now - age):
            Comment.objects.create(task=task, author=next(authors), body=body)
