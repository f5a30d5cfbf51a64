import pytest
from django.core import checks
from django.core.management import call_command
from django.db import models
from django.test import override_settings
from django.test.utils import isolate_apps

from django_clean_timestamps import checks as package_checks
from django_clean_timestamps.checks.entities import ENTITY_CHECKS
from django_clean_timestamps.models import BaseTimestampEntity

LABEL = "tests.testapp"


def settings_ids(value):
    with override_settings(CLEAN_TIMESTAMPS=value):
        return [message.id for message in package_checks.check_settings(None)]


def entity_ids(model):
    return [message.id for check in ENTITY_CHECKS for message in check(model)]


def test_the_checks_are_registered():
    registered = checks.registry.registry.get_checks()
    assert {package_checks.check_settings, package_checks.check_databases} <= set(registered)


@pytest.mark.django_db(databases=["default", "other"])
def test_the_test_project_has_nothing_that_stops():
    call_command("check", fail_level="ERROR")


def test_no_setting_is_no_problem():
    assert settings_ids(None) == []


@pytest.mark.parametrize("value", [{"CLOK": "x"}, {"BATCH_SIZE": 0}, ["CLOCK"], {"CREATED_AT_POLICY": "shout"}])
def test_an_unknown_or_bad_key_is_an_error(value):
    assert settings_ids(value) == ["clean_timestamps.E001"]


@pytest.mark.parametrize(
    "value", [{"CLOCK": "no.such.clock"}, {"CLOCK": "tests.settings.HERE"}, {"RULES": ["no.rule"]}]
)
def test_a_dotted_path_that_leads_nowhere_is_an_error(value):
    assert settings_ids(value) == ["clean_timestamps.E002"]


def test_every_message_has_a_hint():
    with override_settings(CLEAN_TIMESTAMPS={"CLOK": 1, "BATCH_SIZE": 0}):
        assert all(message.hint for message in package_checks.check_settings(None))


def test_no_time_zone_support_is_warned_of():
    with override_settings(USE_TZ=False):
        assert "clean_timestamps.W003" in [message.id for message in package_checks.check_databases(None)]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, ["clean_timestamps.I001"]),
        ({"transaction_mode": "DEFERRED"}, ["clean_timestamps.I001"]),
        ({"transaction_mode": "immediate"}, []),
    ],
)
def test_a_deferred_begin_on_sqlite_is_told(options, expected):
    database = {"ENGINE": "django.db.backends.sqlite3", "NAME": "x", "OPTIONS": options}
    databases = {"default": database, "other": {"ENGINE": "django.db.backends.postgresql"}}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("django.conf.settings.DATABASES", databases)
        assert [message.id for message in package_checks.check_databases(None)] == expected


def test_a_project_without_entities_hears_nothing(monkeypatch):
    monkeypatch.setattr("django_clean_timestamps.checks.project.entities", lambda configs: iter(()))
    with override_settings(USE_TZ=False):
        assert package_checks.check_databases(None) == []


@isolate_apps(LABEL)
def test_a_plain_entity_has_no_problem():
    class Plain(BaseTimestampEntity):
        class Meta:
            app_label = "testapp"

    assert entity_ids(Plain) == []


@isolate_apps(LABEL)
def test_a_replaced_stamp_field_is_an_error():
    class Replaced(BaseTimestampEntity):
        updated_at = models.DateTimeField(auto_now=True)

        class Meta:
            app_label = "testapp"

    assert entity_ids(Replaced) == ["clean_timestamps.E010"]


@isolate_apps(LABEL)
def test_auto_now_on_an_entity_is_warned_of():
    class Automatic(BaseTimestampEntity):
        seen_at = models.DateTimeField(auto_now=True)

        class Meta:
            app_label = "testapp"

    assert entity_ids(Automatic) == ["clean_timestamps.W011"]


@isolate_apps(LABEL)
def test_a_manager_that_was_put_on_later_is_an_error():
    class Later(BaseTimestampEntity):
        class Meta:
            app_label = "testapp"

    models.Manager().contribute_to_class(Later, "late")
    assert entity_ids(Later) == ["clean_timestamps.E013"]


@isolate_apps(LABEL)
def test_a_lost_base_manager_is_an_error():
    class Lost(BaseTimestampEntity):
        class Meta:
            app_label = "testapp"

    models.Manager().contribute_to_class(Lost, "late")
    Lost._meta.base_manager = Lost.late
    assert entity_ids(Lost) == ["clean_timestamps.E012"]


@isolate_apps(LABEL)
def test_touches_must_name_foreign_keys_to_entities():
    class Owner(models.Model):
        class Meta:
            app_label = "testapp"

    class Owned(BaseTimestampEntity):
        owner = models.ForeignKey(Owner, on_delete=models.CASCADE)
        title = models.CharField(max_length=5)

        touches = ("owner", "title", "nothing")

        class Meta:
            app_label = "testapp"

    assert entity_ids(Owned) == ["clean_timestamps.E014"] * 3


@isolate_apps(LABEL)
def test_touches_must_be_no_text():
    class Text(BaseTimestampEntity):
        parent = models.ForeignKey("self", on_delete=models.CASCADE)

        touches = "parent"

        class Meta:
            app_label = "testapp"

    assert entity_ids(Text) == ["clean_timestamps.E014"]


@isolate_apps(LABEL)
def test_a_foreign_key_to_an_entity_may_be_touched():
    class Tree(BaseTimestampEntity):
        parent = models.ForeignKey("self", on_delete=models.CASCADE)

        touches = ("parent",)

        class Meta:
            app_label = "testapp"

    assert entity_ids(Tree) == []


@pytest.mark.skipif(not hasattr(models, "DB_CASCADE"), reason="database-level on_delete came with Django 6.1")
@isolate_apps(LABEL)
def test_a_database_level_on_delete_is_an_error():
    class Cut(BaseTimestampEntity):
        parent = models.ForeignKey("self", on_delete=models.DB_CASCADE)

        class Meta:
            app_label = "testapp"

    assert entity_ids(Cut) == ["clean_timestamps.E015"]


def evaluating(collector, field, sub_objs, using):
    """An on_delete that is given evaluated rows."""


def lazy(collector, field, sub_objs, using):
    """An on_delete that is given a queryset."""


lazy.lazy_sub_objs = True


@pytest.mark.parametrize(
    ("on_delete", "expected"),
    [
        (evaluating, ["clean_timestamps.W016"]),
        (lazy, []),
        (models.SET(None), []),
        (models.SET_NULL, []),
        (models.PROTECT, []),
        (models.DO_NOTHING, []),
    ],
)
@isolate_apps(LABEL)
def test_an_on_delete_that_evaluates_its_rows_is_warned_of(on_delete, expected):
    class Evaluated(BaseTimestampEntity):
        parent = models.ForeignKey("self", on_delete=on_delete, null=True)

        class Meta:
            app_label = "testapp"

    assert entity_ids(Evaluated) == expected
