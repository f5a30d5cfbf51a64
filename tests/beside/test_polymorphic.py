"""django-polymorphic: real classes come back from every queryset, and each row is written once."""

import pytest
from django.db.models import F

from django_clean_timestamps.testing import capture_events
from tests.beside.stories import stamps, told
from tests.besideapp.models import (
    CircleFirst,
    CircleLast,
    CircleUnnamed,
    Drawing,
    ShapeFirst,
    ShapeLast,
    ShapeUnnamed,
    SquareFirst,
    SquareLast,
)

pytestmark = pytest.mark.django_db

both_orders = pytest.mark.parametrize(
    ("shapes", "circles", "squares"),
    [(ShapeFirst, CircleFirst, SquareFirst), (ShapeLast, CircleLast, SquareLast)],
    ids=["polymorphic first", "entity first"],
)


def name_of(model):
    return model._meta.model_name


@pytest.fixture
def drawn(shapes, circles, squares):
    return [shapes.objects.create(name="blob"), circles.objects.create(name="sun"), squares.objects.create(name="box")]


@both_orders
def test_a_creation_is_recorded_once_under_the_real_class(shapes, circles, squares):
    with capture_events() as events:
        circle = circles.objects.create(name="sun")
    assert told(events) == [("created", name_of(circles), str(circle.pk))]
    assert circle.created_at == circle.updated_at
    assert stamps(circle) == (circle.created_at, circle.updated_at)


@both_orders
def test_a_queryset_returns_the_real_classes(shapes, circles, squares, drawn):
    assert [type(shape) for shape in shapes.objects.order_by("pk")] == [shapes, circles, squares]


@both_orders
def test_a_queryset_that_was_filtered_by_a_stamp_returns_the_real_classes(shapes, circles, squares, drawn):
    found = shapes.objects.all().updated_between(drawn[0].updated_at, drawn[2].updated_at).order_by("pk")
    assert [type(shape) for shape in found] == [shapes, circles, squares]


@both_orders
def test_a_real_instance_knows_its_stamps(shapes, circles, squares, drawn):
    for shape in shapes.objects.all():
        assert (shape.created_at, shape.updated_at) == stamps(shape)


@both_orders
def test_a_save_of_a_real_instance_stamps_and_keeps_created_at(shapes, circles, squares, drawn):
    circle = shapes.objects.get(name="sun")
    created_at, before = stamps(circle)
    circle.radius = 7
    with capture_events() as events:
        circle.save()
    assert told(events) == [("updated", name_of(circles), str(circle.pk))]
    assert events[0].old_timestamp == before
    assert stamps(circle)[0] == created_at
    assert stamps(circle)[1] == circle.updated_at > before


@both_orders
def test_a_save_of_the_childs_own_field_stamps(shapes, circles, squares, drawn):
    circle = shapes.objects.get(name="sun")
    before = circle.updated_at
    circle.radius = 7
    circle.save(update_fields=["radius"])
    assert stamps(circle)[1] > before


@both_orders
def test_a_touch_of_a_real_instance_is_recorded_under_its_class(shapes, circles, squares, drawn):
    circle = shapes.objects.get(name="sun")
    before = circle.updated_at
    with capture_events() as events:
        circle.touch("reviewed")
    assert told(events) == [("updated", name_of(circles), str(circle.pk))]
    assert stamps(circle)[1] == circle.updated_at > before


@both_orders
def test_an_update_is_recorded_once_for_each_row(shapes, circles, squares, drawn):
    with capture_events() as events:
        assert shapes.objects.update(name="same") == 3
    # Under the class it was written through, as any update of a multi-table parent.
    assert told(events) == [("updated", name_of(shapes), str(shape.pk)) for shape in drawn]
    assert all(stamps(shape)[1] > shape.updated_at for shape in drawn)
    assert all(stamps(shape)[0] == shape.created_at for shape in drawn)


@both_orders
def test_an_update_of_the_childs_own_field_stamps_the_parents_row(shapes, circles, squares, drawn):
    circle = drawn[1]
    with capture_events() as events:
        assert circles.objects.update(radius=F("radius") + 1) == 1
    assert told(events) == [("updated", name_of(circles), str(circle.pk))]
    assert stamps(circle)[1] > circle.updated_at


@both_orders
def test_a_touch_of_a_queryset_stamps_every_class(shapes, circles, squares, drawn):
    assert shapes.objects.all().touch("reviewed") == 3
    assert all(stamps(shape)[1] > shape.updated_at for shape in drawn)


@both_orders
def test_an_update_of_the_rows_of_one_class_leaves_the_others(shapes, circles, squares, drawn):
    assert shapes.objects.instance_of(circles).update(name="round") == 1
    assert [stamps(shape)[1] > shape.updated_at for shape in drawn] == [False, True, False]


@both_orders
def test_a_queryset_that_was_updated_returns_the_real_classes(shapes, circles, squares, drawn):
    queryset = shapes.objects.order_by("pk")
    with capture_events():
        queryset.update(name="same")
    assert [type(shape) for shape in queryset] == [shapes, circles, squares]


@both_orders
def test_a_bulk_update_of_several_classes_stamps_them(shapes, circles, squares, drawn):
    found = list(shapes.objects.order_by("pk"))
    for shape in found:
        shape.name = "same"
    with capture_events() as events:
        assert shapes.objects.bulk_update(found, ["name"]) == 3
    assert told(events) == [("updated", name_of(shapes), str(shape.pk)) for shape in drawn]
    assert [stamps(shape)[1] for shape in drawn] == [shape.updated_at for shape in found]


@both_orders
def test_a_bulk_create_of_the_base_class_stamps_and_knows_its_class(shapes, circles, squares):
    with capture_events() as events:
        made = shapes.objects.bulk_create([shapes(name="a"), shapes(name="b")])
    assert told(events) == [("created", name_of(shapes), str(shape.pk)) for shape in made]
    assert [type(shape) for shape in shapes.objects.all()] == [shapes, shapes]
    assert stamps(made[0]) == stamps(made[1]) == (made[0].created_at, made[0].created_at)


@both_orders
def test_an_upsert_is_a_plain_insert_whose_rows_are_recorded(shapes, circles, squares, vendor):
    # PolymorphicQuerySet.bulk_create() leaves update_conflicts out when it calls Django's.
    targets = {} if vendor == "mysql" else {"unique_fields": ["id"]}
    with capture_events() as events:
        made = shapes.objects.bulk_create([shapes(name="a")], update_conflicts=True, update_fields=["name"], **targets)
    assert told(events) == [("created", name_of(shapes), str(made[0].pk))]


@both_orders
def test_a_deletion_of_a_real_instance_is_recorded_once(shapes, circles, squares, drawn):
    circle = shapes.objects.get(name="sun")
    key = str(circle.pk)
    with capture_events() as events:
        circle.delete()
    assert told(events) == [("deleted", name_of(circles), key)]
    assert shapes.objects.count() == 2


@both_orders
def test_a_deletion_of_a_queryset_of_one_class_is_recorded_once_for_each_row(shapes, circles, squares, drawn):
    keys = [str(drawn[1].pk), str(circles.objects.create(name="moon").pk)]
    with capture_events() as events:
        circles.objects.all().delete()
    assert sorted(told(events)) == sorted(("deleted", name_of(circles), key) for key in keys)


@both_orders
def test_a_deletion_of_a_queryset_of_several_classes_is_recorded_once_for_each_row(shapes, circles, squares, drawn):
    keys = [str(shape.pk) for shape in drawn]
    with capture_events() as events:
        shapes.objects.all().delete()
    assert sorted(told(events)) == sorted(
        [
            ("deleted", name_of(shapes), keys[0]),
            ("deleted", name_of(circles), keys[1]),
            ("deleted", name_of(squares), keys[2]),
        ]
    )
    assert not shapes.objects.exists()
    assert not circles.objects.exists()


@both_orders
def test_a_deletion_that_keeps_the_parent_leaves_a_row_of_the_parents_class(shapes, circles, squares, drawn):
    circle = drawn[1]
    key, created_at = circle.pk, circle.created_at
    with capture_events() as events:
        circle.delete(keep_parents=True)
    # polymorphic then writes the parent's real class with an update.
    assert told(events) == [("deleted", name_of(circles), str(key)), ("updated", name_of(shapes), str(key))]
    left = shapes.objects.get(pk=key)
    assert type(left) is shapes
    assert left.created_at == created_at


@both_orders
def test_an_instance_of_the_base_class_becomes_its_real_one_with_its_stamps(shapes, circles, squares, drawn):
    shape = shapes.objects.non_polymorphic().get(name="sun")
    assert type(shape) is shapes
    real = shape.get_real_instance()
    assert type(real) is circles
    assert (real.created_at, real.updated_at) == stamps(drawn[1])


@both_orders
def test_a_deferred_real_instance_saves_with_its_created_at(shapes, circles, squares, drawn):
    circle = shapes.objects.only("name").get(name="sun")
    circle.name = "star"
    circle.save()
    assert stamps(circle)[0] == drawn[1].created_at
    assert stamps(circle)[1] > drawn[1].updated_at


@both_orders
def test_a_shape_is_promoted_with_its_created_at(shapes, circles, squares, drawn):
    created_at, before = stamps(drawn[0])
    circle = circles.objects.create_from_super(drawn[0], radius=3)
    assert type(shapes.objects.get(pk=circle.pk)) is circles
    assert stamps(circle)[0] == created_at
    assert stamps(circle)[1] > before


@pytest.mark.parametrize(("name", "model"), [("first", CircleFirst), ("last", CircleLast)])
def test_a_forward_relation_returns_the_real_class(name, model):
    drawing = Drawing.objects.create(**{name: model.objects.create(name="sun")})
    assert type(getattr(Drawing.objects.get(pk=drawing.pk), name)) is model


@pytest.mark.parametrize(("name", "model"), [("first", CircleFirst), ("last", CircleLast)])
def test_a_child_touches_a_polymorphic_parent(name, model):
    circle = model.objects.create(name="sun")
    Drawing.objects.create(**{name: circle})
    assert stamps(circle)[1] > circle.updated_at


def test_our_base_first_without_polymorphics_manager_stamps_but_returns_the_base_class():
    # Python's order: "objects" is that of the first base. polymorphic's check W001 says so.
    circle = CircleUnnamed.objects.create()
    ShapeUnnamed.objects.update(polymorphic_ctype=F("polymorphic_ctype"))
    assert stamps(circle)[1] > circle.updated_at
    assert type(ShapeUnnamed.objects.get()) is ShapeUnnamed
    assert type(ShapeUnnamed.objects.get().get_real_instance()) is ShapeUnnamed
