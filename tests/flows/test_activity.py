"""The example's activity: a table that a reader fills from the feed, and the feed itself to follow."""

import io
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from html import unescape
from typing import Any

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection
from django.template.loader import get_template
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from codebase.models import Repository, SourceFile
from django_clean_timestamps.context import stamped_at, timestamp_context
from django_clean_timestamps.eventlog import changed_since
from django_clean_timestamps.eventlog.models import Event, LogHead
from tracker import activity_views
from tracker.activity import ACTIVITY_MODELS, follow_activity
from tracker.models import ActivityCursor, ActivityEntry, Comment, Project, Task

LONG_AGO = datetime(2020, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)

pytestmark = [pytest.mark.urls("config.urls"), pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def _as_the_example_is_set_up(settings: Any) -> None:
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django_clean_timestamps.middleware.TimestampContextMiddleware"]


@pytest.fixture
def task() -> Task:
    project = Project.objects.create(name="Website", slug="website")
    return Task.objects.create(project=project, title="Compress the images")


def text_of(client: Client, address: str, **query: str) -> str:
    response = client.get(address, query or None)
    assert response.status_code == 200, address
    return response.content.decode()


def newest(client: Client, **query: str) -> str:
    return text_of(client, reverse("tracker:activity"), **query)


def link(text: str, words: str) -> str:
    """Return where the link of these words leads."""
    found = re.search(rf'href="([^"]*)">{re.escape(words)}</a>', text)
    assert found, words
    return unescape(found[1])


def reasons_in(text: str) -> list[str]:
    """Return the reasons on a page, from top to bottom."""
    return re.findall(r"<tr>\s*<td>.*?</td>\s*<td>(.*?)</td>", text, re.DOTALL)


def positions_stored() -> list[int]:
    return list(ActivityEntry.objects.order_by("position").values_list("position", flat=True))


def positions_in_the_feed() -> list[int]:
    return [event.position or 0 for event in changed_since(models=ACTIVITY_MODELS, limit=10_000).changes]


def test_the_newest_changes_say_who_did_what_why_and_when(client: Client, task: Task, django_user_model: Any) -> None:
    client.force_login(django_user_model.objects.create_user("writer"))
    client.post(reverse("tracker:touch_task", args=[task.pk]), {"reason": "asked about it"})
    text = newest(client)
    assert reasons_in(text)[:2] == ["asked about it", "asked about it"]
    assert f'<a href="{task.get_absolute_url()}">Compress the images</a>' in text
    assert f"task {task.pk} updated" in text
    assert text.count("<td>writer</td>") == 2
    task.refresh_from_db()
    assert f'title="{task.updated_at:%Y-%m-%d %H:%M:%S.%f} UTC"' in text


def test_every_page_leads_to_the_activity(client: Client) -> None:
    assert link(text_of(client, reverse("tracker:project_list")), "Activity") == reverse("tracker:activity")


def test_an_activity_without_changes_says_so(client: Client) -> None:
    assert "None. Add a comment" in newest(client)


def test_a_change_of_long_ago_shows_when_it_was_written_too(client: Client) -> None:
    with stamped_at(LONG_AGO):
        Project.objects.create(name="Archive", slug="archive")
    assert re.search(r"2020-01-02 03:04:05\.678901 UTC.*written.*now", newest(client), re.DOTALL)


def test_what_was_deleted_is_shown_without_a_link(client: Client, task: Task) -> None:
    address = task.get_absolute_url()
    key = task.pk
    task.delete()
    text = newest(client)
    assert f"task {key} deleted" in text
    assert address not in text


def test_an_entry_whose_model_is_gone_is_shown_by_its_label(task: Task) -> None:
    follow_activity()
    entry = ActivityEntry.objects.earliest("position")
    entry.entity_type = "tracker.milestone"
    text = get_template("tracker/_recent_events.html").render({"events": [entry]})
    assert f"<span>tracker.milestone {entry.entity_id} created</span>" in text


def test_newer_changes_are_those_behind_the_cursor_in_the_address(client: Client, task: Task) -> None:
    address = link(newest(client), "Show newer")
    assert "Nothing new" in text_of(client, address)
    task.touch("first")
    task.touch("second")
    text = text_of(client, address)
    assert reasons_in(text) == ["second", "second", "first", "first"]
    assert reasons_in(text_of(client, address)) == reasons_in(text)
    assert "Nothing new" in text_of(client, link(text, "Show newer"))


def test_newer_changes_come_in_pages_that_miss_none_and_repeat_none(client: Client, task: Task) -> None:
    address = link(newest(client, model="tracker.comment"), "Show newer")
    for number in range(60):
        with timestamp_context(reason=f"comment {number}"):
            Comment.objects.create(task=task, body="AVIF is smaller.")
    seen: list[str] = []
    for _ in range(10):
        text = text_of(client, address)
        seen += reversed(reasons_in(text))
        if "There is more to come" not in text:
            break
        address = link(text, "Show newer")
    assert seen == [f"comment {number}" for number in range(60)]


def test_without_a_cursor_the_feed_is_read_from_its_beginning(client: Client, task: Task) -> None:
    text = text_of(client, reverse("tracker:newer_activity"))
    assert "From the beginning" in text
    assert f"task {task.pk} created" in text


@pytest.mark.parametrize("view", ["activity", "newer_activity"])
def test_a_filter_leaves_other_models_out(client: Client, task: Task, view: str) -> None:
    Comment.objects.create(task=task, body="AVIF is smaller.")
    address = reverse(f"tracker:{view}")
    text = text_of(client, address, model="tracker.comment")
    assert re.search(r"comment \d+ created", text)
    assert "task " not in "".join(re.findall(r"<td>.*?</td>", text, re.DOTALL))
    assert "model=tracker.comment" in link(text, "Show newer")
    assert "model=tracker.task" in link(text, "Tasks")
    assert "task " in "".join(re.findall(r"<td>.*?</td>", text_of(client, address, model="nonsense"), re.DOTALL))


def test_another_filter_keeps_the_cursor(client: Client, task: Task) -> None:
    text = text_of(client, link(newest(client), "Show newer"))
    task.touch("reviewed")
    filtered = text_of(client, reverse("tracker:newer_activity") + link(text, "Tasks"))
    assert reasons_in(filtered) == ["reviewed"]


def test_older_changes_come_in_pages(client: Client, task: Task) -> None:
    for number in range(40):
        task.touch(f"touch {number}")
    text, seen = newest(client, model="tracker.task"), []
    while True:
        seen += reasons_in(text)
        if ">Older</a>" not in text:
            break
        text = text_of(client, link(text, "Older"))
    assert seen == [*(f"touch {number}" for number in reversed(range(40))), "entity_created"]


@pytest.mark.parametrize("before", ["nonsense", "-1", "²", "9" * 40])
def test_a_position_that_is_none_shows_the_newest(client: Client, task: Task, before: str) -> None:
    assert f"task {task.pk} created" in newest(client, before=before)


def test_a_forged_cursor_leads_to_the_newest(client: Client, task: Task) -> None:
    response = client.get(reverse("tracker:newer_activity"), {"cursor": "forged"}, follow=True)
    assert response.redirect_chain == [(reverse("tracker:activity"), 302)]
    assert "not one that this site gave out" in response.content.decode()


def test_a_cursor_behind_which_the_log_was_pruned_leads_to_the_newest(client: Client, task: Task) -> None:
    cursor = changed_since(limit=1).cursor
    task.touch("reviewed")
    changed_since()
    Event.objects.exclude(reason="reviewed").delete()
    response = client.get(reverse("tracker:newer_activity"), {"cursor": cursor}, follow=True)
    assert response.redirect_chain == [(reverse("tracker:activity"), 302)]
    assert "deleted from the log" in response.content.decode()


def test_a_page_needs_as_many_queries_for_many_changes_as_for_one(client: Client) -> None:
    repository = Repository.objects.create(name="celery", slug="celery")
    SourceFile.objects.create(repository=repository, path="setup.py")
    newest(client)

    def count() -> int:
        with CaptureQueriesContext(connection) as queries:
            text = newest(client, model="codebase.sourcefile")
        assert text.count(repository.get_absolute_url()) == SourceFile.objects.count()
        return len(queries)

    for_one = count()
    for number in range(15):
        SourceFile.objects.create(repository=repository, path=f"file {number}")
    newest(client)
    assert count() == for_one


def test_a_page_that_is_far_behind_catches_up_by_parts(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activity_views, "PAGES_FOLLOWED", 1)
    Project.objects.bulk_create(Project(name=f"Project {number}", slug=f"p{number}") for number in range(501))
    assert "still catching up" in newest(client)
    assert len(positions_stored()) == 500
    assert "still catching up" not in newest(client)
    assert positions_stored() == positions_in_the_feed()


def test_following_twice_stores_each_change_once(task: Task) -> None:
    assert follow_activity().entry_count == len(positions_in_the_feed())
    assert follow_activity().entry_count == 0
    task.touch("reviewed")
    assert follow_activity(limit=1).page_count == 2
    assert positions_stored() == positions_in_the_feed()


def test_changes_of_other_models_are_passed_over(task: Task) -> None:
    from tests.testapp.models import Note

    Note.objects.create()
    follow_activity()
    assert ActivityCursor.objects.get().cursor == changed_since().cursor
    assert set(ActivityEntry.objects.values_list("entity_type", flat=True)) == {"tracker.project", "tracker.task"}


def test_two_that_have_read_the_same_page_store_it_once(task: Task) -> None:
    nested: list[Any] = []

    def another_follows(execute: Any, sql: str, *arguments: Any) -> Any:
        if not nested and "tracker_activitycursor" in sql and sql.startswith("UPDATE"):
            nested.append(None)
            # The first has read its page; its transaction stands before its first write.
            assert follow_activity().entry_count == len(positions_in_the_feed())
        return execute(sql, *arguments)

    with connection.execute_wrapper(another_follows):
        assert follow_activity().entry_count == 0
    assert nested
    assert positions_stored() == positions_in_the_feed()


@pytest.mark.postgres
@pytest.mark.mariadb
def test_many_that_follow_at_once_beside_a_writer_store_each_change_once(task: Task) -> None:
    def write() -> None:
        for number in range(60):
            task.touch(f"touch {number}")
        connection.close()

    def follow() -> int:
        stored = sum(follow_activity(limit=7).entry_count for _ in range(20))
        connection.close()
        return stored

    with ThreadPoolExecutor() as threads:
        writing = threads.submit(write)
        following = [threads.submit(follow) for _ in range(4)]
        writing.result()
        stored = sum(each.result() for each in following)
    stored += follow_activity().entry_count
    assert positions_stored() == positions_in_the_feed()
    # Two creations, the touch of the project by its task, and each touch with that of the project.
    assert stored == len(positions_stored()) == 3 + 60 * 2


def test_a_page_that_cannot_be_stored_leaves_the_cursor_where_it_was(task: Task) -> None:
    position = positions_in_the_feed()[-1]
    in_the_way = ActivityEntry.objects.create(position=position, occurred_at=LONG_AGO, recorded_at=LONG_AGO)
    with pytest.raises(IntegrityError):
        follow_activity()
    assert positions_stored() == [position]
    in_the_way.delete()
    follow_activity()
    assert positions_stored() == positions_in_the_feed()


def test_entries_stay_where_the_log_was_pruned_and_new_ones_follow(task: Task) -> None:
    follow_activity()
    kept = positions_stored()
    task.touch("not seen in time")
    task.touch("seen")
    changed_since()
    Event.objects.exclude(reason="seen").delete()
    follow_activity()
    assert positions_stored() == [*kept, *positions_in_the_feed()]
    assert ActivityEntry.objects.first().reason == "seen"  # type: ignore[union-attr]


def test_a_log_that_begins_anew_is_read_from_its_beginning(task: Task) -> None:
    for number in range(10):
        task.touch(f"touch {number}")
    follow_activity()
    Event.objects.all().delete()
    LogHead.objects.all().delete()
    LogHead.objects.create(position=0)
    task.touch("of another log")
    follow_activity()
    assert positions_stored() == positions_in_the_feed()
    assert {entry.reason for entry in ActivityEntry.objects.all()} == {"of another log"}


def test_another_secret_key_makes_the_entries_anew(task: Task, settings: Any) -> None:
    follow_activity()
    before = positions_stored()
    settings.SECRET_KEY = "another"
    assert follow_activity().entry_count == len(before)
    assert positions_stored() == before


def test_the_command_follows_to_the_end(task: Task) -> None:
    output = io.StringIO()
    call_command("follow_activity", stdout=output)
    count = len(positions_in_the_feed())
    assert output.getvalue() == f"Followed: {count} changes in 1 pages of the feed.\n"
    assert len(positions_stored()) == count
