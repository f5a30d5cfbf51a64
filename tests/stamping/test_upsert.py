from datetime import UTC, datetime, timedelta

import pytest
from asgiref.sync import async_to_sync
from django.core.exceptions import FieldDoesNotExist
from django.db import connection, transaction

from django_clean_timestamps.context import preserve_timestamps, stamped_at
from django_clean_timestamps.exceptions import ImmutableTimestampError
from tests.testapp.models import Membership, Note, Product, Project, Seat, Tag

pytestmark = pytest.mark.django_db(databases=["default", "other"])

TICK = timedelta(microseconds=1)
EARLIER = datetime(2025, 6, 1, 12, 30, 15, 123456, tzinfo=UTC)


@pytest.fixture(params=["returning", "no returning"])
def returning(request, monkeypatch, vendor):
    """Whether the database has RETURNING; MySQL proper has not, which MariaDB can play."""
    if request.param == "no returning":
        if vendor != "mysql":
            pytest.skip("played by MariaDB")
        for feature in ("can_return_rows_from_bulk_insert", "can_return_columns_from_insert"):
            monkeypatch.setattr(type(connection.features), feature, False)
    return request.param == "returning"


def upsert(entities, fields=("name",), unique=("name",), **options):
    model = type(entities[0])
    target = connection.features.supports_update_conflicts_with_target
    return model.objects.bulk_create(
        entities,
        update_conflicts=True,
        update_fields=list(fields),
        unique_fields=list(unique) if target else None,
        **options,
    )


def stamps():
    return {tag.name: (tag.created_at, tag.updated_at) for tag in Tag.objects.all()}


def keys():
    return {tag.name: tag.pk for tag in Tag.objects.all()}


def test_new_rows_are_stamped_as_an_insert_and_existing_ones_as_an_update(clock, audience, returning):
    old = Tag.objects.create(name="a")
    now = clock.tick(60)
    tags = [Tag(name="a"), Tag(name="b")]
    with audience.listening() as heard:
        assert upsert(tags) == tags
    assert stamps() == {"a": (old.created_at, now), "b": (now, now)}
    heard.are_in_any_order([f"updated tag {old.pk}", f"created tag {keys()['b']}"])
    for event in heard:
        if event.event_type == "timestamp_updated":
            assert (event.old_timestamp, event.new_timestamp, event.occurred_at) == (None, now, now)
        else:
            assert event.created_timestamp == event.occurred_at == now
    if returning:
        assert [(tag.created_at, tag.updated_at) for tag in tags] == [(old.created_at, now), (now, now)]
        assert [tag.pk for tag in tags] == [old.pk, keys()["b"]]


def test_an_existing_row_strictly_increases_when_the_clock_goes_back(clock, audience, returning):
    old = Tag.objects.create(name="a")
    now = clock.tick(-60)
    tags = [Tag(name="a"), Tag(name="b")]
    with audience.listening() as heard:
        upsert(tags)
    assert stamps() == {"a": (old.created_at, old.updated_at + TICK), "b": (now, now)}
    heard.are_in_any_order([f"updated tag {old.pk}", f"created tag {keys()['b']}"])
    heard.agree_with(Tag.objects.all())
    if returning:
        assert tags[0].updated_at == old.updated_at + TICK


def test_an_existing_row_is_known_when_the_clock_stands_still(clock, audience, returning):
    old = Tag.objects.create(name="a")
    with audience.listening() as heard:
        upsert([Tag(name="a")])
        upsert([Tag(name="a")])
    assert stamps() == {"a": (old.created_at, old.updated_at + 2 * TICK)}
    heard.are(*[f"updated tag {old.pk}"] * 2)


def test_a_created_at_given_for_the_insert_does_not_reach_the_existing_row(clock, audience, returning):
    old = Tag.objects.create(name="a")
    now = clock.tick(60)
    with audience.listening() as heard:
        upsert([Tag(name="a", created_at=EARLIER), Tag(name="b", created_at=EARLIER)])
    assert stamps() == {"a": (old.created_at, now), "b": (EARLIER, EARLIER)}
    heard.agree_with(Tag.objects.all())


def test_an_import_that_is_run_again_updates_its_rows(clock, audience, returning):
    with audience.listening() as heard:
        upsert([Tag(name="a", created_at=EARLIER)])
        now = clock.tick(60)
        upsert([Tag(name="a", created_at=EARLIER)])
    assert stamps() == {"a": (EARLIER, now)}
    heard.are(f"created tag {keys()['a']}", f"updated tag {keys()['a']}")


def test_an_updated_at_given_for_the_insert_does_not_reach_the_existing_row(clock, audience, returning):
    old = Tag.objects.create(name="a")
    given = clock.now - timedelta(seconds=5)
    now = clock.tick(60)
    with audience.listening() as heard:
        upsert([Tag(name="a", updated_at=given), Tag(name="b", updated_at=given)])
    assert stamps() == {"a": (old.created_at, now), "b": (given, given)}
    heard.agree_with(Tag.objects.all())


def test_an_explicit_updated_at_in_update_fields_wins(clock, audience, returning):
    old = Tag.objects.create(name="a")
    Tag.objects.create(name="b")
    given = old.created_at + TICK
    now = clock.tick(60)
    with audience.listening() as heard:
        for _ in range(2):
            upsert([Tag(name="a", created_at=EARLIER, updated_at=given)], ["name", "updated_at"])
    assert stamps()["a"] == (old.created_at, given)
    heard.are(*[f"updated tag {old.pk}"] * 2)
    with audience.listening() as heard:
        upsert([Tag(name="a", updated_at=given), Tag(name="b")], ["updated_at"])
    assert stamps() == {"a": (old.created_at, given), "b": (old.created_at, now)}
    heard.agree_with(Tag.objects.all())


def test_an_explicit_updated_at_from_the_clock_strictly_increases(clock, audience, returning):
    old = Tag.objects.create(name="a")
    clock.tick(-60)
    with audience.listening() as heard:
        upsert([Tag(name="a")], ["updated_at"])
    assert stamps() == {"a": (old.created_at, old.updated_at + TICK)}
    heard.are(f"updated tag {old.pk}")
    heard.agree_with(Tag.objects.all())


def test_both_stamps_given_again_are_an_update(clock, audience, returning):
    given = {"created_at": EARLIER, "updated_at": EARLIER + TICK}
    with audience.listening() as heard:
        upsert([Tag(name="a", **given)], ["updated_at"])
        upsert([Tag(name="a", **given)], ["updated_at"])
    assert stamps() == {"a": (EARLIER, EARLIER + TICK)}
    heard.are(f"created tag {keys()['a']}", f"updated tag {keys()['a']}")


def test_stamped_at_is_written_exactly_and_twice_the_same(clock, audience, returning):
    Tag.objects.create(name="a", created_at=EARLIER)
    moment = EARLIER + TICK
    with audience.listening() as heard, stamped_at(moment):
        upsert([Tag(name="a"), Tag(name="b")])
        upsert([Tag(name="a"), Tag(name="b")])
    assert stamps() == {"a": (EARLIER, moment), "b": (moment, moment)}
    a, b = keys()["a"], keys()["b"]
    heard.are_in_any_order([f"updated tag {a}", f"created tag {b}", f"updated tag {a}", f"updated tag {b}"])


def test_preserve_timestamps_leaves_existing_rows_stamps_alone(clock, audience, returning):
    old = Tag.objects.create(name="a")
    now = clock.tick(60)
    with audience.listening() as heard, preserve_timestamps():
        upsert([Tag(name="a"), Tag(name="b")])
    assert stamps() == {"a": (old.created_at, old.updated_at), "b": (now, now)}
    heard.are_in_any_order([f"updated tag {old.pk}", f"created tag {keys()['b']}"])


def test_preserve_timestamps_corrects_created_at(clock, audience, returning):
    old = Tag.objects.create(name="a")
    with audience.listening() as heard, preserve_timestamps():
        upsert([Tag(name="a", created_at=EARLIER, updated_at=old.updated_at)], ["created_at"])
    assert stamps() == {"a": (EARLIER, old.updated_at)}
    heard.are(f"updated tag {old.pk}")


def test_created_at_in_update_fields_is_refused_before_anything_is_written(clock, audience, queries):
    Tag.objects.create(name="a")
    with audience.listening() as heard, queries() as statements, pytest.raises(ImmutableTimestampError):
        upsert([Tag(name="a")], ["name", "created_at"])
    assert statements.texts == []
    heard.are()


@pytest.mark.parametrize("policy", ["warn", "ignore"])
def test_a_milder_policy_leaves_created_at_out(clock, audience, settings, policy, recwarn):
    old = Tag.objects.create(name="a")
    settings.CLEAN_TIMESTAMPS = {**settings.CLEAN_TIMESTAMPS, "CREATED_AT_POLICY": policy}
    now = clock.tick()
    with audience.listening() as heard:
        if policy == "warn":
            with pytest.warns(RuntimeWarning, match="created_at"):
                upsert([Tag(name="a", created_at=EARLIER)], ["created_at"])
        else:
            upsert([Tag(name="a", created_at=EARLIER)], ["created_at"])
    assert stamps() == {"a": (old.created_at, now)}
    heard.are(f"updated tag {old.pk}")
    assert not recwarn.list


def test_what_django_refuses_leaves_the_transaction_usable(audience):
    with transaction.atomic():
        for fields, error in (([], ValueError), (["nothing"], FieldDoesNotExist), (["id"], ValueError)):
            with audience.listening() as heard, pytest.raises(error):
                upsert([Tag(name="a")], fields)
            heard.are()
        assert Tag.objects.count() == 0


def test_the_same_row_twice_is_an_insert_and_an_update(clock, audience, returning, vendor):
    if vendor == "postgresql":
        pytest.skip("PostgreSQL refuses it")
    with audience.listening() as heard:
        upsert([Tag(name="a"), Tag(name="a")])
    assert stamps() == {"a": (clock.now, clock.now + TICK)}
    if returning:
        heard.are(f"created tag {keys()['a']}", f"updated tag {keys()['a']}")


def test_batches_share_one_reading(audience, returning):
    for name in "ace":
        Tag.objects.create(name=name)
    with audience.listening() as heard:
        upsert([Tag(name=name) for name in "abcdef"], batch_size=2)
    assert len({updated for _, updated in stamps().values()}) == 1
    created = {event.entity_id for event in heard if event.event_type == "timestamp_created"}
    if heard.is_told:
        assert created == {str(keys()[name]) for name in "bdf"}
        assert len(heard) == 6


def test_keys_of_the_callers_own(clock, audience, returning):
    Seat.objects.create(row=1, number=1)
    Product.objects.create(sku="A")
    now = clock.tick()
    with audience.listening() as heard:
        upsert([Seat(row=1, number=1, guest="x"), Seat(row=1, number=2)], ["guest"], ["row", "number"])
        upsert([Product(sku="A", price=1), Product(sku="B")], ["price"], ["sku"])
    assert {seat.updated_at for seat in Seat.objects.all()} == {now}
    heard.are_in_any_order(
        ["updated seat (1, 1)", "created seat (1, 2)", "updated product sku-A", "created product sku-B"]
    )


def test_a_primary_key_is_a_unique_field_too(clock, audience, returning):
    note = Note.objects.create(title="a")
    now = clock.tick()
    with audience.listening() as heard:
        upsert([Note(pk=note.pk, title="b")], ["title"], ["pk"])
    stored = Note.objects.get()
    assert (stored.title, stored.created_at, stored.updated_at) == ("b", note.created_at, now)
    heard.are(f"updated note {note.pk}")


def test_a_constraint_over_several_fields(clock, audience, returning):
    project = Project.objects.create()
    old = Membership.objects.create(project=project, user="a")
    with audience.listening() as heard:
        upsert(
            [Membership(project=project, user="a", role="x"), Membership(project=project, user="b")],
            ["role"],
            ["project", "user"],
        )
    new = Membership.objects.get(user="b")
    assert sorted(name for name in heard.names if "project" not in name) == sorted(
        [f"updated membership {old.pk}", f"created membership {new.pk}"] * heard.is_told
    )


def test_the_parents_of_all_rows_are_touched(clock, audience, returning):
    first, second = Project.objects.create(), Project.objects.create()
    Membership.objects.create(project=first, user="a")
    now = clock.tick()
    with audience.listening():
        upsert(
            [Membership(project=first, user="a", role="x"), Membership(project=second, user="b")],
            ["role"],
            ["project", "user"],
        )
    assert {project.updated_at for project in Project.objects.all()} == {now}


def test_a_parent_that_did_not_reach_the_existing_row_is_not_taken_for_its_own(clock):
    first, second = Project.objects.create(name="first"), Project.objects.create(name="second")
    membership = Membership.objects.create(project=first, user="a", number=1)
    copy = Membership(pk=membership.pk, project=second, user="a", number=1)
    upsert([copy], ["role"], ["pk"])
    now = clock.tick()
    copy.save()
    assert {project.updated_at for project in Project.objects.all()} == {now}


def test_the_async_form(clock, audience):
    old = Tag.objects.create(name="a")
    target = connection.features.supports_update_conflicts_with_target
    with audience.listening() as heard:
        async_to_sync(Tag.objects.all().abulk_create)(
            [Tag(name="a")],
            update_conflicts=True,
            update_fields=["name"],
            unique_fields=["name"] if target else None,
        )
    heard.are(f"updated tag {old.pk}")


@pytest.mark.parametrize("name", ["EXCLUDED.updated_at", "%s", "a, b"])
def test_text_that_looks_like_sql_does_no_harm(clock, audience, name):
    old = Tag.objects.create(name=name)
    now = clock.tick()
    with audience.listening():
        upsert([Tag(name=name)])
    assert stamps() == {name: (old.created_at, now)}
