"""How many statements it takes, and in which order they come."""

import pytest
from django.core.exceptions import FieldError
from django.db import transaction
from django.db.models import Count

from django_clean_timestamps.eventlog.models import Event, Pending
from django_clean_timestamps.eventlog.sequencer import sequence
from django_clean_timestamps.stamping import parents, updating
from django_clean_timestamps.stamping.recording import FEW
from tests.eventlog.log import empty_log, pending_events, raw_count, statements
from tests.testapp.models import (
    Note,
)

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "write",
    [
        lambda: Note.objects.filter(amount__gte=0)._raw_delete("default"),
        lambda: Note.objects.all().delete(),
    ],
    ids=["raw delete", "delete"],
)
def test_a_deletion_of_many_rows_takes_as_many_statements_as_its_technique(write, vendor):
    Note.objects.bulk_create(Note() for _ in range(1_500))
    with statements() as found:
        write()
    assert len(found) == {"sqlite": 2, "postgresql": 1, "mysql": 3}[vendor], found


@pytest.mark.parametrize(
    "write",
    [lambda: Note.objects.update(amount=5), lambda: Note.objects.filter(amount__gte=0).touch()],
    ids=["update", "touch"],
)
def test_an_update_of_many_rows_takes_as_many_statements_as_its_technique(write, vendor):
    Note.objects.bulk_create(Note() for _ in range(1_500))
    with statements() as found:
        write()
    # MariaDB looks first whether there are only a few rows.
    assert len(found) == {"sqlite": 2, "postgresql": 1, "mysql": 4}[vendor], found


@pytest.mark.mariadb
@pytest.mark.parametrize("write", ["update", "delete"])
def test_rows_whose_keys_have_gaps_are_fetched_by_key(write):
    Note.objects.bulk_create(Note(pk=key, amount=key % 3) for key in range(1, 1_501))
    empty_log()
    chosen = Note.objects.filter(amount=0)
    keys = {str(key) for key in chosen.values_list("pk", flat=True)}
    with statements() as found:
        assert (chosen.update(title="a") if write == "update" else chosen._raw_delete("default")) in (500, None)
    assert len(found) == {"update": 5, "delete": 4}[write], found
    assert {event.entity_id for event in pending_events()} == keys


@pytest.mark.mariadb
@pytest.mark.parametrize(("count", "expected"), [(50, 2), (51, 4)])
def test_where_the_rows_are_locked_first_the_events_of_a_few_go_with_those_of_the_transaction(
    count, expected, monkeypatch
):
    for module in (updating, parents):
        monkeypatch.setattr(module, "FEW", FEW)
    Note.objects.bulk_create(Note() for _ in range(count))
    empty_log()
    with transaction.atomic(), statements() as found:
        Note.objects.update(amount=1)
    assert len(found) == expected, found
    assert len(pending_events()) == count


def test_a_bulk_create_takes_one_statement_more(vendor):
    with statements() as found:
        Note.objects.bulk_create(Note() for _ in range(100))
    assert len(found) == 2, found


def test_a_bulk_create_of_many_writes_five_thousand_events_a_statement(vendor):
    with statements() as found:
        Note.objects.bulk_create(Note(title="a") for _ in range(10_001))
    assert len([sql for sql in found if "clean_timestamps_pending" in sql]) == 3
    assert raw_count(Pending) == 10_001


def test_a_write_of_no_rows_writes_no_event():
    Note.objects.create()
    empty_log()
    nothing = Note.objects.none(), Note.objects.filter(pk__in=[]), Note.objects.filter(amount=77)
    for rows in nothing:
        assert rows.update(amount=1) == rows.touch() == 0
        assert rows._raw_delete("default") in (0, None)
        assert rows.delete()[0] == 0
    Note.objects.bulk_create([])
    assert raw_count(Pending) == 0


def test_what_is_pending_is_written_before_what_the_database_makes():
    note = Note()
    with transaction.atomic():
        note.save()
        Note.objects.update(amount=1)
        note.touch()
        Note.objects.all().touch("again")
        note.touch()
        Note.objects.all().delete()
    reasons = [event.reason for event in pending_events()]
    assert reasons == [
        "entity_created",
        "entity_updated",
        "entity_updated",
        "again",
        "entity_updated",
        "entity_deleted",
    ]


def test_an_aggregate_is_refused_as_django_does():
    with pytest.raises(FieldError):
        Note.objects.update(amount=Count("pk"))
    assert raw_count(Pending) == 0


@pytest.mark.django_db(databases=["default", "other"])
def test_each_write_goes_to_the_log_of_the_rows_alias():
    Note.objects.using("other").bulk_create([Note(), Note()])
    Note.objects.db_manager("other").update(amount=1)
    Note.objects.using("other").all().touch()
    Note.objects.using("other").all().delete()
    assert raw_count(Pending) == 0
    assert raw_count(Pending, "other") == 8
    assert sequence("other") == 8
    assert (raw_count(Event), raw_count(Event, "other")) == (0, 8)


@pytest.mark.django_db(databases=["default", "other"])
def test_a_router_chooses_the_log():
    from tests.otherapp.models import Remote

    Remote.objects.bulk_create([Remote(), Remote()])
    Remote.objects.update(name="a")
    Remote.objects.create().delete()
    Remote.objects.all().delete()
    assert [event.entity_type for event in pending_events("other")] == ["otherapp.remote"] * 8
    assert pending_events() == []
