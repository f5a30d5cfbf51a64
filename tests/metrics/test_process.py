"""What a process says of itself."""

from importlib.metadata import PackageNotFoundError

import pytest

from django_clean_timestamps.metrics import process as module
from django_clean_timestamps.metrics.models import MetricWriter
from django_clean_timestamps.metrics.process import describe_process, set_kind


@pytest.fixture(autouse=True)
def _kind(monkeypatch):
    monkeypatch.setattr(module, "_kind", None)


@pytest.mark.parametrize(
    ("argv", "kind"),
    [
        (["manage.py", "migrate"], "command"),
        (["/usr/bin/django-admin", "loaddata"], "command"),
        (["./manage.py", "runserver", "8000"], "web"),
        (["/venv/bin/gunicorn", "shop.wsgi"], "web"),
        ([], "web"),
    ],
)
def test_its_kind_is_guessed_by_how_it_was_started(argv, kind, monkeypatch):
    monkeypatch.setattr(module.sys, "argv", argv)
    assert describe_process().kind == kind


def test_what_was_said_holds(monkeypatch):
    set_kind(MetricWriter.Kind.RELAY)
    assert describe_process().kind == "relay"


def test_it_knows_its_host_and_version(monkeypatch):
    facts = describe_process()
    assert facts.host
    assert facts.version[0].isdigit()

    def missing(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(module, "version", missing)
    assert describe_process().version == ""
