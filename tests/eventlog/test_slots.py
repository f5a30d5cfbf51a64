"""An entity's slot is the same from every path of writing, on every database, for ever."""

import uuid
from collections import Counter
from hashlib import sha256

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from django_clean_timestamps.eventlog.models import Event, Pending
from django_clean_timestamps.eventlog.sequencer import sequence
from django_clean_timestamps.eventlog.slots import root_label_of, slot_of
from django_clean_timestamps.testing import capture_events
from tests.eventlog.log import empty_log
from tests.testapp.models import (
    Animal,
    Box,
    Crate,
    Currency,
    Dog,
    Kennel,
    Note,
    NoteProxy,
    Puppy,
    Seat,
    Spelled,
    Sticker,
    Token,
)

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("root_label", "entity_id", "slot"),
    [
        ("testapp.note", "1", 122),
        ("testapp.note", "2", 60),
        ("testapp.animal", "42", 69),
        ("testapp.token", "123e4567-e89b-42d3-a456-426614174000", 186),
        ("testapp.currency", "€", 70),
        ("shop.order", "日本", 41),
    ],
)
def test_a_slot_never_changes(root_label, entity_id, slot):
    assert slot_of(root_label, entity_id) == slot


@pytest.mark.parametrize(
    ("label", "root"),
    [
        ("testapp.note", "testapp.note"),
        ("testapp.animal", "testapp.animal"),
        ("testapp.dog", "testapp.animal"),
        ("testapp.puppy", "testapp.animal"),
        # Its parent is no entity: the child's table holds the stamps.
        ("testapp.crate", "testapp.crate"),
        ("testapp.goneaway", "testapp.goneaway"),
        ("gone.model", "gone.model"),
        ("no label at all", "no label at all"),
    ],
)
def test_the_root_of_an_entity_is_that_of_its_tree(label, root):
    assert root_label_of(label) == root


@given(st.text(max_size=40).filter(lambda text: text.isprintable()), st.text(alphabet="abc.", max_size=20))
def test_a_slot_is_a_byte_of_the_digest(entity_id, label):
    assert slot_of(label, entity_id) == int(sha256(f"{label}:{entity_id}".encode()).hexdigest()[:2], 16)


def test_slots_are_spread_evenly():
    counts = Counter(slot_of("testapp.note", str(number)) for number in range(25_600))
    assert set(counts) == set(range(256))
    assert 50 < min(counts.values()) <= max(counts.values()) < 160


def slots():
    return list(Pending.objects.order_by("id").values_list("slot", flat=True))


def write_by_every_path(model, first, others, change):
    """Write rows by one and by many; no path but the last one builds events."""
    entity = first
    entity.save()
    entity.touch()
    rows = model.objects.filter(pk=entity.pk)
    rows.update(**change)
    rows.touch()
    model.objects.bulk_create(others)
    with capture_events():
        rows.update(**change)
    rows.delete()
    entity.save(force_insert=True)
    entity.delete()


def written_slots_agree(model, root, *entities):
    wanted = {entity._get_entity_id(): slot_of(root, entity._get_entity_id()) for entity in entities}
    rows = list(Pending.objects.values_list("entity_id", "slot"))
    assert {entity_id for entity_id, _ in rows} == set(wanted)
    assert all(slot == wanted[entity_id] for entity_id, slot in rows)
    return len(rows)


def test_an_integer_keys_slot_is_the_same_from_every_path():
    first, other = Note(pk=41), Note(pk=2**40)
    write_by_every_path(Note, first, [other], {"amount": 1})
    first.pk = 41
    assert written_slots_agree(Note, "testapp.note", first, other) == 9


def test_a_negative_integer_keys_slot_is_the_same():
    first, other = Note(pk=-1), Note(pk=-7)
    write_by_every_path(Note, first, [other], {"amount": 1})
    first.pk = -1
    written_slots_agree(Note, "testapp.note", first, other)


def test_a_uuid_keys_slot_is_the_same_from_every_path():
    first, other = Token(), Token(pk=uuid.UUID("00000000-0000-4000-8000-00000000000a"))
    key = first.pk
    write_by_every_path(Token, first, [other], {"label": "a"})
    first.pk = key
    assert written_slots_agree(Token, "testapp.token", first, other) == 9


# Three characters fit. No blank at the end: MariaDB compares without it.
keys = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zs", "Cn")), min_size=1, max_size=3)


@given(
    code=keys | st.sampled_from(["'", '"', "\\", "%s", "%", "``", "日本語", "👩‍", "ß", "A", "a", "007", "1.0", "\\u0"])
)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_text_keys_slot_is_the_same_from_every_path(code):
    empty_log()
    Currency.objects.all().delete()
    empty_log()
    first = Currency(code=code)
    write_by_every_path(Currency, first, [], {"name": "a"})
    Currency.objects.bulk_create([Currency(code=code)])
    first.code = code
    assert written_slots_agree(Currency, "testapp.currency", first) == 9


def test_a_child_and_its_parent_are_one_entity():
    puppy = Puppy.objects.create()
    Animal.objects.filter(pk=puppy.pk).update(name="a")
    Dog.objects.filter(pk=puppy.pk).update(breed="b")
    Puppy.objects.filter(pk=puppy.pk).update(weeks=1)
    Puppy.objects.filter(pk=puppy.pk).touch()
    Animal.objects.get(pk=puppy.pk).touch()
    key = puppy.pk
    puppy.delete()
    assert {row.entity_type for row in Pending.objects.all()} == {"testapp.animal", "testapp.dog", "testapp.puppy"}
    assert set(slots()) == {slot_of("testapp.animal", str(key))}


def test_a_proxys_rows_are_its_models():
    note = NoteProxy.objects.create()
    NoteProxy.objects.update(amount=1)
    NoteProxy.objects.bulk_create([NoteProxy(pk=note.pk + 1)])
    NoteProxy.objects.all().touch()
    NoteProxy.objects.all().delete()
    assert set(Pending.objects.values_list("entity_type", flat=True)) == {"testapp.note"}
    assert {(row.entity_id, row.slot) for row in Pending.objects.all()} == {
        (str(key), slot_of("testapp.note", str(key))) for key in (note.pk, note.pk + 1)
    }


def test_a_child_whose_parent_is_no_entity_is_its_own_root():
    crate = Crate.objects.create(name="a")
    key = crate.pk
    Crate.objects.update(weight=1)
    Crate.objects.all().delete()
    assert slots() == [slot_of("testapp.crate", str(key))] * 3


def test_a_key_that_only_python_can_write_has_the_same_slot():
    seat = Seat.objects.create(row=1, number=2)
    Seat.objects.update(guest="a")
    Spelled.objects.create(name="日 'x'")
    Spelled.objects.update(name="日 'x'")
    seat_slot, spelled_slot = slot_of("testapp.seat", str(seat.pk)), slot_of("testapp.spelled", "日 'x'")
    assert slots() == [seat_slot] * 2 + [spelled_slot] * 2


def test_a_cascade_writes_the_slots_of_the_rows_it_takes_along():
    box = Box.objects.create()
    stickers = [Sticker.objects.create(box=box) for _ in range(3)]
    wanted = [slot_of("testapp.sticker", str(sticker.pk)) for sticker in stickers]
    empty_log()
    box.delete()
    assert slots() == wanted


def test_a_guard_of_a_kennel_has_the_slot_of_the_animal():
    kennel = Kennel.objects.create()
    guard = kennel.guard_set.create(name="a")
    key = guard.pk
    kennel.delete()
    assert set(slots()) == {slot_of("testapp.animal", str(key))}


def test_the_sequencer_keeps_the_slot():
    notes = Note.objects.bulk_create(Note() for _ in range(3))
    sequence()
    assert list(Event.objects.order_by("position").values_list("slot", flat=True)) == [
        slot_of("testapp.note", str(note.pk)) for note in notes
    ]
