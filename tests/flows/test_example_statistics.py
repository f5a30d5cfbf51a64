"""The pages that show what the example's handlers have made of the events, and how far they have come."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from codebase import views
from codebase.models import Repository, SourceFile
from django_clean_timestamps.context import stamped_at, timestamp_context
from django_clean_timestamps.delivery.models import ParkedEvent, Subscription
from django_clean_timestamps.delivery.registry import only_handlers
from django_clean_timestamps.eventlog import changed_since
from django_clean_timestamps.testing import drain_all
from tracker.models import Notification, Project, Task

LONG_AGO = datetime(2020, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)

pytestmark = [pytest.mark.urls("config.urls"), pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def _no_handlers() -> Iterator[None]:
    """Let there be, instead of none, those that work in the transaction; the third is sent, and here is no broker."""
    with only_handlers("tracker.count_changes", "codebase.keep_history"):
        yield


@pytest.fixture
def task() -> Task:
    project = Project.objects.create(name="Website", slug="website")
    return Task.objects.create(project=project, title="Compress the images")


@pytest.fixture
def repository() -> Repository:
    return Repository.objects.create(name="celery", slug="celery")


def text_of(client: Client, address: str) -> str:
    """Return a page's text, with each run of blanks as one."""
    response = client.get(address)
    assert response.status_code == 200, address
    return " ".join(response.content.decode().split())


def words_of(client: Client, address: str) -> str:
    """Return a page's text without its tags."""
    return " ".join(re.sub(r"<[^>]+>", " ", text_of(client, address)).split())


def delivery(client: Client) -> str:
    return words_of(client, reverse("tracker:delivery"))


@pytest.mark.parametrize("page", ["the list", "the project"])
def test_a_project_shows_how_often_it_has_changed_and_what_the_last_change_was(
    client: Client, task: Task, page: str
) -> None:
    address = reverse("tracker:project_list") if page == "the list" else task.project.get_absolute_url()
    assert "No change was counted yet" in words_of(client, address)
    task.touch("reviewed by phone")
    drain_all()
    assert "3 changes were counted · the last for “reviewed by phone” now" in words_of(client, address)


def test_one_change_is_told_of_in_the_singular(client: Client) -> None:
    project = Project.objects.create(name="Website", slug="website")
    drain_all()
    assert "1 change was counted ·" in words_of(client, project.get_absolute_url())


def test_the_list_of_projects_needs_as_many_queries_for_many_as_for_one(client: Client, task: Task) -> None:
    def count() -> int:
        drain_all()
        with CaptureQueriesContext(connection) as queries:
            text_of(client, reverse("tracker:project_list"))
        return len(queries)

    for_one = count()
    for number in range(5):
        Project.objects.create(name=f"Project {number}", slug=f"p{number}")
    assert count() == for_one


def test_a_task_shows_who_was_told_of_what(client: Client, task: Task, django_user_model: Any) -> None:
    assert "Who was told" not in words_of(client, task.get_absolute_url())
    recipient = django_user_model.objects.create_user("maintainer")
    event = changed_since(models=[Task]).changes[0]
    Notification.objects.create(event_id=event.event_id, task=task, recipient=recipient, reason="reviewed by phone")
    assert "maintainer was told of “reviewed by phone” now" in words_of(client, task.get_absolute_url())


def test_a_repository_shows_its_changes_by_year_the_newest_first(client: Client, repository: Repository) -> None:
    address = repository.get_absolute_url()
    assert "No change was counted yet" in words_of(client, address)
    with stamped_at(LONG_AGO):
        for number in range(1_200):
            SourceFile.objects.create(repository=repository, path=f"file {number}")
        SourceFile.objects.filter(path__in=["file 1", "file 2"]).delete()
    with stamped_at(LONG_AGO + timedelta(days=366)):
        SourceFile.objects.get(path="file 0").save()
    drain_all()
    text = words_of(client, address)
    assert "Files created: 1,200 · updated: 1 · deleted: 2" in text
    rows = [row.split()[:5] for row in re.findall(r"\b20\d\d (?:[\d,]+ ){4}", text)]
    assert rows == [["2021", "0", "1", "0", "1"], ["2020", "1,200", "0", "2", "1,202"]]
    html = text_of(client, address)
    assert re.findall(r"<progress value=\"(\d+)\" max=\"(\d+)\"", html) == [("1", "1202"), ("1202", "1202")]


def test_a_repository_shows_its_newest_changes_also_of_files_that_are_gone(
    client: Client, repository: Repository
) -> None:
    file = SourceFile.objects.create(repository=repository, path="setup.py")
    other = SourceFile.objects.create(repository=repository, path="README")
    with timestamp_context(reason="commit 7"):
        other.delete()
    key = SourceFile.objects.latest("pk").pk + 1
    drain_all()
    text = text_of(client, repository.get_absolute_url()).partition('id="changes"')[2]
    assert re.search(rf"file {key} deleted</span></td> <td>commit 7</td>", text)
    assert f'<a href="{file.get_absolute_url()}">setup.py</a>' in text


def test_a_file_shows_its_own_history_and_says_where_that_is_cut(
    client: Client, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = SourceFile.objects.create(repository=repository, path="setup.py")
    SourceFile.objects.create(repository=repository, path="README")
    assert "None yet: a worker delivers them." in words_of(client, file.get_absolute_url())
    for number in (1, 2):
        file.touch(f"touch {number}")
    drain_all()
    text = text_of(client, file.get_absolute_url())
    assert re.findall(r"<td>(touch \d|entity_created)</td>", text) == ["touch 2", "touch 1", "entity_created"]
    assert "3 changes in the history" in text
    assert "The newest" not in text
    monkeypatch.setattr(views, "HISTORY_SHOWN", 2)
    text = text_of(client, file.get_absolute_url())
    assert re.findall(r"<td>(touch \d|entity_created)</td>", text) == ["touch 2", "touch 1"]
    assert "The newest 2:" in text


def test_a_page_of_a_repository_needs_as_many_queries_for_many_changes_as_for_few(
    client: Client, repository: Repository
) -> None:
    def count() -> int:
        drain_all()
        with CaptureQueriesContext(connection) as queries:
            text_of(client, repository.get_absolute_url())
        return len(queries)

    SourceFile.objects.create(repository=repository, path="setup.py")
    for_one = count()
    for year in range(5):
        with stamped_at(LONG_AGO + timedelta(days=366 * year)):
            SourceFile.objects.create(repository=repository, path=f"file {year}")
    assert count() == for_one


def test_every_page_leads_to_the_delivery(client: Client) -> None:
    text = text_of(client, reverse("tracker:project_list"))
    assert f'<a href="{reverse("tracker:delivery")}">Delivery</a>' in text


def test_a_handler_that_no_worker_has_found_is_named(client: Client, task: Task) -> None:
    text = delivery(client)
    assert "There is something to deliver." in text
    assert "tracker.count_changes No worker has found it yet." in text
    assert "Without a position yet 3" in text


def test_handlers_that_have_heard_all_say_so(client: Client, task: Task) -> None:
    drain_all()
    text = delivery(client)
    assert "Everything is delivered." in text
    assert "tracker.count_changes 3 of 3 0 none active" in text
    assert "Last position 3 Without a position yet 0" in text


def test_a_handler_that_is_behind_shows_how_far_it_is(client: Client, task: Task) -> None:
    drain_all()
    Subscription.objects.filter(handler="tracker.count_changes").update(cursor=1)
    text = delivery(client)
    assert "There is something to deliver." in text
    assert "tracker.count_changes 1 of 3 2 none active" in text
    assert "codebase.keep_history 3 of 3 0 none active" in text
    assert '<progress value="1" max="3"' in text_of(client, reverse("tracker:delivery"))


def test_an_event_without_a_position_is_something_to_deliver(client: Client, task: Task) -> None:
    drain_all()
    task.touch("reviewed")
    assert "There is something to deliver." in delivery(client)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"state": "paused"}, "paused"),
        ({"state": "backing_off", "problem": "the mail server is down"}, "backing off the mail server is down"),
        ({"handler": "tracker.gone"}, "gone from the code"),
    ],
)
def test_a_handler_that_stands_says_why(client: Client, task: Task, change: dict[str, str], word: str) -> None:
    drain_all()
    Subscription.objects.filter(handler="tracker.count_changes").update(**change)
    assert f"3 of 3 0 none {word}" in delivery(client)


def test_events_that_failed_are_counted(client: Client, task: Task) -> None:
    drain_all()
    event = changed_since().changes[0]
    ParkedEvent.objects.create(
        handler="tracker.count_changes",
        log_alias="default",
        slot=7,
        position=1,
        entity_key="tracker.project:1",
        event=event.to_dict(),
        state=ParkedEvent.State.DEAD,
        attempts=10,
        available_at=event.occurred_at,
        last_error="ValueError: no",
    )
    assert "tracker.count_changes 3 of 3 0 0 to retry, 0 behind those, 1 dead active" in delivery(client)


def test_the_delivery_changes_nothing_and_is_not_cached(client: Client, task: Task) -> None:
    response = client.get(reverse("tracker:delivery"))
    assert "no-store" in response.headers["Cache-Control"]
    assert not Subscription.objects.exists()
    assert client.post(reverse("tracker:delivery")).status_code == 405
