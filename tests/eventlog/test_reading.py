"""Reading the log sees what its own transaction has recorded."""

import pickle

import pytest
from asgiref.sync import async_to_sync
from django.db import connection, transaction
from django.db.models import Count, Exists, F, Max, OuterRef

from django_clean_timestamps.eventlog.models import Event, LogHead, Pending
from django_clean_timestamps.eventlog.reading import LogManager, LogQuerySet
from django_clean_timestamps.eventlog.sequencer import sequence
from tests.eventlog.log import raw_count
from tests.testapp.models import Note
from tests.unit_of_work.written import rolled_back

READS = {
    "count": lambda rows: rows.count() == 2,
    "exists": lambda rows: rows.exists(),
    "length": lambda rows: len(rows) == 2,
    "aggregate": lambda rows: rows.aggregate(n=Count("pk"), last=Max("kind")) == {"n": 2, "last": 2},
    "iterator": lambda rows: len(list(rows.iterator(chunk_size=1))) == 2,
    "get": lambda rows: rows.get(kind=1).reason == "entity_created",
    "first": lambda rows: rows.first().kind == 1,
    "last": lambda rows: rows.last().kind == 2,
    "latest": lambda rows: rows.latest("kind").kind == 2,
    "values": lambda rows: [row["kind"] for row in rows.values("kind")] == [1, 2],
    "values_list": lambda rows: list(rows.values_list("kind", flat=True)) == [1, 2],
    "annotated": lambda rows: list(rows.annotate(k=F("kind") + 1).values_list("k", flat=True)) == [2, 3],
    "grouped": lambda rows: (
        list(rows.order_by().values("entity_type").annotate(n=Count("pk")).values_list("n", flat=True)) == [2]
    ),
    "sliced": lambda rows: [row.kind for row in rows[1:]] == [2],
    "indexed": lambda rows: rows[0].kind == 1,
    "union": lambda rows: len(rows.order_by().filter(kind=1).union(rows.order_by().filter(kind=2))) == 2,
    "in bulk": lambda rows: len(rows.in_bulk()) == 2,
    "contains": lambda rows: rows.contains(rows.first()),
    "subquery": lambda rows: Note.objects.filter(Exists(rows.filter(entity_type="testapp.note", kind=1))).count() == 1,
    "in": lambda rows: Note.objects.filter(amount__in=rows.values("schema")).count() == 1,
    "outer": lambda rows: Note.objects.annotate(seen=Exists(rows.filter(schema=OuterRef("amount")))).get().seen is True,
    "only": lambda rows: rows.only("kind").first().reason == "entity_created",
    "dates": lambda rows: len(rows.datetimes("occurred_at", "year")) == 1,
    "raw": lambda rows: (
        rows.exists() and len(rows.model.objects.raw(f"SELECT * FROM {rows.model._meta.db_table}")) == 2
    ),
    "explain": lambda rows: bool(rows.explain()) and raw_count(Pending) == 2,
    "select for update": lambda rows: len(rows.select_for_update()) == 2,
}


@pytest.fixture
def recorded():
    """Record two events; they are in memory still."""
    Note.objects.all().delete()
    Note.objects.create(amount=1).touch()
    assert raw_count(Pending) == 0


@pytest.mark.django_db
@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_every_way_of_reading_sees_the_tests_own_events(read, recorded):
    with transaction.atomic():
        assert read(Pending.objects.order_by("id"))


@pytest.mark.django_db
@pytest.mark.parametrize("read", [READS["count"], READS["values"], READS["get"]], ids=["count", "values", "get"])
def test_the_same_of_events_with_a_position(read, recorded):
    sequence()
    assert read(Event.objects.order_by("position"))


@pytest.mark.parametrize(
    "read", [READS["count"], READS["exists"], READS["subquery"]], ids=["count", "exists", "subquery"]
)
def test_a_real_transaction_sees_its_own_events(read, committing):
    with transaction.atomic():
        Note.objects.create(amount=1).touch()
        assert raw_count(Pending) == 0
        assert read(Pending.objects.order_by("id"))
    assert raw_count(Pending) == 2


def test_what_was_read_is_taken_back_with_its_savepoint(committing):
    with transaction.atomic():
        Note.objects.create()
        with rolled_back():
            Note.objects.create()
            assert Pending.objects.count() == 2
        assert Pending.objects.count() == 1
    assert raw_count(Pending) == 1


def test_what_was_read_before_a_rollback_is_gone_after_it(committing):
    with rolled_back():
        Note.objects.create()
        assert Pending.objects.count() == 1
    assert Pending.objects.count() == 0


@pytest.mark.django_db
def test_an_update_reaches_what_is_pending(recorded):
    assert Pending.objects.filter(kind=2).update(reason="changed") == 1
    assert list(Pending.objects.order_by("id").values_list("reason", flat=True)) == ["entity_created", "changed"]


@pytest.mark.django_db
def test_a_deletion_reaches_what_is_pending(recorded):
    assert Pending.objects.filter(kind=2).delete() == (1, {"clean_timestamps.Pending": 1})
    assert Pending.objects.count() == 1
    assert Pending.objects.all().delete()[0] == 1
    assert Pending.objects.count() == 0


@pytest.mark.django_db
def test_a_sliced_deletion_is_refused_as_django_does(recorded):
    with pytest.raises(TypeError):
        Pending.objects.all()[:1].delete()


@pytest.mark.django_db(databases=["default", "other"])
def test_each_alias_reads_its_own():
    Note().save(using="other")
    assert Pending.objects.count() == 0
    assert raw_count(Pending, "other") == 0
    assert Pending.objects.using("other").count() == 1
    Note().save(using="other")
    assert Pending.objects.db_manager("other").filter(kind=1).update(reason="x") == 2
    Note().save(using="other")
    assert Pending.objects.using("other").all().delete()[0] == 3


@pytest.mark.django_db
def test_the_async_forms_see_them_too():
    async def read():
        await Note.objects.acreate(amount=1)
        return await Pending.objects.acount(), [row.kind async for row in Pending.objects.all()]

    assert async_to_sync(read)() == (1, [1])


@pytest.mark.django_db
def test_reading_runs_no_statement_of_its_own_where_nothing_is_pending(django_assert_num_queries):
    with django_assert_num_queries(1):
        Pending.objects.count()


@pytest.mark.django_db
def test_a_queryset_can_be_pickled(recorded):
    rows = Pending.objects.filter(kind=1)
    again = Pending.objects.all()
    again.query = pickle.loads(pickle.dumps(rows.query))
    assert again.count() == 1


def test_every_log_manager_makes_querysets_that_look_first():
    for model in (Pending, Event):
        assert isinstance(model.objects, LogManager)
        assert isinstance(model.objects.all(), LogQuerySet)
        assert isinstance(model._default_manager.all(), LogQuerySet)
        assert not isinstance(model._base_manager.all(), LogQuerySet)
    assert not isinstance(LogHead.objects.all(), LogQuerySet)


def test_templates_cannot_change_the_log():
    assert LogQuerySet.update.alters_data
    assert LogQuerySet.delete.alters_data


@pytest.mark.django_db
def test_an_empty_selection_asks_nothing(recorded):
    assert list(Pending.objects.none()) == []
    assert connection.in_atomic_block
