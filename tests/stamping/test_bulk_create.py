import uuid
from datetime import UTC, datetime, timedelta

import pytest
from asgiref.sync import async_to_sync
from django.db import IntegrityError, connection, transaction

from django_clean_timestamps.context import preserve_timestamps, stamped_at, timestamp_context, without_events
from django_clean_timestamps.exceptions import InvalidTimestampError
from django_clean_timestamps.signals import timestamp_created
from django_clean_timestamps.testing import capture_events
from tests.testapp.models import Animal, Currency, Dog, Note, NoteProxy, Product, Project, Seat, Tag, Task, Token

pytestmark = pytest.mark.django_db(databases=["default", "other"])

TICK = timedelta(microseconds=1)
EARLIER = datetime(2025, 6, 1, 12, 30, 15, 123456, tzinfo=UTC)


def state(entity):
    return {**entity.__dict__, "_state": (entity._state.adding, entity._state.db)}


@pytest.fixture(params=["returning", "no returning"])
def returning(request, monkeypatch, vendor):
    """Whether the database has RETURNING; MySQL proper has not, which MariaDB can play."""
    if request.param == "no returning":
        if vendor != "mysql":
            pytest.skip("played by MariaDB")
        for feature in ("can_return_rows_from_bulk_insert", "can_return_columns_from_insert"):
            monkeypatch.setattr(type(connection.features), feature, False)
    return request.param == "returning"


def test_both_stamps_are_equal_and_all_rows_share_one_reading(audience, returning):
    notes = [Note(title=str(index)) for index in range(5)]
    with audience.listening() as heard:
        assert Note.objects.bulk_create(notes, batch_size=2) == notes
    rows = list(Note.objects.order_by("pk"))
    assert [row.title for row in rows] == list("01234")
    assert {(row.created_at, row.updated_at) for row in rows} == {(notes[0].created_at,) * 2}
    assert {(note.created_at, note.updated_at) for note in notes} == {(notes[0].created_at,) * 2}
    heard.are(*[f"created note {row.pk}" for row in rows])
    for event in heard:
        assert event.occurred_at == event.created_timestamp == notes[0].created_at
        assert event.reason == "entity_created"


def test_it_takes_as_many_statements_as_batches(queries, without_log):
    with queries() as statements:
        Note.objects.bulk_create([Note() for _ in range(5)], batch_size=2)
    assert [text.split()[0] for text in statements.texts] == ["INSERT"] * 3


def test_the_instances_are_as_if_they_had_been_loaded(clock, audience, returning):
    note, token = Note(title="a"), Token(label="b")
    with audience.listening():
        Note.objects.bulk_create([note])
        Token.objects.bulk_create([token])
    assert not token._state.adding
    clock.tick()
    token.label = "c"
    token.save()
    stored = Token.objects.get()
    assert (stored.created_at, stored.updated_at) == (token.created_at, clock.now)
    if audience.kind != "nobody" or returning:
        note.save()
        assert Note.objects.get().updated_at == clock.now


def test_a_generator_is_taken(audience, returning):
    with audience.listening() as heard:
        notes = Note.objects.bulk_create(Note(title=str(index)) for index in range(3))
    assert [note.title for note in notes] == list("012")
    assert Note.objects.count() == 3
    assert len(heard) == 3 * heard.is_told


def test_nothing_is_taken(audience):
    with audience.listening() as heard:
        assert Note.objects.bulk_create([]) == []
        assert Note.objects.bulk_create(iter(())) == []
    heard.are()


def test_abulk_create_stamps(clock, audience):
    with audience.listening() as heard:
        (note,) = async_to_sync(Note.objects.all().abulk_create)([Note()])
    assert Note.objects.get().created_at == note.created_at == clock.now
    heard.are(f"created note {note.pk}")


def test_positional_options_are_taken(audience):
    with audience.listening() as heard:
        Note.objects.bulk_create([Note(), Note()], 1, False)
    assert len(heard) == 2 * heard.is_told


# Given times.


def test_a_given_stamp_stands_for_the_missing_one(clock, audience, returning):
    given = [
        Note(title="a", created_at=EARLIER),
        Note(title="b", updated_at=EARLIER),
        Note(title="c", created_at=EARLIER, updated_at=EARLIER + TICK),
        Note(title="d"),
    ]
    with audience.listening() as heard:
        Note.objects.bulk_create(given)
    expected = [(EARLIER, EARLIER), (EARLIER, EARLIER), (EARLIER, EARLIER + TICK), (clock.now, clock.now)]
    assert list(Note.objects.order_by("title").values_list("created_at", "updated_at")) == expected
    assert [(note.created_at, note.updated_at) for note in given] == expected
    assert [(event.created_timestamp, event.occurred_at) for event in heard] == expected * heard.is_told


@pytest.mark.parametrize(
    "fields",
    [
        {"created_at": datetime(2025, 1, 1)},
        {"updated_at": "soon"},
        {"updated_at": datetime(2026, 1, 2, tzinfo=UTC)},
        {"created_at": EARLIER, "updated_at": EARLIER - TICK},
    ],
    ids=["naive", "text", "future", "before created_at"],
)
def test_a_bad_stamp_is_refused_before_anything_is_written(clock, audience, queries, fields):
    notes = [Note(), Note(**fields)]
    before = [state(note) for note in notes]
    with transaction.atomic():
        with audience.listening() as heard, queries() as statements, pytest.raises(InvalidTimestampError):
            Note.objects.bulk_create(notes)
        assert statements.texts == []
        assert Note.objects.count() == 0
    assert [state(note) for note in notes] == before
    heard.are()


def test_copies_of_loaded_instances_get_fresh_stamps(clock, audience):
    old = Note.objects.create(title="old")
    copy = Note.objects.get(pk=old.pk)
    copy.pk = None
    now = clock.tick()
    with audience.listening() as heard:
        Note.objects.bulk_create([copy])
    assert (copy.created_at, copy.updated_at) == (now, now)
    heard.are(f"created note {copy.pk}")


def test_stamped_at_stamps_both(clock, audience):
    with audience.listening() as heard, stamped_at(EARLIER):
        Note.objects.bulk_create([Note(), Note(created_at=EARLIER - TICK)])
    rows = list(Note.objects.order_by("pk").values_list("created_at", "updated_at"))
    assert rows == [(EARLIER, EARLIER), (EARLIER - TICK, EARLIER)]
    assert [event.occurred_at for event in heard] == [EARLIER] * 2 * heard.is_told


def test_stamped_at_before_a_given_created_at_is_refused(clock, audience):
    with audience.listening() as heard, stamped_at(EARLIER), pytest.raises(InvalidTimestampError):
        Note.objects.bulk_create([Note(created_at=EARLIER + TICK)])
    heard.are()


def test_preserve_timestamps_fills_what_is_missing(clock, audience):
    with audience.listening() as heard, preserve_timestamps():
        Note.objects.bulk_create([Note(), Note(updated_at=EARLIER)])
    rows = list(Note.objects.order_by("pk").values_list("created_at", "updated_at"))
    assert rows == [(clock.now, clock.now), (EARLIER, EARLIER)]
    assert len(heard) == 2 * heard.is_told


# Conflicts that are ignored.


def test_ignored_rows_stay_as_they_are_and_raise_no_event(clock, audience, returning):
    old = Tag.objects.create(name="a")
    now = clock.tick()
    with audience.listening() as heard:
        Tag.objects.bulk_create([Tag(name="a"), Tag(name="b"), Tag(name="c")], ignore_conflicts=True)
    rows = list(Tag.objects.order_by("name"))
    assert [(row.name, row.created_at, row.updated_at) for row in rows] == [
        ("a", old.created_at, old.updated_at),
        ("b", now, now),
        ("c", now, now),
    ]
    heard.are_in_any_order([f"created tag {row.pk}" for row in rows[1:]])


def test_a_row_that_is_given_twice_is_inserted_once(clock, audience, returning):
    with audience.listening() as heard:
        Tag.objects.bulk_create([Tag(name="a"), Tag(name="a")], ignore_conflicts=True)
    heard.are(f"created tag {Tag.objects.get().pk}")


def test_ignored_rows_are_known_by_a_given_key_too(clock, audience, returning):
    Currency.objects.create(code="EUR")
    with audience.listening() as heard:
        Currency.objects.bulk_create([Currency(code="EUR"), Currency(code="USD")], ignore_conflicts=True)
    heard.are("created currency USD")


# Failures.


def test_the_instances_are_as_before_when_the_database_refuses(clock, audience, returning):
    Tag.objects.create(name="b")
    tags = [Tag(name="a"), Tag(name="b")]
    before = [state(tag) for tag in tags]
    with audience.listening() as heard, pytest.raises(IntegrityError), transaction.atomic():
        Tag.objects.bulk_create(tags, batch_size=1)
    assert [state(tag) for tag in tags] == before
    assert Tag.objects.count() == 1
    heard.are()
    tags[1].name = "c"
    Tag.objects.bulk_create(tags)
    assert Tag.objects.count() == 3


def test_the_instances_are_as_before_when_a_receiver_refuses(clock, returning):
    notes = [Note(title="a"), Note(title="b")]
    before = [state(note) for note in notes]

    def refuse(event, **_):
        raise RuntimeError("no")

    timestamp_created.connect(refuse, sender=Note)
    try:
        with capture_events() as events, pytest.raises(RuntimeError, match="no"), transaction.atomic():
            Note.objects.bulk_create(notes)
    finally:
        timestamp_created.disconnect(refuse, sender=Note)
    assert [state(note) for note in notes] == before
    assert events == []
    assert Note.objects.count() == 0


def test_several_tables_are_refused_as_django_refuses(audience):
    with transaction.atomic():
        with audience.listening() as heard, pytest.raises(ValueError, match="multi-table"):
            Dog.objects.bulk_create([Dog(name="a")])
        assert Animal.objects.count() == 0
    heard.are()


def test_what_django_refuses_leaves_the_transaction_usable(audience):
    with transaction.atomic():
        for options in ({"batch_size": 0}, {"ignore_conflicts": True, "update_conflicts": True}):
            with audience.listening() as heard, pytest.raises(ValueError):  # noqa: PT011 - Django's words
                Note.objects.bulk_create([Note()], **options)
            heard.are()
        unsaved = Task(project=Project())
        with pytest.raises(ValueError, match="unsaved related object"):
            Task.objects.bulk_create([unsaved])
        assert Note.objects.count() == 0


# Kinds of models.


def test_uuid_composite_and_own_identities(clock, audience, returning):
    with audience.listening() as heard:
        Token.objects.bulk_create([Token(id=uuid.UUID(int=7))])
        Seat.objects.bulk_create([Seat(row=1, number=2), Seat(row=1, number=3)])
        Product.objects.bulk_create([Product(sku="B"), Product(sku="A")])
    assert {seat.updated_at for seat in Seat.objects.all()} == {clock.now}
    heard.are(
        f"created token {uuid.UUID(int=7)}",
        "created seat (1, 2)",
        "created seat (1, 3)",
        "created product sku-B",
        "created product sku-A",
    )


def test_given_and_missing_keys_go_together(clock, audience, returning):
    with audience.listening() as heard:
        first, second = Note.objects.bulk_create([Note(title="a"), Note(pk=4711, title="b")])
    assert set(Note.objects.values_list("title", "created_at")) == {("a", clock.now), ("b", clock.now)}
    if heard.is_told:
        heard.are(f"created note {first.pk}", "created note 4711")
    assert second.pk == 4711


def test_a_key_with_a_default_that_was_taken_away_is_made_anew(audience, returning):
    token = Token(id=None)
    with audience.listening() as heard:
        Token.objects.bulk_create([token])
    heard.are(f"created token {Token.objects.get().pk}")


def test_a_proxys_rows_are_its_models(audience):
    with audience.listening() as heard:
        (note,) = NoteProxy.objects.bulk_create([NoteProxy()])
    heard.are(f"created note {note.pk}")


def test_a_second_database(audience):
    with audience.listening() as heard:
        (note,) = Note.objects.using("other").bulk_create([Note()])
    assert not Note.objects.exists()
    assert note._state.db == "other"
    heard.are(f"created note {note.pk}")


def test_more_rows_than_one_statement_names_are_recorded(audience, returning):
    project = Project.objects.create()
    with audience.listening() as heard:
        Product.objects.bulk_create([Product(sku=str(index)) for index in range(1200)])
        Task.objects.bulk_create([Task(project=project) for _ in range(1200)], ignore_conflicts=True)
    created = [event for event in heard if event.event_type == "timestamp_created"]
    assert len({(event.entity_type, event.entity_id) for event in created}) == 2400 * heard.is_told


def test_the_events_carry_the_context(audience):
    with audience.listening() as heard, timestamp_context(reason="import", correlation_id="c"):
        Note.objects.bulk_create([Note()])
    assert [(event.reason, event.correlation_id) for event in heard] == [("import", "c")] * heard.is_told


def test_without_events_it_stamps_and_is_silent(clock, audience, returning):
    with audience.listening() as heard, without_events(Note):
        Note.objects.bulk_create([Note()])
    assert Note.objects.get().created_at == clock.now
    heard.are()


# The other ways in.


def test_create_get_or_create_and_update_or_create_stamp(clock):
    with capture_events() as events:
        tag = Tag.objects.create(name="a")
        assert Tag.objects.get_or_create(name="a") == (tag, False)
        other, made = Tag.objects.get_or_create(name="b")
        now = clock.tick()
        Tag.objects.update_or_create(name="b", defaults={"name": "c"})
        Tag.objects.update_or_create(name="d", defaults={}, create_defaults={})
        Tag.objects.update_or_create(name="d", defaults={})
    assert made
    stamps = dict(Tag.objects.values_list("name", "updated_at"))
    assert stamps == {"a": tag.created_at, "c": now, "d": now + TICK}
    assert [event.event_type.removeprefix("timestamp_") for event in events] == [
        "created",
        "created",
        "updated",
        "created",
        "updated",
    ]
    assert other.pk == Tag.objects.get(name="c").pk


def test_update_or_create_of_a_childs_own_field_bumps_the_parents_row(clock):
    dog = Dog.objects.create(name="Rex")
    now = clock.tick()
    with capture_events() as events:
        Dog.objects.update_or_create(name="Rex", defaults={"breed": "pug"})
    assert Animal.objects.get().updated_at == now
    assert [(event.entity_type, event.entity_id) for event in events] == [("testapp.dog", str(dog.pk))]


def test_the_async_forms_stamp(clock):
    rows = Tag.objects.all()
    with capture_events() as events:
        tag = async_to_sync(rows.acreate)(name="a")
        async_to_sync(rows.aget_or_create)(name="b")
        async_to_sync(rows.aupdate_or_create)(name="b", defaults={"name": "c"})
    assert tag.created_at == clock.now
    assert [event.event_type for event in events] == ["timestamp_created"] * 2 + ["timestamp_updated"]
