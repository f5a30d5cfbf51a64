"""What is refused before anything is written, and that everything is as it was then."""

from datetime import UTC, datetime, timedelta

import pytest
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import F
from django.test import override_settings

from django_clean_timestamps.conf import BUILT_IN_RULES
from django_clean_timestamps.context import preserve_timestamps, stamped_at, timestamp_context, without_events
from django_clean_timestamps.events.validation import Proposal, rules_in_force, validate
from django_clean_timestamps.exceptions import CleanTimestampsError, InvalidSettingError, InvalidTimestampError
from django_clean_timestamps.testing import capture_events
from tests.testapp.models import Careful, LongKey, Note, Seat, Spelled

pytestmark = pytest.mark.django_db

SECOND = timedelta(seconds=1)
CLOCK = "tests.stamping.standing_clock.clock"


def using(**settings):
    return override_settings(CLEAN_TIMESTAMPS={"CLOCK": CLOCK, **settings})


class Unchanged:
    """Asserts that a refused write leaves row, instance and transaction as they were."""

    def __init__(self, entity):
        self.entity = entity

    def look(self):
        entity = self.entity
        stored = list(type(entity)._base_manager.values())
        return stored, dict(entity.__dict__), entity._state.adding, entity._state.db, entity.get_domain_events()

    def __enter__(self):
        self.transaction = transaction.atomic()
        self.transaction.__enter__()
        self.captured = capture_events()
        self.events = self.captured.__enter__()
        self.before = self.look()

    def __exit__(self, *error):
        self.captured.__exit__(None, None, None)
        if error[0] is None:
            # Where the transaction is broken, looking raises.
            assert self.look() == self.before
            assert self.events == []
        self.transaction.__exit__(*error)


@pytest.fixture
def note(clock):
    Note.objects.create(title="a")
    clock.tick(3600)
    return Note.objects.get()


NAIVE = datetime(2025, 12, 31, 12)
WRONG_TIMES = {
    "naive": (NAIVE, "aware"),
    "text": ("2025-12-31", "aware"),
    "number": (5, "aware"),
    "expression": (F("created_at"), "aware"),
    "far in the future": (datetime(2026, 6, 1, tzinfo=UTC), "not_in_future"),
    "before created_at": (datetime(2025, 12, 31, tzinfo=UTC), "created_first"),
}


@pytest.mark.parametrize(("when", "code"), WRONG_TIMES.values(), ids=WRONG_TIMES)
@pytest.mark.parametrize("names", [None, ["title"], ["updated_at"]])
def test_a_wrong_updated_at_is_refused(note, when, code, names):
    note.updated_at, note.title = when, "b"
    with Unchanged(note):
        with pytest.raises(InvalidTimestampError, match=f"testapp.Note {note.pk}: updated_at") as caught:
            note.save(update_fields=names)
    assert caught.value.code == code


@pytest.mark.parametrize(("when", "code"), WRONG_TIMES.values(), ids=WRONG_TIMES)
def test_a_wrong_time_of_a_touch_is_refused(note, when, code):
    note.title = "b"
    with Unchanged(note):
        with pytest.raises(InvalidTimestampError, match=f"testapp.Note {note.pk}: ") as caught:
            note.touch(at=when)
    assert caught.value.code == code


@pytest.mark.parametrize("name", ["naive", "far in the future", "before created_at"])
@pytest.mark.parametrize("write", [lambda note: note.save(), lambda note: note.touch()], ids=["save", "touch"])
def test_a_wrong_stamped_at_is_refused(note, name, write):
    when, code = WRONG_TIMES[name]
    with stamped_at(when), Unchanged(note):
        with pytest.raises(InvalidTimestampError) as caught:
            write(note)
    assert caught.value.code == code


@pytest.mark.parametrize("name", ["naive", "text", "number", "expression", "far in the future"])
@pytest.mark.parametrize("stamp", ["created_at", "updated_at"])
def test_a_wrong_stamp_of_an_insert_is_refused(clock, name, stamp):
    when, code = WRONG_TIMES[name]
    note = Note(**{stamp: when})
    with Unchanged(note):
        with pytest.raises(InvalidTimestampError, match=rf"testapp.Note \(unsaved\): {stamp} is") as caught:
            note.save()
    assert caught.value.code == code


def test_stamped_at_takes_a_datetime():
    with pytest.raises(TypeError, match=r"stamped_at\(\) takes an aware datetime, not '2025'"):
        stamped_at("2025")


def test_an_instance_that_did_not_load_created_at_is_asked_about_in_the_row(note):
    for loose in (Note.objects.only("title").get(), Note(pk=note.pk)):
        loose.updated_at = note.created_at - SECOND
        with pytest.raises(InvalidTimestampError, match="before its created_at"):
            loose.save()
    deferred = Note.objects.only("title").get()
    with pytest.raises(InvalidTimestampError, match="before its created_at"):
        deferred.touch(at=note.created_at - SECOND)


def test_an_unsaved_created_at_does_not_open_the_way_for_an_earlier_touch(note):
    note.created_at = datetime(2000, 1, 1, tzinfo=UTC)
    with pytest.raises(InvalidTimestampError, match="before its created_at"):
        note.touch(at=datetime(2010, 1, 1, tzinfo=UTC))


def test_the_limit_of_the_future_is_a_setting(note, clock):
    with using(MAX_FUTURE_SECONDS=10):
        note.touch(at=clock.now + 10 * SECOND)
        with pytest.raises(InvalidTimestampError, match="more than 10 s ahead of the clock"):
            note.touch(at=clock.now + 10 * SECOND + timedelta(microseconds=1))
    with using(MAX_FUTURE_SECONDS=1e15):
        note.touch(at=datetime(9999, 1, 1, tzinfo=UTC))
    assert Note.objects.get().updated_at.year == 9999


def test_the_clocks_own_time_is_never_refused(note, clock):
    clock.tick(-1e9)
    note.save()
    note.touch()
    fresh = Note.objects.create()
    assert fresh.created_at == clock.now


TEXTS = [("reason", 200), ("actor", 150), ("correlation_id", 64)]


@pytest.mark.parametrize(("name", "limit"), TEXTS)
@pytest.mark.parametrize("write", [lambda note: note.save(), lambda note: note.touch()], ids=["save", "touch"])
def test_a_text_that_does_not_fit_is_refused_not_cut(note, name, limit, write):
    with timestamp_context(**{name: "ä" * (limit + 1)}), Unchanged(note):
        with pytest.raises(
            InvalidTimestampError, match=f"{name} has {limit + 1} characters; at most {limit} fit"
        ) as caught:
            write(note)
    assert caught.value.code == "text_fits"
    with timestamp_context(**{name: "ä" * limit}), capture_events() as events:
        write(note)
    assert getattr(events[0], name) == "ä" * limit


def test_a_reason_that_does_not_fit_is_refused_by_touch(note):
    with Unchanged(note):
        with pytest.raises(InvalidTimestampError, match="reason has 201 characters"):
            note.touch("x" * 201)


def test_an_insert_with_a_text_that_does_not_fit_is_refused(clock):
    note = Note()
    with timestamp_context(reason="x" * 201), Unchanged(note):
        with pytest.raises(InvalidTimestampError):
            note.save()


def test_the_refusal_is_a_validation_error_of_ours(note):
    with pytest.raises(InvalidTimestampError) as caught:
        note.touch(at=NAIVE)
    assert isinstance(caught.value, ValidationError)
    assert isinstance(caught.value, CleanTimestampsError)


def test_an_entity_id_that_does_not_fit_is_refused_before_the_write(clock):
    long = LongKey(code="x" * 201)
    with Unchanged(long):
        with pytest.raises(InvalidTimestampError, match=r"has 201 characters; at most 200 fit") as caught:
            long.save()
    assert caught.value.code == "entity_id_fits"
    with without_events():
        long.save()
    with Unchanged(long):
        with pytest.raises(InvalidTimestampError):
            long.touch()
    LongKey.objects.create(code="x" * 200)
    assert LongKey.objects.count() == 2


def test_an_own_entity_id_that_does_not_fit_is_refused_before_an_update(clock):
    spelled = Spelled.objects.create(name="a")
    spelled.name = "x" * 201
    with Unchanged(spelled):
        with pytest.raises(InvalidTimestampError):
            spelled.save()


def test_an_own_entity_id_of_a_row_without_a_key_is_refused_when_it_is_known(clock):
    spelled = Spelled(name="x" * 201)
    with pytest.raises(InvalidTimestampError), transaction.atomic():
        spelled.save()
    assert (spelled.pk, spelled.created_at, spelled._state.adding) == (None, None, True)
    assert not Spelled.objects.exists()


# Rules.


def test_a_rule_of_the_project_is_asked_too(note):
    with using(RULES=[*BUILT_IN_RULES, "tests.stamping.rules.NO_SECRETS"]), Unchanged(note):
        with pytest.raises(InvalidTimestampError, match=r"testapp\.Note: the reason tells a secret") as caught:
            note.touch("a secret")
        assert caught.value.code == "no_secrets"
    with using(RULES=[*BUILT_IN_RULES, "tests.stamping.rules.NO_SECRETS"]):
        note.touch("a reason")


def test_a_rule_about_every_write_is_asked_where_nothing_was_given(note):
    with using(RULES=["tests.stamping.rules.NO_NOTES"]), Unchanged(note):
        for write in (note.save, note.touch):
            with pytest.raises(InvalidTimestampError, match="notes are closed"):
                write()
    Seat.objects.create(row=1, number=1)


@pytest.mark.parametrize("left_out", BUILT_IN_RULES)
def test_a_rule_can_be_left_out(note, left_out):
    rules = [path for path in BUILT_IN_RULES if path != left_out]
    wrong = {
        "AWARE": lambda: validate(Proposal(subject="x", updated_at=NAIVE, created_at=NAIVE, given=(("at", NAIVE),))),
        "NOT_IN_FUTURE": lambda: note.touch(at=datetime(2026, 6, 1, tzinfo=UTC)),
        "CREATED_FIRST": lambda: note.touch(at=datetime(2025, 6, 1, tzinfo=UTC)),
        "TEXT_FITS": lambda: note.touch("x" * 201),
    }
    name = left_out.rpartition(".")[2]
    for other, write in wrong.items():
        with using(RULES=rules):
            if other == name:
                write()
            elif not (name == "AWARE" and other == "AWARE"):
                note = Note.objects.create()
                with pytest.raises(InvalidTimestampError):
                    write()


def test_without_rules_nothing_is_asked(note):
    with using(RULES=[]):
        note.touch("x" * 300, at=datetime(2000, 1, 1, tzinfo=UTC))
        assert rules_in_force(times=True, texts=True) == ()


@pytest.mark.parametrize("path", ["tests.stamping.rules.NOTHING", "nowhere.RULE", "tests.stamping.rules.NO_RULE"])
def test_a_rule_that_cannot_be_used_is_named(note, path):
    with using(RULES=[path]), pytest.raises(InvalidSettingError, match=rf"RULES.*{path}"):
        note.save()


# The entity's own validation.


@pytest.mark.parametrize("write", [lambda one: one.save(), lambda one: one.touch()], ids=["save", "touch"])
def test_validate_entity_stops_the_write(clock, write):
    careful = Careful.objects.create(name="a")
    careful.name = "forbidden"
    with Unchanged(careful):
        with pytest.raises(ValidationError, match="this name is forbidden"):
            write(careful)


def test_validate_entity_stops_an_insert(clock):
    careful = Careful(name="forbidden")
    with Unchanged(careful):
        with pytest.raises(ValidationError, match="this name is forbidden"):
            careful.save()


def test_validate_entity_is_asked_once_a_write(clock, monkeypatch):
    asked = []
    monkeypatch.setattr(Note, "_validate_entity", lambda self: asked.append(self.title))
    note = Note.objects.create(title="a")
    note.title = "b"
    note.save()
    note.touch()
    assert asked == ["a", "b", "b"]


def test_full_clean_of_an_unsaved_entity_does_not_ask_for_its_stamps():
    Note(title="a", seen_at=datetime(2026, 1, 1, tzinfo=UTC), day=datetime(2026, 1, 1, tzinfo=UTC)).full_clean()


def test_full_clean_of_a_saved_entity_gives_no_stamps(note, clock):
    note.seen_at, note.day = clock.now, clock.now.date()
    note.full_clean()
    note.save()
    assert Note.objects.get().updated_at == clock.now


def test_preserve_timestamps_does_not_switch_the_rules_off(note):
    note.created_at = NAIVE
    with preserve_timestamps(), Unchanged(note):
        with pytest.raises(InvalidTimestampError):
            note.save()


@pytest.mark.parametrize("reason", ["a\0b", "ä\0", "half \ud83d"])
def test_a_text_that_no_database_can_store_is_refused_before_anything_is_written(reason):
    note = Note.objects.create()
    with pytest.raises(InvalidTimestampError, match=r"reason is .* which no database can store") as caught:
        note.touch(reason)
    assert caught.value.code == "text_fits"
    note.touch("plain, and 😀")
