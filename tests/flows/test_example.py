"""The example project as a visitor, a writer and an administrator meet it."""

import io
import os
import re
import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from codebase.models import Repository, SourceFile
from django_clean_timestamps.context import stamped_at
from django_clean_timestamps.eventlog import changed_since
from tracker.models import Comment, Project, Task
from tracker.recent_events import recent_events
from tracker.seeding import seed

EXAMPLE = Path(__file__).resolve().parents[2] / "example_project"
LONG_AGO = datetime(2020, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)

pytestmark = [pytest.mark.urls("config.urls"), pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def _as_the_example_is_set_up(settings: Any) -> None:
    settings.MIDDLEWARE = [
        "config.middleware.ContentSecurityPolicyMiddleware",
        *settings.MIDDLEWARE,
        "django_clean_timestamps.middleware.TimestampContextMiddleware",
    ]


@pytest.fixture
def task() -> Task:
    with stamped_at(LONG_AGO):
        project = Project.objects.create(name="Website", slug="website")
        return Task.objects.create(project=project, title="Compress the images")


@pytest.fixture
def writer(client: Client, django_user_model: Any) -> Client:
    client.force_login(django_user_model.objects.create_user("writer"))
    return client


@pytest.fixture
def source_file() -> SourceFile:
    with stamped_at(LONG_AGO):
        repository = Repository.objects.create(name="celery", slug="celery")
        return SourceFile.objects.create(repository=repository, path="docs/a name #1?.txt")


def text_of(client: Client, address: str) -> str:
    response = client.get(address)
    assert response.status_code == 200, address
    return response.content.decode()


def test_a_project_shows_its_tasks_with_age_and_exact_time(client: Client, task: Task) -> None:
    text = text_of(client, task.project.get_absolute_url())
    assert task.title in text
    assert 'title="2020-01-02 03:04:05.678901 UTC"' in text
    assert re.search(r"\d+\syears?, \d+\smonths? ago|\d+\syears? ago", text)


def test_the_status_filter_leaves_other_tasks_out(client: Client, task: Task) -> None:
    address = task.project.get_absolute_url()

    def listed(status: str) -> str:
        return text_of(client, f"{address}?status={status}").partition('id="recent-events"')[0]

    assert task.title in listed("open")
    assert task.title not in listed("done")
    assert task.title in listed("nonsense")


def test_a_visitor_sees_no_forms_to_write_with(client: Client, task: Task) -> None:
    for address in (task.get_absolute_url(), task.project.get_absolute_url()):
        assert 'method="post"' not in text_of(client, address)


@pytest.mark.parametrize("action", ["add_comment", "change_status", "touch_task"])
def test_a_visitor_who_writes_is_sent_to_the_login(client: Client, task: Task, action: str) -> None:
    response = client.post(reverse(f"tracker:{action}", args=[task.pk]), {"reason": "because"})
    assert response.headers["Location"].startswith(reverse("tracker:login"))
    task.refresh_from_db()
    assert task.updated_at == LONG_AGO


def test_touching_a_task_touches_its_project_for_the_reason(writer: Client, task: Task) -> None:
    response = writer.post(reverse("tracker:touch_task", args=[task.pk]), {"reason": "asked about it"}, follow=True)
    task.refresh_from_db()
    project = Project.objects.get()
    assert task.updated_at > LONG_AGO
    assert project.updated_at >= task.updated_at
    assert task.created_at == project.created_at == LONG_AGO
    text = response.content.decode()
    assert f"task {task.pk} updated" in text
    assert f"project {project.pk} updated" in text
    assert text.count("<td>asked about it</td>") == 2
    assert text.count("<td>writer</td>") == 2


def test_a_touch_without_a_reason_is_refused(writer: Client, task: Task) -> None:
    address = reverse("tracker:touch_task", args=[task.pk])
    for reason in ("", "x" * 201):
        assert writer.post(address, {"reason": reason}).status_code == 422
    task.refresh_from_db()
    assert task.updated_at == LONG_AGO


def test_a_comment_touches_its_task_and_project(writer: Client, task: Task) -> None:
    writer.post(reverse("tracker:add_comment", args=[task.pk]), {"body": "AVIF is smaller."})
    comment = Comment.objects.get()
    task.refresh_from_db()
    assert comment.author is not None
    assert task.updated_at >= comment.updated_at
    assert Project.objects.get().updated_at >= comment.updated_at


def test_an_empty_comment_is_refused(writer: Client, task: Task) -> None:
    assert writer.post(reverse("tracker:add_comment", args=[task.pk])).status_code == 422
    assert not Comment.objects.exists()


def test_a_status_is_changed_with_the_change_as_reason(writer: Client, task: Task) -> None:
    address = reverse("tracker:change_status", args=[task.pk])
    response = writer.post(address, {"status": "done"}, follow=True)
    task.refresh_from_db()
    assert (task.status, task.updated_at > LONG_AGO) == ("done", True)
    assert "status open to done" in response.content.decode()
    assert writer.post(address, {"status": "nonsense"}).status_code == 422


def test_a_task_is_added_to_its_project(writer: Client, task: Task) -> None:
    address = reverse("tracker:add_task", args=["website"])
    response = writer.post(address, {"title": "Shorten the texts"}, follow=True)
    added = Task.objects.get(title="Shorten the texts")
    assert response.redirect_chain == [(added.get_absolute_url(), 302)]
    assert added.project_id == task.project_id
    assert Project.objects.get().updated_at >= added.created_at
    assert writer.post(address, {"title": ""}).status_code == 422


def test_a_repository_shows_the_most_recently_changed_files_first(client: Client, source_file: SourceFile) -> None:
    with stamped_at(LONG_AGO + timedelta(days=1)):
        SourceFile.objects.create(repository=source_file.repository, path="setup.py")
    address = source_file.repository.get_absolute_url()
    text = text_of(client, address)
    assert text.index("setup.py") < text.index("docs/a name #1?.txt")
    assert "setup.py" not in text_of(client, f"{address}?q=NAME")
    assert "No file" in text_of(client, f"{address}?q=nowhere%00")


def test_a_repositorys_files_come_in_pages(client: Client, source_file: SourceFile) -> None:
    for number in range(30):
        SourceFile.objects.create(repository=source_file.repository, path=f"file {number:02}")
    address = source_file.repository.get_absolute_url()
    assert "Page 1 of 2" in text_of(client, address)
    assert source_file.path in text_of(client, f"{address}?page=2")
    assert "q=file&amp;page=2" in text_of(client, f"{address}?q=file")


def test_a_file_has_a_page_under_its_path(client: Client, source_file: SourceFile) -> None:
    assert source_file.path in text_of(client, source_file.get_absolute_url())
    missing = reverse("codebase:file", args=["celery", "nowhere"])
    assert client.get(missing).status_code == 404


@pytest.mark.usefixtures("source_file")
@pytest.mark.parametrize("model", [Project, Task, Comment, Repository, SourceFile])
def test_the_admins_pages_open(admin_client: Client, task: Task, model: type[Any]) -> None:
    Comment.objects.create(task=task, body="AVIF is smaller.")
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
    entity = model.objects.earliest("pk")
    text_of(admin_client, reverse(f"{name}_changelist"))
    text_of(admin_client, reverse(f"{name}_add"))
    text_of(admin_client, reverse(f"{name}_change", args=[entity.pk]))


def test_every_page_allows_nothing_from_elsewhere(client: Client, task: Task) -> None:
    for address in (task.get_absolute_url(), reverse("admin:login")):
        response = client.get(address)
        assert "default-src 'none'" in response.headers["Content-Security-Policy"]
        assert not re.search(r"<style|style=|<script>|\son\w+=|(?:src|href)=.https?://", response.content.decode())


def test_two_seedings_at_the_same_moment_make_the_same_rows() -> None:
    def rows() -> list[tuple[Any, ...]]:
        return [
            *Project.objects.values_list("name", "created_at", "updated_at"),
            *Task.objects.values_list("title", "status", "author__username", "updated_at"),
            *Comment.objects.values_list("body", "author__username", "created_at"),
        ]

    now = datetime(2024, 5, 6, tzinfo=UTC)
    made = seed(now)
    first = rows()
    assert made == {"users": 4, "projects": 3, "tasks": 7, "comments": 6}
    assert set(seed(now).values()) == {0}
    assert rows() == first
    Project.objects.all().delete()
    seed(now)
    assert rows() == first
    assert max(Project.objects.values_list("updated_at", flat=True)) < now


def test_a_seeded_project_is_as_young_as_its_youngest_comment() -> None:
    call_command("seed", stdout=io.StringIO())
    for project in Project.objects.all():
        stamps = [*project.tasks.values_list("updated_at", flat=True)]
        stamps += Comment.objects.filter(task__project=project).values_list("updated_at", flat=True)
        assert project.updated_at == max(stamps)


def test_recent_events_are_the_newest_of_those_with_a_position_and_those_without(task: Task) -> None:
    for reason in ("first", "second"):
        task.touch(reason)
    changed_since()
    task.touch("third")
    assert [row.reason for row in recent_events(task, limit=3)] == ["third", "second", "first"]


def test_recent_events_are_of_the_entities_asked_for_alone(task: Task) -> None:
    other = Task.objects.create(project=task.project, title="Another")
    other.touch("of the other")
    changed_since()
    assert {(row.entity_type, row.entity_id) for row in recent_events(task, limit=100)} == {
        ("tracker.task", str(task.pk))
    }
    assert recent_events() == []


def test_recent_events_need_two_queries(task: Task) -> None:
    with CaptureQueriesContext(connection) as queries:
        recent_events(task, task.project)
    assert len(queries) == 2


def test_an_event_that_gets_its_position_between_the_two_reads_is_shown_once(task: Task) -> None:
    task.touch("on the move")
    statements: list[str] = []

    def look_on(execute: Any, sql: str, *arguments: Any) -> Any:
        statements.append(sql)
        if len(statements) == 2:
            changed_since()
        return execute(sql, *arguments)

    with connection.execute_wrapper(look_on):
        reasons = [row.reason for row in recent_events(task)]
    assert len(statements) > 2
    assert reasons.count("on the move") == 1


def name_for_the_demo() -> str:
    """Return what the demo's database is called here; others may check the demo on the same server."""
    return f"{settings.DATABASES['default']['NAME']}_demo"


def check_of_the_demo(folder: Path, program: str = "") -> subprocess.CompletedProcess[str]:
    """Run the demo's check of the first commits in a process and a database of its own, on the vendor under test."""
    search_path = os.pathsep.join([str(EXAMPLE.parent), os.environ.get("PYTHONPATH", "")])
    name = name_for_the_demo()
    environment = os.environ | {
        "EXAMPLE_DATA_DIR": str(folder),
        "EXAMPLE_DATABASE": {"mysql": "mariadb"}.get(connection.vendor, connection.vendor),
        "POSTGRES_DATABASE": name,
        "MARIADB_DATABASE": name,
        "PYTHONPATH": search_path,
    }
    environment.pop("DJANGO_SETTINGS_MODULE", None)
    start = ["-c", program] if program else ["manage.py"]
    return subprocess.run(
        [sys.executable, *start, "demo", "--check", "--limit", "520"],
        cwd=EXAMPLE,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def databases_of_the_check(folder: Path) -> list[str]:
    """Return what a check has left: databases on a server, files elsewhere."""
    if connection.vendor == "sqlite":
        return [path.name for path in folder.iterdir()]
    names = {
        "postgresql": "SELECT datname FROM pg_database",
        "mysql": "SELECT schema_name FROM information_schema.schemata",
    }
    with connection.cursor() as cursor:
        cursor.execute(names[connection.vendor])
        return [name for (name,) in cursor.fetchall() if name == f"{name_for_the_demo()}_check"]


def test_the_demos_check_passes_and_leaves_nothing_behind(tmp_path: Path) -> None:
    completed = check_of_the_demo(tmp_path)
    assert completed.returncode == 0, completed.stderr
    assert "1 checkpoints agree with git" in completed.stdout
    assert re.search(r"The feed: [\d,]{5,} events in \d+ pages in [\d.]+ s: [\d,]+ events a second", completed.stdout)
    assert "Rebuilt from the feed alone" in completed.stdout
    assert completed.stdout.rstrip().endswith("The demo works.")
    assert databases_of_the_check(tmp_path) == []


WITH_AN_EVENT_LOST = """
import dataclasses, os, sys
from django.core.management import execute_from_command_line
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
import django
django.setup()
from demo import verification
whole = verification.read_feed
def read_feed():
    reading = whole()
    return dataclasses.replace(reading, events=(*reading.events[:700], *reading.events[701:]))
verification.read_feed = read_feed
execute_from_command_line(["manage.py", *sys.argv[1:]])
"""


def test_the_demos_check_fails_where_the_feed_has_lost_an_event(tmp_path: Path) -> None:
    completed = check_of_the_demo(tmp_path, WITH_AN_EVENT_LOST)
    assert completed.returncode == 1
    assert "the feed's event number 701 has position 702" in completed.stderr
    assert "The demo works." not in completed.stdout
    assert databases_of_the_check(tmp_path) == []


WITH_A_FAULT_IN_THE_SYSTEM = """
import os, sys
from django.core import checks
from django.core.management import execute_from_command_line
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
checks.register(lambda **_: [checks.Error("the system has a fault", id="demo.E001")], "demo")
execute_from_command_line(["manage.py", *sys.argv[1:]])
"""


def test_the_demos_check_fails_where_the_systems_own_checks_do(tmp_path: Path) -> None:
    completed = check_of_the_demo(tmp_path, WITH_A_FAULT_IN_THE_SYSTEM)
    assert completed.returncode == 1
    assert "the system has a fault" in completed.stderr
    assert "Seeded" not in completed.stdout
    assert databases_of_the_check(tmp_path) == []


@override_settings(DEBUG=False)
def test_the_demo_refuses_to_run_without_debug() -> None:
    with pytest.raises(CommandError, match="DEBUG is off"):
        call_command("demo")


@override_settings(DEBUG=True)
def test_the_demo_refuses_an_address_that_others_reach() -> None:
    for address in ("0.0.0.0", "192.0.2.1", "example.com"):
        with pytest.raises(CommandError, match="no loopback address"):
            call_command("demo", address=address)


def test_the_demo_takes_the_next_port_where_one_is_taken() -> None:
    from demo.site import free_port

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert free_port("127.0.0.1", port) > port
