"""The two fields, in entities, in historical models and in models that only copy them."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import connection, models
from django.db.migrations.state import ModelState, ProjectState
from django.db.migrations.writer import MigrationWriter
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as st

from django_clean_timestamps.models import CreatedAtField, UpdatedAtField
from django_clean_timestamps.stamping.fields import as_value_of
from django_clean_timestamps.testing import capture_events
from tests.testapp.models import Abstract, Chained, Note, NoteHistory, Task

pytestmark = pytest.mark.django_db

SECOND = timedelta(seconds=1)
CLOCK = "tests.stamping.standing_clock.clock"


@pytest.mark.parametrize("name", ["created_at", "updated_at"])
def test_the_fields_are_not_editable_not_null_and_have_no_default(name):
    field = Note._meta.get_field(name)
    assert (field.editable, field.null, field.blank, field.has_default()) == (False, False, True, False)
    assert field.get_default() is None
    assert isinstance(field, models.DateTimeField)


@pytest.mark.parametrize(("name", "kind"), [("created_at", CreatedAtField), ("updated_at", UpdatedAtField)])
def test_a_migration_names_the_public_path_and_nothing_else(name, kind):
    own_name, path, args, kwargs = Note._meta.get_field(name).deconstruct()
    assert (own_name, path, args, kwargs) == (name, f"django_clean_timestamps.models.{kind.__name__}", [], {})
    text, imports = MigrationWriter.serialize(kind())
    assert text == f"django_clean_timestamps.models.{kind.__name__}()"
    assert "import django_clean_timestamps.models" in imports


def test_options_of_a_field_reach_the_migration():
    assert Chained._meta.get_field("updated_at").deconstruct()[3] == {"db_index": True}
    assert UpdatedAtField(editable=True, blank=False, null=True).deconstruct()[3] == {
        "editable": True,
        "blank": False,
        "null": True,
    }


def test_a_field_is_cloned_as_it_is():
    clone = Abstract._meta.get_field("updated_at").clone()
    assert (type(clone), clone.db_index, clone.editable) == (UpdatedAtField, True, False)


def historical(model):
    state = ProjectState()
    state.add_model(ModelState.from_model(model))
    return state.apps.get_model(model._meta.app_label, model.__name__)


def test_a_historical_model_inserts_with_equal_stamps(clock):
    row = historical(Note).objects.create(title="a")
    assert row.created_at == row.updated_at == clock.now
    stored = Note.objects.get()
    assert (stored.created_at, stored.updated_at) == (clock.now, clock.now)


def test_a_historical_model_inserts_many_and_keeps_given_stamps(clock):
    moment = clock.now - SECOND
    old = historical(Note)
    old.objects.bulk_create([old(title="a"), old(title="b", created_at=moment)])
    assert set(Note.objects.values_list("title", "created_at", "updated_at")) == {
        ("a", clock.now, clock.now),
        ("b", moment, moment),
    }


def test_a_historical_model_is_no_entity_and_its_saves_stamp_nothing(clock):
    old = historical(Note).objects.create()
    clock.tick()
    with capture_events() as events:
        old.save()
    assert Note.objects.get().updated_at == clock.now - SECOND
    assert events == []


def test_pre_save_does_nothing_in_a_history_model_that_copies_the_fields(clock):
    moments = {"created_at": clock.now - 2 * SECOND, "updated_at": clock.now - SECOND}
    history = NoteHistory.objects.create(**moments)
    clock.tick()
    history.title = "b"
    history.save()
    stored = NoteHistory.objects.get()
    assert {name: getattr(stored, name) for name in moments} == moments


def test_a_nullable_copy_of_a_field_stays_null():
    class Loose(models.Model):
        created_at = CreatedAtField(null=True)

        class Meta:
            app_label = "nowhere"

    assert Loose._meta.get_field("created_at").pre_save(Loose(), True) is None


def test_a_subquery_and_a_lookup_know_the_fields(clock):
    note = Note.objects.create()
    assert Note.objects.filter(updated_at__lte=clock.now, created_at=models.F("updated_at")).get() == note
    assert Note.objects.filter(updated_at__gt=clock.now).count() == 0
    assert Note.objects.filter(updated_at="2026-01-01T00:00:00Z").count() == 1


# Without time zone support.


@pytest.fixture
def naive_storage(clock, settings):
    """``USE_TZ = False``, on a connection that knows it."""
    settings.USE_TZ = False
    settings.TIME_ZONE = "UTC"
    yield
    settings.USE_TZ = True


def stored_text(name="updated_at"):
    """Return what the column holds, past all of Django's conversions."""
    text = {"sqlite": "CAST({} AS TEXT)", "postgresql": "to_char({} AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')"}
    with connection.cursor() as cursor:
        column = text.get(connection.vendor, "DATE_FORMAT({}, '%%Y-%%m-%%d %%H:%%i:%%S.%%f')").format(name)
        cursor.execute(f"SELECT {column} FROM testapp_note", [])
        return cursor.fetchone()[0]


def test_without_time_zones_utc_is_stored_and_aware_utc_is_read(naive_storage, clock):
    clock.tick(0.123456)
    note = Note.objects.create()
    assert note.updated_at == clock.now
    assert stored_text() == "2026-01-01 00:00:00.123456"
    stored = Note.objects.get()
    assert (stored.created_at, stored.updated_at) == (clock.now, clock.now)
    assert stored.updated_at.tzinfo is UTC


def test_without_time_zones_another_zone_is_stored_as_utc(naive_storage, clock):
    moment = datetime(2025, 12, 31, 23, 0, 0, 5, tzinfo=ZoneInfo("Asia/Tokyo"))
    Note.objects.create(updated_at=moment)
    assert stored_text() == "2025-12-31 14:00:00.000005"
    assert Note.objects.get().created_at == moment


def test_without_time_zones_a_naive_stamp_is_utc(naive_storage, clock):
    note = Note.objects.create(updated_at=datetime(2025, 12, 31, 14))
    assert note.updated_at == Note.objects.get().updated_at == datetime(2025, 12, 31, 14, tzinfo=UTC)


def test_without_time_zones_saves_and_touches_increase_over_others(naive_storage, clock):
    note = Note.objects.create()
    stale = Note.objects.get()
    clock.tick(60)
    note.save()
    clock.tick(-60)
    stale.save()
    assert Note.objects.get().updated_at == note.updated_at + timedelta(microseconds=1)
    note.touch()
    assert Note.objects.get().updated_at == note.updated_at == stale.updated_at + timedelta(microseconds=1)
    note.created_at = note.created_at + timedelta(0)
    note.save()


def test_without_time_zones_lookups_take_both_kinds(naive_storage, clock):
    Note.objects.create()
    assert Note.objects.filter(updated_at=clock.now).exists()
    assert Note.objects.filter(updated_at=datetime(2026, 1, 1)).exists()


@pytest.mark.parametrize("compiled", [True, False])
def test_without_time_zones_touch_moves_other_fields_in_the_projects_zone(naive_storage, clock, settings, compiled):
    settings.CLEAN_TIMESTAMPS = {"CLOCK": CLOCK, "COMPILED_WRITES": compiled}
    note = Note.objects.create()
    clock.tick()
    note.touch(fields=["seen_at"])
    stored = Note.objects.get()
    assert stored.seen_at == note.seen_at == datetime(2026, 1, 1, 0, 0, 1)
    assert stored.updated_at == clock.now


@override_settings(USE_TZ=False, TIME_ZONE="Asia/Tokyo")
def test_another_field_holds_the_projects_local_time_without_time_zones():
    field, stamp = Note._meta.get_field("seen_at"), datetime(2026, 1, 1, tzinfo=UTC)
    assert as_value_of(field, stamp) == datetime(2026, 1, 1, 9)
    assert as_value_of(Note._meta.get_field("updated_at"), stamp) is stamp


@given(st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.timezones()))
def test_what_the_database_is_given_without_time_zones_is_utc(moment):
    with override_settings(USE_TZ=False):
        prepared = Note._meta.get_field("updated_at").get_prep_value(moment)
    assert prepared.tzinfo is None
    assert prepared.replace(tzinfo=UTC) == moment.astimezone(UTC)


def test_null_is_left_alone():
    with override_settings(USE_TZ=False):
        field = Task._meta.get_field("updated_at")
        assert field.get_prep_value(None) is None
        convert = field.get_db_converters(connection)[-1]
        assert convert(None, None, connection) is None
