"""django-ordered-model: it moves rows with F expressions, through its own querysets."""

import pytest

from django_clean_timestamps.testing import capture_events
from tests.beside.stories import stamps, told
from tests.besideapp.models import Shelf, StepFirst, StepLast

pytestmark = pytest.mark.django_db

both_orders = pytest.mark.parametrize("model", [StepFirst, StepLast])


@pytest.fixture
def recipe():
    return Shelf.objects.create(name="cake")


@pytest.fixture
def steps(model, recipe):
    return [model.objects.create(recipe=recipe, name=name) for name in "abcd"]


def order_of(steps):
    return "".join(type(steps[0]).objects.order_by("order").values_list("name", flat=True))


def stamped(steps):
    """Return the names of the steps whose row was stamped since they were loaded."""
    return "".join(step.name for step in steps if stamps(step)[1] > step.updated_at)


def updated(model, *steps):
    return [("updated", model._meta.model_name, str(step.pk)) for step in steps]


@both_orders
def test_a_creation_is_recorded_once(model, recipe):
    with capture_events() as events:
        step = model.objects.create(recipe=recipe, name="a")
    assert told(events) == [("created", model._meta.model_name, str(step.pk))]
    assert step.created_at == step.updated_at


@both_orders
def test_moving_to_a_place_stamps_every_row_that_moved(model, steps):
    moved = model.objects.get(pk=steps[0].pk)
    with capture_events() as events:
        moved.to(2)
    assert order_of(steps) == "bcad"
    assert stamped(steps) == "abc"
    assert sorted(told(events)) == sorted(updated(model, steps[1], steps[2], steps[0]))


@both_orders
def test_moving_up_stamps_both_rows(model, steps):
    with capture_events() as events:
        model.objects.get(name="c").up()
    assert order_of(steps) == "acbd"
    assert stamped(steps) == "bc"
    assert sorted(told(events)) == sorted(updated(model, steps[1], steps[2]))


@both_orders
def test_moving_down_stamps_both_rows(model, steps):
    model.objects.get(name="c").down()
    assert order_of(steps) == "abdc"
    assert stamped(steps) == "cd"


@both_orders
def test_swapping_stamps_both_rows(model, steps):
    model.objects.get(name="a").swap(model.objects.get(name="d"))
    assert order_of(steps) == "dbca"
    assert stamped(steps) == "ad"


@both_orders
@pytest.mark.parametrize(("move", "name", "order"), [("top", "d", "dabc"), ("bottom", "a", "bcda")])
def test_moving_to_an_end_stamps_every_row_that_moved(model, steps, move, name, order):
    getattr(model.objects.get(name=name), move)()
    assert order_of(steps) == order
    assert stamped(steps) == "abcd"


@both_orders
@pytest.mark.parametrize(("move", "order"), [("above", "adbc"), ("below", "abdc")])
def test_moving_beside_another_stamps_every_row_that_moved(model, steps, move, order):
    getattr(model.objects.get(name="d"), move)(model.objects.get(name="b"))
    assert order_of(steps) == order
    assert stamped(steps) == "".join(sorted(name for name, place in zip(order, "abcd", strict=True) if name != place))


@both_orders
def test_moving_leaves_created_at_alone(model, steps):
    model.objects.get(name="d").top()
    assert [stamps(step)[0] for step in steps] == [step.created_at for step in steps]


@both_orders
def test_a_move_to_where_the_row_is_stamps_nothing(model, steps):
    model.objects.get(name="a").to(0)
    assert stamped(steps) == ""


@both_orders
def test_moving_leaves_the_rows_of_another_list_alone(model, steps):
    other = model.objects.create(recipe=Shelf.objects.create(name="pie"), name="x")
    model.objects.get(name="d").top()
    assert stamps(other)[1] == other.updated_at


@both_orders
def test_a_move_to_another_list_stamps_those_that_close_the_gap(model, steps):
    moved = model.objects.get(name="b")
    moved.recipe = Shelf.objects.create(name="pie")
    moved.save()
    assert stamped(steps) == "bcd"


@both_orders
def test_a_deletion_stamps_those_that_close_the_gap(model, steps):
    with capture_events() as events:
        model.objects.get(name="b").delete()
    assert order_of(steps) == "acd"
    assert stamped([steps[0], *steps[2:]]) == "cd"
    assert sorted(told(events)) == sorted(
        [*updated(model, steps[2], steps[3]), ("deleted", model._meta.model_name, str(steps[1].pk))]
    )


@both_orders
def test_a_deletion_of_a_queryset_stamps_those_that_close_the_gap(model, steps):
    with capture_events() as events:
        model.objects.filter(name="b").delete()
    assert order_of(steps) == "acd"
    assert stamped([steps[0], *steps[2:]]) == "cd"
    assert told(events).count(("deleted", model._meta.model_name, str(steps[1].pk))) == 1


@both_orders
def test_a_bulk_create_stamps_and_numbers(model, recipe):
    with capture_events() as events:
        steps = model.objects.bulk_create([model(recipe=recipe, name=name) for name in "ab"])
    assert told(events) == [("created", model._meta.model_name, str(step.pk)) for step in steps]
    assert [step.order for step in model.objects.all()] == [0, 1]
    assert len({stamps(step) for step in steps}) == 1


@both_orders
def test_a_touch_leaves_the_order_alone(model, steps):
    model.objects.get(name="b").touch()
    assert order_of(steps) == "abcd"
    assert stamped(steps) == "b"
