"""The example's settings by environment, and that docker-compose.yml says what they and the commands understand."""

import logging
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from celery.bin.base import CLIContext
from celery.bin.celery import celery
from django.contrib.staticfiles.management.commands.runserver import Command as RunServer

from config.brokers import broker_settings
from config.databases import database_settings

EXAMPLE = Path(__file__).resolve().parents[2] / "example_project"
COMPOSE = (EXAMPLE / "docker-compose.yml").read_text()


def block(name: str, text: str = COMPOSE.partition("\nservices:")[2]) -> str:
    """Return the lines below a key, by default a service's, without their indentation."""
    found = re.search(rf"^( *){re.escape(name)}:.*\n((?:\1 .*\n|\n)+)", text, re.MULTILINE)
    assert found, name
    return re.sub(rf"^{found[1]}  ", "", found[2], flags=re.MULTILINE)


def environment() -> dict[str, str]:
    """Return what docker-compose.yml gives to each process of the example."""
    lines = re.search(r"^environment:\n((?:  .*\n)+)", block("x-example", COMPOSE), re.MULTILINE)
    assert lines
    return dict(line.strip().split(": ", 1) for line in lines[1].splitlines())


def command(service: str) -> list[str]:
    """Return the words of a service's command that is written in brackets."""
    found = re.search(r"^command: \[(.*)\]$", block(service), re.MULTILINE)
    assert found, service
    return re.findall(r'"([^"]*)"', found[1])


def test_without_a_name_the_broker_is_a_folder_beside_the_database(tmp_path: Path) -> None:
    url, options = broker_settings({}, data_folder=tmp_path)
    assert (url, options) == (f"atomicfs://localhost{tmp_path}/broker", {})
    assert broker_settings({"CELERY_BROKER_URL": ""}, data_folder=tmp_path) == (url, options)


def test_redis_is_taken_as_it_is_named_and_rabbitmq_asked_to_confirm(tmp_path: Path) -> None:
    for url, options in (
        ("redis://redis:6379/0", {}),
        ("rediss://redis:6379/0", {}),
        ("amqp://guest:guest@rabbitmq:5672//", {"confirm_publish": True}),
        ("amqps://rabbitmq//", {"confirm_publish": True}),
    ):
        assert broker_settings({"CELERY_BROKER_URL": url}, data_folder=tmp_path) == (url, options)


def test_a_broker_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="begins with 'sqs'; it must be redis, amqp, or empty"):
        broker_settings({"CELERY_BROKER_URL": "sqs://"}, data_folder=tmp_path)


def settings_in(environment: dict[str, str]) -> str:
    program = (
        "import config, config.settings as settings;"
        "print(settings.CELERY_BROKER_URL, settings.DATABASES['default']['ENGINE'], settings.DATA_DIR,"
        " config.celery_app.conf.broker_url, config.celery_app.conf.beat_schedule_filename)"
    )
    inherited = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    search_path = os.pathsep.join([str(EXAMPLE.parent), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=EXAMPLE,
        env=inherited | {"PYTHONPATH": search_path} | environment,
        check=True,
        capture_output=True,
        text=True,
    ).stdout


def test_the_celery_app_has_the_settings_of_the_environment(tmp_path: Path) -> None:
    url = "redis://redis:6379/0"
    told = {"CELERY_BROKER_URL": url, "EXAMPLE_DATABASE": "postgresql", "EXAMPLE_DATA_DIR": str(tmp_path)}
    engine = "django.db.backends.postgresql"
    assert settings_in(told).split() == [url, engine, str(tmp_path), url, f"{tmp_path}/celerybeat-schedule"]


def test_a_relative_data_folder_becomes_an_absolute_one(tmp_path: Path) -> None:
    # A broker of files needs one: each process may run elsewhere.
    relative = os.path.relpath(tmp_path, EXAMPLE)
    assert f"atomicfs://localhost{EXAMPLE / relative}/broker" in settings_in({"EXAMPLE_DATA_DIR": relative})


def test_the_composition_names_its_own_services(tmp_path: Path) -> None:
    told = environment()
    entry = database_settings(told, data_folder=tmp_path)
    assert (entry["ENGINE"], entry["HOST"]) == ("django.db.backends.postgresql", "postgres")
    server = block("postgres")
    assert {f"POSTGRES_USER: {entry['USER']}", f"POSTGRES_PASSWORD: {entry['PASSWORD']}"} <= {
        line.strip() for line in server.splitlines()
    }
    assert f"POSTGRES_DB: {entry['NAME']}" in server
    default = told["CELERY_BROKER_URL"].removeprefix("${CELERY_BROKER_URL:-").removesuffix("}")
    assert broker_settings({"CELERY_BROKER_URL": default}, data_folder=tmp_path) == ("redis://redis:6379/0", {})
    assert block("redis")


def test_the_composition_gives_no_name_that_the_settings_do_not_read() -> None:
    # What is left out would have its default, which is another place.
    documented = (EXAMPLE / "config" / "settings.py").read_text().partition("import os")[0]
    read = set(re.findall(r"``([A-Z_]{6,})``", documented))
    assert environment().keys() <= read
    assert {"EXAMPLE_DATABASE", "POSTGRES_HOST", "CELERY_BROKER_URL"} <= environment().keys()


def test_the_compositions_rabbitmq_lets_in_whom_its_comment_names(tmp_path: Path) -> None:
    found = re.search(r"CELERY_BROKER_URL=(amqp\S+) docker compose --profile (\w+)", COMPOSE)
    assert found
    url, options = broker_settings({"CELERY_BROKER_URL": found[1]}, data_folder=tmp_path)
    user, password, host = re.fullmatch(r"amqp://(\w+):(\w+)@(\w+)//", url).groups()  # type: ignore[union-attr]
    server = block(host)
    assert f"RABBITMQ_DEFAULT_USER: {user}" in server
    assert f"RABBITMQ_DEFAULT_PASS: {password}" in server
    assert f'profiles: ["{found[2]}"]' in server
    assert options == {"confirm_publish": True}


@pytest.mark.parametrize("service", ["worker", "beat"])
def test_celery_understands_the_compositions_commands(service: str) -> None:
    program, *words = command(service)
    assert program == "celery"
    assert words[:2] == ["-A", "config"]
    name, *rest = words[2:]
    assert name == service
    subcommand: Any = celery.commands[name]
    app = CLIContext(app=Celery("parsed", set_as_current=False), no_color=True, workdir=None)
    assert subcommand.make_context(name, rest, obj=app).params["loglevel"] == logging.INFO


def test_django_understands_the_compositions_commands() -> None:
    python, program, name, *words = command("web")
    assert (python, program, name) == ("python", "manage.py", "runserver")
    options = RunServer().create_parser(program, name).parse_args(words)
    assert options.addrport == "0.0.0.0:8000"
    assert not options.use_reloader


def test_the_site_is_served_to_this_machine_alone() -> None:
    assert re.findall(r'- "([\d.:]+)"', block("ports")) == ["127.0.0.1:8000:8000"]


def test_every_image_is_named_with_its_major_version() -> None:
    images = re.findall(r"^    image: (\S+)$", COMPOSE, re.MULTILINE)
    assert {re.sub(r":\d+$", ":N", image) for image in images} == {"postgres:N", "redis:N", "rabbitmq:N"}


def test_what_the_image_is_built_from_is_there() -> None:
    context = EXAMPLE / re.search(r"context: (\S+)", COMPOSE)[1]  # type: ignore[index]
    dockerfile = context / re.search(r"dockerfile: (\S+)", COMPOSE)[1]  # type: ignore[index]
    copied = [
        source
        for line in re.findall(r"^COPY (.*) \S+$", dockerfile.read_text(), re.MULTILINE)
        for source in line.split()
    ]
    assert "example_project" in copied
    assert [source for source in copied if not (context / source).exists()] == []
    kept = set((dockerfile.parent / "Dockerfile.dockerignore").read_text().splitlines())
    assert {f"!{source}" for source in copied} <= kept
