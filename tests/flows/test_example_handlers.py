"""The example's handlers: what they keep and count, also where events come twice or their rows are gone."""

import dataclasses
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from codebase.models import FileChange, Repository, RepositoryStatistics, SourceFile
from django_clean_timestamps.context import stamped_at, timestamp_context
from django_clean_timestamps.delivery.models import ParkedEvent
from django_clean_timestamps.delivery.operations import replay
from django_clean_timestamps.delivery.places import Place
from django_clean_timestamps.delivery.registry import get_handlers, only_handlers
from django_clean_timestamps.eventlog import changed_since
from django_clean_timestamps.testing import drain_all
from tracker.models import Comment, Notification, Project, ProjectStatistics, Task
from tracker.timestamp_handlers import notify_assignee

LONG_AGO = datetime(2020, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)

# As they were found when the apps were loaded.
EXAMPLES = {
    name: handler.send for name, handler in get_handlers().items() if name.startswith(("tracker.", "codebase."))
}

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _no_handlers() -> Iterator[None]:
    """Let there be, instead of none, those that work in the transaction; the third is sent, and here is no broker."""
    with only_handlers("tracker.count_changes", "codebase.keep_history"):
        yield


@pytest.fixture(autouse=True)
def _nothing_fails(transactional_db: None) -> Iterator[None]:
    yield
    assert not ParkedEvent.objects.exists()


@pytest.fixture
def task(django_user_model: Any) -> Task:
    project = Project.objects.create(name="Website", slug="website")
    assignee = django_user_model.objects.create_user("assignee")
    return Task.objects.create(project=project, title="Compress the images", assignee=assignee)


@pytest.fixture
def repository() -> Repository:
    return Repository.objects.create(name="celery", slug="celery")


def hear_again(name: str) -> None:
    """Let a handler hear everything again, as ``timestamps_replay`` does."""
    replay(name, Place(using="default", log_alias="default"))
    drain_all()


def counted(project: Project) -> tuple[int, str, str]:
    statistics = ProjectStatistics.objects.get(project=project)
    return statistics.change_count, statistics.last_reason, statistics.last_actor


def years() -> list[tuple[int, int, int, int]]:
    return list(RepositoryStatistics.objects.values_list("year", "created_count", "updated_count", "deleted_count"))


def kept() -> list[tuple[str, str]]:
    return list(FileChange.objects.order_by("position").values_list("event_type", "reason"))


def test_everything_in_a_project_counts_as_its_change(task: Task) -> None:
    with timestamp_context(reason="comment added", actor="somebody"):
        comment = Comment.objects.create(task=task, body="AVIF is smaller.")
    drain_all()
    # The project, its task, and the comment on that.
    assert counted(task.project) == (3, "comment added", "somebody")
    with timestamp_context(reason="withdrawn"):
        comment.delete()
    drain_all()
    assert counted(task.project) == (4, "withdrawn", "")


def test_the_last_change_is_dated_when_it_occurred(task: Task) -> None:
    task.touch("of old", at=task.updated_at + timedelta(seconds=1))
    drain_all()
    task.project.refresh_from_db()
    assert ProjectStatistics.objects.get().last_changed_at == task.project.updated_at


def test_each_project_is_counted_by_itself(task: Task) -> None:
    other = Project.objects.create(name="Billing", slug="billing")
    drain_all()
    assert (counted(task.project)[0], counted(other)[0]) == (2, 1)


def test_changes_that_are_heard_again_are_not_counted_again(task: Task) -> None:
    drain_all()
    task.touch("reviewed")
    drain_all()
    before = counted(task.project)
    hear_again("tracker.count_changes")
    assert counted(task.project) == before
    ProjectStatistics.objects.all().delete()
    hear_again("tracker.count_changes")
    assert counted(task.project) == before


def test_what_was_written_before_the_first_worker_ran_is_counted(task: Task) -> None:
    # They have their positions, and so lie before the head.
    changed_since()
    drain_all()
    assert counted(task.project)[0] == 2


def test_statistics_go_with_their_project_and_do_not_come_back(task: Task) -> None:
    drain_all()
    task.project.delete()
    assert not ProjectStatistics.objects.exists()
    drain_all()
    hear_again("tracker.count_changes")
    assert not ProjectStatistics.objects.exists()


def test_changes_of_files_are_counted_by_kind_and_year(repository: Repository) -> None:
    with stamped_at(LONG_AGO):
        file = SourceFile.objects.create(repository=repository, path="setup.py")
        SourceFile.objects.create(repository=repository, path="README")
    with stamped_at(LONG_AGO + timedelta(days=300)):
        file.save()
    with stamped_at(LONG_AGO + timedelta(days=400)):
        file.delete()
    drain_all()
    assert years() == [(2020, 2, 1, 0), (2021, 0, 0, 1)]
    latest = RepositoryStatistics.objects.values_list("last_changed_at", flat=True)
    assert list(latest) == [LONG_AGO + timedelta(days=300), LONG_AGO + timedelta(days=400)]


def test_counts_of_one_year_add_up_over_drains(repository: Repository) -> None:
    with stamped_at(LONG_AGO):
        file = SourceFile.objects.create(repository=repository, path="setup.py")
    for day in (3, 2):
        with stamped_at(LONG_AGO + timedelta(days=day)):
            SourceFile.objects.create(repository=repository, path=f"file {day}")
        drain_all()
    file.touch("once more", at=LONG_AGO + timedelta(days=1))
    drain_all()
    assert years() == [(2020, 3, 1, 0)]
    # The last to be heard is not the latest: times of an import need not ascend.
    assert RepositoryStatistics.objects.get().last_changed_at == LONG_AGO + timedelta(days=3)


def test_a_change_is_kept_as_its_event_tells_of_it(repository: Repository) -> None:
    with stamped_at(LONG_AGO), timestamp_context(reason="commit 1", actor="author 1"):
        file = SourceFile.objects.create(repository=repository, path="setup.py")
    drain_all()
    (event,) = changed_since(models=[SourceFile]).changes
    change = FileChange.objects.get()
    assert {name: getattr(change, name) for name in FileChange.COPIED} == {
        name: getattr(event, name) for name in FileChange.COPIED
    }
    assert (change.repository, change.entity_type) == (repository, event.entity_type)
    assert (change.entity_id, change.occurred_at, change.reason) == (str(file.pk), LONG_AGO, "commit 1")


def test_changes_of_files_that_are_heard_again_are_kept_once(repository: Repository) -> None:
    file = SourceFile.objects.create(repository=repository, path="setup.py")
    drain_all()
    file.touch("reviewed")
    drain_all()
    before = kept(), years()
    hear_again("codebase.keep_history")
    assert (kept(), years()) == before


def test_a_file_that_was_gone_before_its_first_event_was_heard_is_counted(repository: Repository) -> None:
    SourceFile.objects.create(repository=repository, path="setup.py").delete()
    drain_all()
    assert [row[1:] for row in years()] == [(1, 0, 1)]


def test_a_deletion_names_the_repository_of_a_file_that_nothing_else_tells_of(repository: Repository) -> None:
    SourceFile.objects.bulk_create([SourceFile(repository=repository, path="setup.py", path_digest="1")])
    SourceFile.objects.get().delete()
    drain_all()
    assert [row[1:] for row in years()] == [(1, 0, 1)]


def test_a_write_that_names_no_repository_is_counted_for_that_of_the_row(repository: Repository) -> None:
    SourceFile.objects.bulk_create([SourceFile(repository=repository, path="setup.py", path_digest="1")])
    SourceFile.objects.update(change_count=2)
    drain_all()
    assert [row[1:] for row in years()] == [(1, 1, 0)]


@pytest.mark.parametrize("is_heard_between", [True, False])
def test_a_deletion_that_names_no_repository_is_counted_for_that_of_the_files_history(
    repository: Repository, is_heard_between: bool
) -> None:
    SourceFile.objects.create(repository=repository, path="setup.py")
    if is_heard_between:
        drain_all()
    SourceFile.objects.all().delete()
    drain_all()
    assert [row[1:] for row in years()] == [(1, 0, 1)]


@pytest.mark.parametrize("is_heard_between", [True, False])
def test_nothing_is_kept_of_a_repository_that_is_gone(repository: Repository, is_heard_between: bool) -> None:
    SourceFile.objects.create(repository=repository, path="setup.py")
    if is_heard_between:
        drain_all()
        assert kept()
    repository.delete()
    drain_all()
    hear_again("codebase.keep_history")
    assert (kept(), years()) == ([], [])


def test_many_changes_cost_as_many_statements_as_few(repository: Repository) -> None:
    def statements(count: int) -> int:
        for number in range(count):
            SourceFile.objects.create(repository=repository, path=f"{count} files, {number}")
        changed_since()
        with CaptureQueriesContext(connection) as queries:
            drain_all("default")
        return len(queries)

    statements(1)
    assert statements(60) == statements(2)


def test_the_assignee_is_told_of_what_another_has_done(task: Task) -> None:
    task.touch("reviewed by phone")
    event = changed_since(models=[Task]).changes[-1]
    notify_assignee(event)
    notify_assignee(event)
    notification = Notification.objects.get()
    assert (notification.event_id, notification.task, notification.recipient, notification.reason) == (
        event.event_id,
        task,
        task.assignee,
        "reviewed by phone",
    )


def test_nobody_is_told_of_what_is_no_news(task: Task) -> None:
    with timestamp_context(actor=task.assignee_id):
        task.touch("by the assignee")
    task.touch("by another")
    by_assignee, by_another = changed_since(models=[Task]).changes[-2:]
    assert by_another.recorded_at is not None
    notify_assignee(by_assignee)
    notify_assignee(dataclasses.replace(by_another, replayed=True))
    notify_assignee(dataclasses.replace(by_another, recorded_at=by_another.recorded_at + timedelta(hours=2)))
    assert not Notification.objects.exists()
    notify_assignee(by_another)
    assert Notification.objects.exists()


def test_nobody_is_told_of_a_task_without_an_assignee_or_of_one_that_is_gone(task: Task) -> None:
    task.touch("reviewed by phone")
    event = changed_since(models=[Task]).changes[-1]
    Task.objects.update(assignee=None)
    notify_assignee(event)
    assert not Notification.objects.exists()
    task.delete()
    notify_assignee(event)
    assert not Notification.objects.exists()


def test_a_notification_is_not_dated_anew_when_it_comes_twice(task: Task) -> None:
    task.touch("reviewed by phone")
    event = changed_since(models=[Task]).changes[-1]
    notify_assignee(event)
    Notification.objects.update(sent_at=LONG_AGO, reason="as it was")
    notify_assignee(event)
    assert list(Notification.objects.values_list("sent_at", "reason")) == [(LONG_AGO, "as it was")]


def test_what_works_in_the_transaction_is_called_and_what_does_not_is_sent() -> None:
    assert EXAMPLES == {
        "tracker.count_changes": False,
        "tracker.notify_assignee": True,
        "codebase.keep_history": False,
    }
