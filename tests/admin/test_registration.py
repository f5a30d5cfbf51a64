"""The package's pages on the admin sites of projects of every kind, each in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest
from django.contrib import admin

from django_clean_timestamps.admin import register_pages
from django_clean_timestamps.admin.eventlog import EventLogAdmin
from django_clean_timestamps.admin.parked import ParkedEventAdmin
from django_clean_timestamps.admin.registration import register_on_default_site
from django_clean_timestamps.admin.subscriptions import SubscriptionAdmin
from django_clean_timestamps.delivery.models import ParkedEvent, Subscription
from django_clean_timestamps.eventlog.models import Event

ROOT = Path(__file__).resolve().parents[2]
APPS = ("contenttypes", "auth", "messages", "sessions")
HEAD = """
import django
from django.apps import apps
from django.conf import settings

settings.configure(
    INSTALLED_APPS=[{apps}],
    DATABASES={{"default": {{"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}}},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    SECRET_KEY="x",
)
django.setup()
"""
IS_THERE = """
from django.contrib import admin
from django_clean_timestamps.delivery.models import ParkedEvent, Subscription
from django_clean_timestamps.eventlog.models import Event
from django_clean_timestamps.metrics.models import Dashboard

assert admin.site.is_registered(Dashboard)
assert admin.site.is_registered(Event)
assert admin.site.is_registered(ParkedEvent)
assert admin.site.is_registered(Subscription)
"""
MIXIN = """
from django.contrib import admin
from django_clean_timestamps.admin import TimestampAdminMixin
"""
OWN_SITE = """
class OwnSite(admin.AdminSite):
    pass
"""


@pytest.fixture
def run(tmp_path):
    """Return a function that runs code in a project with these apps, the first of which may be the project's own."""

    def run(code, *apps, project=None, config=None):
        if project is not None:
            (tmp_path / "project").mkdir()
            (tmp_path / "project" / "__init__.py").touch()
            (tmp_path / "project" / "admin.py").write_text(dedent(project))
            (tmp_path / "project" / "site.py").write_text(
                "from django.contrib.admin.apps import AdminConfig\n"
                "class Config(AdminConfig):\n    default_site = 'project.admin.OwnSite'\n"
            )
        names = [*apps, *(f"django.contrib.{app}" for app in APPS), "tests.testapp"]
        head = HEAD.format(apps=", ".join(map(repr, names)))
        return subprocess.run(
            [sys.executable, "-c", head + dedent(code)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


def well(done):
    assert done.returncode == 0, done.stderr
    return done


OURS, DJANGOS = "django_clean_timestamps", "django.contrib.admin"
in_every_order = pytest.mark.parametrize("order", [(OURS, DJANGOS), (DJANGOS, OURS)], ids=["before", "after"])


@in_every_order
def test_it_stands_on_the_default_site_by_itself(run, order):
    well(run(IS_THERE, *order))


@in_every_order
@pytest.mark.parametrize("first", [True, False])
def test_it_stands_on_a_replaced_default_site_whose_module_uses_the_mixin(run, order, first):
    names = [name if name == OURS else "project.site.Config" for name in order]
    well(
        run(
            IS_THERE + "assert type(admin.site._wrapped).__name__ == 'OwnSite'\n",
            *(["project", *names] if first else [*names, "project"]),
            project=MIXIN + OWN_SITE,
        )
    )


@in_every_order
@pytest.mark.parametrize("first", [True, False])
def test_a_project_can_take_it_away(run, order, first):
    code = MIXIN + "from django_clean_timestamps.eventlog.models import Event\nadmin.site.unregister(Event)\n"
    gone = IS_THERE.replace("assert admin.site.is_registered(Event)", "assert not admin.site.is_registered(Event)")
    well(run(gone, *(["project", *order] if first else [*order, "project"]), project=code))


@in_every_order
def test_a_page_of_the_projects_own_stays(run, order):
    code = """
    from django.contrib import admin
    from django_clean_timestamps.admin import register_pages
    from django_clean_timestamps.eventlog.models import Event

    class OwnAdmin(admin.ModelAdmin):
        pass

    admin.site.unregister(Event)
    admin.site.register(Event, OwnAdmin)
    register_pages(admin.site)
    """
    own = IS_THERE + "assert type(admin.site.get_model_admin(Event)).__name__ == 'OwnAdmin'\n"
    well(run(own, *order, "project", project=code))


def test_without_djangos_admin_the_mixin_can_be_imported_and_nothing_is_registered(run):
    code = """
    from django.contrib import admin
    from django_clean_timestamps.admin import TimestampAdminMixin
    from django_clean_timestamps.eventlog.models import Event
    from tests.testapp.models import Note

    class NoteAdmin(TimestampAdminMixin, admin.ModelAdmin):
        pass

    site = admin.AdminSite()
    site.register(Note, NoteAdmin)
    assert not site.is_registered(Event)
    assert "django.contrib.admin.models" not in __import__("sys").modules
    """
    well(run(code, OURS))


def test_imported_while_the_models_are_loaded_it_is_registered_later(run, tmp_path):
    early = tmp_path / "early"
    early.mkdir()
    (early / "__init__.py").touch()
    (early / "models.py").write_text("from django_clean_timestamps.admin import TimestampAdminMixin\n")
    well(run(IS_THERE, "early", OURS, DJANGOS))


def test_a_default_site_that_cannot_be_imported_is_djangos_error(run):
    done = run("", OURS, "project.site.Config", project="")
    assert done.returncode == 1
    assert "OwnSite" in done.stderr


@pytest.mark.parametrize(
    ("model", "model_admin"),
    [(Event, EventLogAdmin), (ParkedEvent, ParkedEventAdmin), (Subscription, SubscriptionAdmin)],
)
def test_another_site_gets_it_when_asked_and_once(model, model_admin):
    site = admin.AdminSite(name="another")
    assert not site.is_registered(model)
    register_pages(site)
    there = site.get_model_admin(model)
    register_pages(site)
    assert site.get_model_admin(model) is there
    assert isinstance(there, model_admin)


def test_the_default_site_is_asked_once():
    log = admin.site.get_model_admin(Event)
    admin.site.unregister(Event)
    try:
        register_on_default_site()
        assert not admin.site.is_registered(Event)
    finally:
        admin.site.register(Event, type(log))


@pytest.mark.django_db
def test_the_default_site_leads_to_it_without_an_address_of_the_project(admin_client, settings):
    settings.ROOT_URLCONF = "tests.urls"
    for name in ("event", "parkedevent", "subscription"):
        assert f'"/admin/clean_timestamps/{name}/"' in admin_client.get("/admin/").content.decode()
        assert admin_client.get(f"/admin/clean_timestamps/{name}/").status_code == 200


def test_the_admins_checks_find_nothing_wrong():
    assert admin.site.get_model_admin(Event).check() == []
