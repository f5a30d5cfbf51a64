"""django-model-utils: trackers, soft deletion, states, inheritance, its own stamps."""

import warnings
from datetime import UTC, datetime

import pytest
from django.core.exceptions import ValidationError
from django.db.models.signals import post_delete
from django.test.utils import isolate_apps
from model_utils.models import SoftDeletableModel

from django_clean_timestamps.checks.entities import check_managers
from django_clean_timestamps.models import BaseTimestampEntity
from django_clean_timestamps.testing import capture_events
from tests.beside.stories import stamps, told
from tests.besideapp.models import (
    Bar,
    Place,
    Restaurant,
    SoftFirst,
    SoftLast,
    StatusFirst,
    StatusLast,
    TimeStampedFirst,
    TimeStampedLast,
    Tracked,
    TrackedName,
)

pytestmark = pytest.mark.django_db

both_orders_of_removal = pytest.mark.parametrize("model", [SoftFirst, SoftLast])
both_orders_of_status = pytest.mark.parametrize("model", [StatusFirst, StatusLast])
both_orders_of_stamps = pytest.mark.parametrize("model", [TimeStampedFirst, TimeStampedLast])
A_MOMENT = datetime(2020, 2, 2, tzinfo=UTC)


# FieldTracker


def test_a_tracker_sees_no_change_after_a_create():
    assert Tracked.objects.create(name="a").tracker.changed() == {}


def test_a_tracker_sees_no_change_after_a_save():
    entity = Tracked.objects.create(name="a")
    entity.name = "b"
    entity.save()
    assert entity.tracker.changed() == {}


def test_a_tracker_sees_no_change_of_a_stamp_after_a_save_of_some_fields():
    entity = Tracked.objects.create(name="a")
    entity.name = "b"
    entity.save(update_fields=["name"])
    assert entity.tracker.changed() == {}
    assert entity.tracker.previous("updated_at") == entity.updated_at


def test_a_tracker_still_sees_what_a_save_of_some_fields_left_unsaved():
    entity = Tracked.objects.create(name="a")
    entity.name, entity.seen_at = "b", A_MOMENT
    entity.save(update_fields=["name"])
    assert entity.tracker.changed() == {"seen_at": None}


def test_a_tracker_sees_no_change_of_the_stamp_after_a_touch():
    entity = Tracked.objects.create(name="a")
    entity.touch("reviewed")
    assert entity.tracker.changed() == {}
    assert entity.tracker.previous("updated_at") == entity.updated_at == stamps(entity)[1]


def test_a_tracker_sees_no_change_of_the_other_fields_that_a_touch_moved():
    entity = Tracked.objects.create(name="a")
    entity.touch(fields=["seen_at"])
    assert entity.tracker.changed() == {}


def test_a_tracker_still_sees_what_a_touch_left_unsaved():
    entity = Tracked.objects.create(name="a")
    entity.name = "b"
    entity.touch()
    assert entity.tracker.changed() == {"name": "a"}


def test_a_tracker_that_does_not_know_the_stamps_survives_save_and_touch():
    entity = TrackedName.objects.create(name="a")
    entity.name = "b"
    entity.touch()
    assert entity.tracker.changed() == {"name": "a"}
    entity.save(update_fields=["name"])
    assert entity.tracker.changed() == {}


def test_a_tracker_sees_no_change_after_a_refresh():
    entity = Tracked.objects.create(name="a")
    Tracked.objects.update(name="b")
    entity.refresh_from_db()
    assert entity.tracker.changed() == {}
    assert entity.tracker.previous("name") == "b"


def test_a_tracker_of_a_deferred_instance_stays_in_step_after_a_touch():
    key = Tracked.objects.create(name="a").pk
    entity = Tracked.objects.only("name").get(pk=key)
    entity.touch()
    assert entity.tracker.changed() == {}


def test_a_tracker_sees_a_given_stamp_as_a_change_until_it_is_saved():
    entity = Tracked.objects.create(name="a")
    before, given = entity.updated_at, datetime.now(UTC)
    entity.updated_at = given
    assert entity.tracker.changed() == {"updated_at": before}
    entity.save()
    assert entity.tracker.changed() == {}
    assert stamps(entity)[1] == given


def test_a_tracker_takes_a_save_that_failed_for_saved():
    # FieldTracker resets at the end of save_base(), whether it raised or not, of any model.
    entity = Tracked.objects.create(name="a")
    before = entity.updated_at
    entity.name, entity.updated_at = "b", datetime(1970, 1, 1, tzinfo=UTC)
    with pytest.raises(ValidationError):
        entity.save()
    assert not entity.tracker.has_changed("name")
    assert stamps(entity)[1] == before


def test_a_tracker_does_not_see_that_a_bulk_update_saved():
    # As with every field: FieldTracker hooks save() and refresh_from_db() alone.
    entity = Tracked.objects.create(name="a")
    entity.name = "b"
    Tracked.objects.bulk_update([entity], ["name"])
    assert set(entity.tracker.changed()) == {"name", "updated_at"}


# SoftDeletableModel


@both_orders_of_removal
def test_a_soft_deletion_is_an_update(model):
    entity = model.all_objects.create(name="a")
    created_at, before = stamps(entity)
    with capture_events() as events:
        entity.delete()
    assert told(events) == [("updated", model._meta.model_name, str(entity.pk))]
    assert model.all_objects.get().is_removed
    assert stamps(entity)[0] == created_at
    assert stamps(entity)[1] > before


@both_orders_of_removal
def test_a_hard_deletion_is_a_deletion(model):
    entity = model.all_objects.create(name="a")
    key = str(entity.pk)
    with capture_events() as events:
        assert entity.delete(soft=False) == (1, {model._meta.label: 1})
    assert told(events) == [("deleted", model._meta.model_name, key)]
    assert not model.all_objects.exists()


@both_orders_of_removal
def test_a_soft_deletion_leaves_the_instance_its_key(model):
    entity = model.all_objects.create(name="a")
    key = entity.pk
    entity.delete()
    assert entity.pk == key


@both_orders_of_removal
def test_a_soft_deletion_returns_nothing_as_model_utils_has_it(model):
    assert model.all_objects.create(name="a").delete() is None


@both_orders_of_removal
def test_available_objects_are_those_not_removed(model):
    kept, removed = model.all_objects.create(name="kept"), model.all_objects.create(name="removed")
    removed.delete()
    assert list(model.available_objects.all()) == [kept]


@both_orders_of_removal
def test_a_soft_deletion_of_a_queryset_stamps_and_records_updates(model):
    entities = [model.all_objects.create(name=name) for name in "ab"]
    before = [stamps(entity) for entity in entities]
    with capture_events() as events:
        assert model.available_objects.all().delete() == (2, {model._meta.label: 2})
    assert told(events) == [("updated", model._meta.model_name, str(entity.pk)) for entity in entities]
    assert model.all_objects.filter(is_removed=True).count() == 2
    for entity, (created_at, updated_at) in zip(entities, before, strict=True):
        assert stamps(entity)[0] == created_at
        assert stamps(entity)[1] > updated_at


@both_orders_of_removal
def test_a_deletion_through_all_objects_is_a_deletion(model):
    key = str(model.all_objects.create(name="a").pk)
    with capture_events() as events:
        model.all_objects.all().delete()
    assert told(events) == [("deleted", model._meta.model_name, key)]


@both_orders_of_removal
def test_an_update_through_available_objects_stamps(model):
    entity = model.all_objects.create(name="a")
    model.available_objects.update(name="b")
    assert stamps(entity)[1] > entity.updated_at


def test_objects_of_a_removable_entity_leaves_the_removed_out_when_its_base_comes_first():
    SoftFirst.all_objects.create(name="a").delete()
    assert SoftFirst.objects.count() == 0


def test_objects_of_a_removable_entity_holds_the_removed_when_our_base_comes_first():
    # Python's order: "objects" is that of the first base.
    SoftLast.all_objects.create(name="a").delete()
    assert SoftLast.objects.count() == 1


@isolate_apps("tests.besideapp")
def test_the_system_checks_do_not_ask_for_the_warning_of_the_inherited_manager():
    class Inherited(SoftDeletableModel, BaseTimestampEntity):  # type: ignore[misc]
        class Meta:
            app_label = "besideapp"

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert list(check_managers(Inherited)) == []
    assert caught == []


# StatusModel


@both_orders_of_status
def test_a_change_of_status_stamps(model):
    entity = model.objects.create(status="draft")
    before = entity.updated_at
    entity.status = "sent"
    with capture_events() as events:
        entity.save(update_fields=["status"])
    assert told(events) == [("updated", model._meta.model_name, str(entity.pk))]
    assert stamps(entity) == (entity.created_at, entity.updated_at)
    assert entity.updated_at > before


@both_orders_of_status
def test_a_change_of_status_still_moves_status_changed(model):
    entity = model.objects.create(status="draft")
    before = entity.status_changed
    entity.status = "sent"
    entity.save(update_fields=["status"])
    entity.refresh_from_db()
    assert entity.status_changed > before


@both_orders_of_status
def test_a_touch_leaves_status_changed_alone(model):
    entity = model.objects.create(status="draft")
    before = entity.status_changed
    entity.touch()
    entity.refresh_from_db()
    assert entity.status_changed == before


@both_orders_of_status
def test_the_manager_of_a_status_stamps(model):
    draft, sent = model.objects.create(status="draft"), model.objects.create(status="sent")
    with capture_events() as events:
        assert model.draft.update(status="sent") == 1
    assert told(events) == [("updated", model._meta.model_name, str(draft.pk))]
    assert stamps(draft)[1] > draft.updated_at
    assert stamps(sent)[1] == sent.updated_at


@both_orders_of_status
def test_the_manager_of_a_status_touches(model):
    draft = model.objects.create(status="draft")
    assert model.draft.all().touch("reviewed") == 1
    assert stamps(draft)[1] > draft.updated_at


# InheritanceManager


@pytest.fixture
def places():
    return [
        Place.objects.create(name="park"),
        Restaurant.objects.create(name="inn"),
        Bar.objects.create(name="pub"),
    ]


def test_select_subclasses_returns_instances_of_the_subclasses(places):
    assert list(Place.objects.select_subclasses().order_by("pk")) == places


def test_an_instance_from_select_subclasses_knows_its_stamps(places):
    restaurant = Place.objects.select_subclasses().get(name="inn")
    assert (restaurant.created_at, restaurant.updated_at) == stamps(restaurant)


def test_an_instance_from_select_subclasses_saves_with_its_created_at(places):
    restaurant = Place.objects.select_subclasses().get(name="inn")
    created_at, before = stamps(restaurant)
    restaurant.seats = 7
    with capture_events() as events:
        restaurant.save()
    assert told(events) == [("updated", "restaurant", str(restaurant.pk))]
    assert stamps(restaurant)[0] == created_at
    assert stamps(restaurant)[1] > before


def test_an_instance_from_select_subclasses_is_touched(places):
    bar = Place.objects.get_subclass(name="pub")
    before = bar.updated_at
    bar.touch()
    assert stamps(bar)[1] == bar.updated_at > before


def test_an_update_through_an_inheritance_manager_stamps_each_row_once(places):
    with capture_events() as events:
        Place.objects.update(name="closed")
    assert told(events) == [("updated", "place", str(place.pk)) for place in places]
    assert all(stamps(place)[1] > place.updated_at for place in places)


def test_a_deletion_through_select_subclasses_records_each_row_once(places):
    keys = [str(place.pk) for place in places]
    with capture_events() as events:
        Place.objects.select_subclasses().delete()
    assert sorted(told(events)) == sorted(
        [("deleted", "place", keys[0]), ("deleted", "restaurant", keys[1]), ("deleted", "bar", keys[2])]
    )


def test_a_deletion_from_a_receiver_of_another_leaves_each_row_recorded_once(places):
    _, restaurant, bar = places
    keys = [str(restaurant.pk), str(bar.pk)]
    Place.objects.create().delete()

    def close_the_bar(sender, **_):
        Bar.objects.get(pk=bar.pk).delete()

    post_delete.connect(close_the_bar, sender=Restaurant)
    try:
        with capture_events() as events:
            restaurant.delete()
    finally:
        post_delete.disconnect(close_the_bar, sender=Restaurant)
    assert sorted(told(events)) == [("deleted", "bar", keys[1]), ("deleted", "restaurant", keys[0])]


# TimeStampedModel


@both_orders_of_stamps
def test_model_utils_own_stamps_live_beside_ours(model):
    entity = model.objects.create(name="a")
    before = (entity.modified, entity.updated_at)
    entity.name = "b"
    entity.save(update_fields=["name"])
    entity.refresh_from_db()
    assert entity.modified > before[0]
    assert entity.updated_at > before[1]


@both_orders_of_stamps
def test_a_touch_can_move_model_utils_stamp_along(model):
    entity = model.objects.create(name="a")
    entity.touch(fields=["modified"])
    entity.refresh_from_db()
    assert entity.modified == entity.updated_at
