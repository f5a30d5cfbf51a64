"""Every Celery app sweeps by its schedule, whenever it is made, unless the project sees to it."""

import importlib.util

import pytest
from celery import Celery, _state
from celery.beat import ScheduleEntry
from celery.schedules import schedule as every
from django.apps import apps

from django_clean_timestamps.tasks import schedule
from tests.brokers import celery_app

SWEEP = "clean_timestamps.sweep"
ENTRY = {"task": SWEEP, "schedule": 5, "options": {"expires": 60.0, "ignore_result": True}}
OTHER = {"task": "shop.clean", "schedule": 60}


@pytest.fixture
def app():
    with celery_app() as app:
        yield app


def test_an_app_without_a_schedule_gets_one(app):
    assert not app.configured
    app.finalize()
    assert app.conf.beat_schedule == {SWEEP: ENTRY}


def test_an_app_that_is_configured_before_it_is_finalized_gets_the_entry(app):
    assert app.conf.timezone is None
    assert app.configured
    app.finalize()
    assert app.conf.beat_schedule == {SWEEP: ENTRY}


def test_the_entry_joins_those_of_the_project(app):
    theirs = {"theirs": OTHER}
    app.conf.beat_schedule = theirs
    app.finalize()
    assert app.conf.beat_schedule == {"theirs": OTHER, SWEEP: ENTRY}
    # The project may go on filling its own.
    theirs["later"] = OTHER
    assert "later" in app.conf.beat_schedule


def test_a_schedule_in_the_projects_settings_is_joined(app, settings):
    settings.CELERY_BEAT_SCHEDULE = {"theirs": OTHER}
    app.config_from_object("django.conf:settings", namespace="CELERY")
    app.finalize()
    assert app.conf.beat_schedule == {"theirs": OTHER, SWEEP: ENTRY}


def test_a_schedule_that_is_set_after_the_configuration_was_read_is_joined(app):
    assert app.conf.task_always_eager is False
    app.conf.beat_schedule = {"theirs": OTHER}
    app.finalize()
    assert app.conf.beat_schedule == {"theirs": OTHER, SWEEP: ENTRY}


def test_no_schedule_at_all_is_made_one(app):
    app.conf.beat_schedule = None
    app.finalize()
    assert app.conf.beat_schedule == {SWEEP: ENTRY}


def test_an_app_that_reads_its_configuration_again_keeps_the_entry(app):
    app.finalize()
    app.config_from_object({"beat_schedule": {"theirs": OTHER}})
    assert app.conf.beat_schedule == {"theirs": OTHER, SWEEP: ENTRY}


def test_periodic_tasks_of_the_project_stay(app):
    @app.task(name="tests.theirs", shared=False)
    def theirs():
        pass

    @app.on_after_finalize.connect
    def add(sender, **options):
        sender.add_periodic_task(10, theirs.s(), name="theirs")

    app.finalize()
    assert set(app.conf.beat_schedule) == {"theirs", SWEEP}


@pytest.mark.parametrize(
    "theirs",
    [
        {SWEEP: OTHER},
        {"mine": {"task": SWEEP, "schedule": 1}},
        {"mine": ScheduleEntry(name="mine", task=SWEEP, schedule=every(1), app=Celery(set_as_current=False))},
    ],
    ids=["the same key", "the same task", "an object"],
)
def test_an_entry_of_the_projects_own_is_left_alone(theirs, app):
    app.conf.beat_schedule = dict(theirs)
    app.finalize()
    assert app.conf.beat_schedule == theirs


def test_no_configuration_is_read_too_early(app):
    read = []
    app.on_configure.connect(lambda **options: read.append(1), weak=False)
    schedule._follow(app)
    assert read == []
    assert not app.configured


def test_apps_do_not_share_their_schedules(app):
    with celery_app() as other:
        app.finalize()
        other.finalize()
        app.conf.beat_schedule["mine"] = OTHER
        assert other.conf.beat_schedule == {SWEEP: ENTRY}


@pytest.fixture
def unknown(monkeypatch):
    """Let Celery not know of us yet, as before this app is ready."""
    finalizers = {each for each in _state._on_app_finalizers if each is not schedule._follow}
    monkeypatch.setattr(_state, "_on_app_finalizers", finalizers)


def test_apps_that_were_made_before_are_found(unknown, app):
    app.finalize()
    assert app.conf.beat_schedule == {}
    with celery_app() as other:
        schedule.connect()
        assert app.conf.beat_schedule == {SWEEP: ENTRY}
        assert not other.configured
        other.finalize()
        assert other.conf.beat_schedule == {SWEEP: ENTRY}


def test_an_app_that_was_configured_only_is_found_when_it_is_finalized(unknown, app):
    assert app.conf.beat_schedule == {}
    schedule.connect()
    assert app.conf.beat_schedule == {}
    app.finalize()
    assert app.conf.beat_schedule == {SWEEP: ENTRY}


@pytest.mark.parametrize(("seconds", "expires"), [(0.5, 60), (30, 60), (600, 600)])
def test_it_comes_as_often_as_the_setting_says_and_is_good_until_the_next(seconds, expires, app, settings):
    settings.CLEAN_TIMESTAMPS = {"SWEEP_SECONDS": seconds}
    app.finalize()
    entry = app.conf.beat_schedule[SWEEP]
    assert (entry["schedule"], entry["options"]["expires"]) == (seconds, expires)


def test_it_goes_to_the_queue_of_the_setting(app, settings):
    settings.CLEAN_TIMESTAMPS = {"QUEUE": "timestamps"}
    app.finalize()
    assert app.conf.beat_schedule[SWEEP]["options"]["queue"] == "timestamps"


@pytest.fixture
def database_scheduler(monkeypatch):
    is_installed = apps.is_installed
    monkeypatch.setattr(apps, "is_installed", lambda name: name == "django_celery_beat" or is_installed(name))


@pytest.mark.parametrize(
    ("seconds", "whole", "expires"), [(0.2, 1, 60), (5, 5, 60), (1.5, 2, 60), (90.5, 91, 91), (600, 600, 600)]
)
def test_a_scheduler_in_the_database_gets_whole_seconds(seconds, whole, expires, app, settings, database_scheduler):
    settings.CLEAN_TIMESTAMPS = {"SWEEP_SECONDS": seconds}
    app.finalize()
    entry = app.conf.beat_schedule[SWEEP]
    assert (entry["schedule"], entry["options"]["expire_seconds"]) == (whole, expires)


@pytest.mark.skipif(
    importlib.util.find_spec("django_celery_beat") is None,
    reason="django-celery-beat is not installed: it has no release for this Django yet",
)
def test_django_celery_beat_goes_by_the_name_that_is_looked_for():
    from django_celery_beat.apps import BeatConfig

    assert BeatConfig.name == "django_celery_beat"
