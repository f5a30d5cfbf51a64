import pickle

import pytest
from django.db import connection, models
from django.db.migrations.state import ModelState, ProjectState
from django.db.models import Prefetch
from django.test.utils import isolate_apps

from django_clean_timestamps.models import BaseTimestampEntity, TimestampManager, TimestampQuerySet
from django_clean_timestamps.stamping.querysets import StampingQuerySet
from django_clean_timestamps.testing import capture_events
from tests.stamping.audience import named
from tests.testapp.models import (
    ActiveManager,
    ActiveQuerySet,
    Animal,
    Comment,
    Flagged,
    FlaggedFirst,
    FlaggedLast,
    Managed,
    Note,
    NoteProxy,
    OverridingManager,
    OwnQuerySet,
    Project,
    Puppy,
    Task,
)

MANAGERS = [
    (FlaggedFirst, "objects"),
    (FlaggedFirst, "_default_manager"),
    (FlaggedFirst, "_base_manager"),
    (FlaggedLast, "objects"),
    (FlaggedLast, "_default_manager"),
    (FlaggedLast, "_base_manager"),
    (Managed, "objects"),
    (Managed, "overriding"),
    (Managed, "_base_manager"),
]


@pytest.mark.django_db
@pytest.mark.parametrize(("model", "name"), MANAGERS, ids=lambda value: getattr(value, "__name__", value))
def test_every_manager_stamps_on_every_path(clock, model, name):
    manager = getattr(model, name)
    entity = model.objects.create(name="a")
    assert isinstance(manager.all(), StampingQuerySet)
    with capture_events() as events:
        now = clock.tick()
        manager.update(name="b")
        assert model._base_manager.get().updated_at == now
        now = clock.tick()
        manager.bulk_update([entity], ["name"])
        assert model._base_manager.get().updated_at == now
        (other,) = manager.bulk_create([model(name="c")])
        manager.filter(pk=other.pk).delete()
        manager.all().touch()
    assert [named(event).split()[0] for event in events] == ["updated", "updated", "created", "deleted", "updated"]


def test_the_default_manager_is_the_one_that_django_would_have_chosen():
    assert isinstance(FlaggedFirst._default_manager, ActiveManager)
    assert isinstance(FlaggedLast._default_manager, TimestampManager)
    assert isinstance(Managed._default_manager, models.Manager)
    assert Managed._default_manager.name == "objects"
    assert isinstance(Managed.overriding, OverridingManager)
    assert FlaggedFirst._default_manager.name == FlaggedLast._default_manager.name == "objects"


@pytest.mark.parametrize("model", [Note, NoteProxy, Puppy, FlaggedFirst, FlaggedLast, Managed, Task])
def test_the_base_manager_is_ours_whatever_other_bases_bring(model):
    assert isinstance(model._base_manager, TimestampManager)
    assert type(model._base_manager.all()) is TimestampQuerySet
    assert model._base_manager.model is model._default_manager.model is model
    assert model._base_manager.name not in {manager.name for manager in model._meta.managers}


def test_a_managers_own_querysets_keep_their_methods():
    assert isinstance(FlaggedFirst.objects.all(), ActiveQuerySet)
    assert FlaggedFirst.objects.all().active().query is not None
    assert isinstance(Managed.objects.named("a"), OwnQuerySet)
    assert isinstance(Managed.overriding.all(), ActiveQuerySet)
    assert type(Managed.objects.all()) is OwnQuerySet


def test_the_class_that_is_made_for_a_manager_is_made_once():
    assert type(FlaggedFirst.objects) is type(FlaggedFirst._default_manager)
    assert type(FlaggedFirst.objects).__name__ == "StampingActiveManager"
    assert type(FlaggedFirst.objects).__module__ == ActiveManager.__module__
    assert type(FlaggedFirst.objects.all()) is type(FlaggedFirst.objects.filter(name="a"))


def test_managers_of_models_that_are_no_entities_are_left_alone():
    @isolate_apps("tests.testapp")
    def declare():
        class Plain(Flagged):
            class Meta:
                app_label = "testapp"

        return Plain

    plain = declare()
    assert type(plain.objects) is ActiveManager
    assert type(plain._base_manager) is models.Manager
    assert type(Flagged._meta.managers[0]) is ActiveManager


def declare(bases, members=None, **meta):
    @isolate_apps("tests.testapp")
    def make():
        options = type("Meta", (), {"app_label": "testapp", **meta})
        return type("Declared", bases, {"__module__": __name__, "Meta": options, **(members or {})})

    return make()


def test_a_projects_own_base_manager_is_respected_and_stamps():
    model = declare((BaseTimestampEntity, Flagged), {"chosen": ActiveManager()}, base_manager_name="chosen")
    assert isinstance(model._base_manager, ActiveManager)
    assert isinstance(model._base_manager.all(), StampingQuerySet)
    assert model._base_manager.name == "chosen"


def test_a_projects_own_default_manager_is_respected():
    model = declare((BaseTimestampEntity, Flagged), {"chosen": ActiveManager()}, default_manager_name="chosen")
    assert isinstance(model._default_manager, ActiveManager)
    assert isinstance(model._default_manager.all(), StampingQuerySet)
    assert isinstance(model._base_manager, TimestampManager)


@pytest.mark.parametrize(
    "manager",
    [
        models.Manager(),
        models.Manager.from_queryset(ActiveQuerySet)(),
        ActiveQuerySet.as_manager(),
        OwnQuerySet.as_manager(),
        TimestampManager.from_queryset(OwnQuerySet)(),
        ActiveManager(),
    ],
    ids=["plain", "from_queryset", "as_manager", "own as_manager", "own from_queryset", "overriding"],
)
def test_managers_of_every_make_stamp(manager):
    kind = type(manager)
    model = declare((BaseTimestampEntity, Flagged), {"things": manager})
    assert isinstance(model.things, kind)
    assert isinstance(model.things.all(), StampingQuerySet)
    assert issubclass(getattr(type(model.things), "_queryset_class", StampingQuerySet), StampingQuerySet)
    assert model._default_manager is model.things or model._default_manager.name == "things"
    assert model.things.model is model


def test_proxies_and_children_inherit_the_managers():
    child = declare((Managed,))
    proxy = declare((Managed,), proxy=True)
    for model in (child, proxy):
        assert type(model.objects.all()) is OwnQuerySet
        assert isinstance(model.overriding, OverridingManager)
        assert isinstance(model.overriding.all(), StampingQuerySet)
        assert model.objects.model is model._base_manager.model is model
    assert Managed.objects.model is Managed


# Migrations.


def test_migrations_know_the_projects_classes():
    assert Managed.overriding.deconstruct()[1] == "tests.testapp.models.OverridingManager"
    path = FlaggedFirst.objects.deconstruct()[1]
    assert path == "tests.testapp.models.ActiveManager"
    state = ModelState.from_model(Managed)
    managers = dict(state.managers)
    assert isinstance(managers["overriding"], OverridingManager)
    assert set(managers) <= {"objects", "overriding"}


@pytest.mark.parametrize("model", [Note, NoteProxy, Puppy, FlaggedFirst, FlaggedLast, Managed])
def test_a_models_state_is_the_same_each_time(model):
    assert ModelState.from_model(model) == ModelState.from_model(model)
    assert "base_manager_name" not in ModelState.from_model(model).options


@pytest.mark.django_db
def test_historical_models_fill_in_their_stamps(clock):
    state = ProjectState()
    state.add_model(ModelState.from_model(Note))
    state.add_model(ModelState.from_model(Managed))
    note = state.apps.get_model("testapp", "Note")
    made = note.objects.create(title="a")
    assert (made.created_at, made.updated_at) == (clock.now, clock.now)
    assert not isinstance(note.objects.all(), StampingQuerySet)
    assert state.apps.get_model("testapp", "Managed").overriding.count() == 0


# Related managers, prefetching, pickling.


@pytest.mark.django_db
def test_related_managers_and_prefetched_rows_stamp(clock):
    project = Project.objects.create()
    task = Task.objects.create(project=project)
    Comment.objects.create(task=task)
    assert isinstance(project.tasks.all(), StampingQuerySet)
    (found,) = Project.objects.prefetch_related("tasks__comments")
    (loaded,) = found.tasks.all()
    (comment,) = loaded.comments.all()
    now = clock.tick()
    comment.save()
    assert Comment.objects.get().updated_at == now
    (found,) = Project.objects.prefetch_related(Prefetch("tasks", Task.objects.filter(title=""), to_attr="blank"))
    assert found.blank == [task]
    now = clock.tick()
    found.tasks.update(title="x")
    assert Task.objects.get().updated_at == now


@pytest.mark.django_db
@pytest.mark.parametrize("manager", [Note.objects, FlaggedFirst.objects, Managed.objects, Managed.overriding], ids=str)
def test_querysets_can_be_pickled(manager):
    manager.create()
    rows = manager.all()
    again = pickle.loads(pickle.dumps(rows))
    assert type(again) is type(rows)
    assert list(again) == list(rows)
    assert isinstance(again, StampingQuerySet)
    query = pickle.loads(pickle.dumps(rows.filter(pk__gt=0).query))
    rows.query = query
    assert rows.count() == 1


@pytest.mark.django_db
def test_a_values_queryset_can_be_pickled():
    Note.objects.create(title="a")
    assert list(pickle.loads(pickle.dumps(Note.objects.values("title")))) == [{"title": "a"}]


@pytest.mark.django_db(databases=["default", "other"])
def test_db_manager_keeps_the_database():
    note = Note.objects.db_manager("other").create()
    assert note._state.db == "other"
    assert FlaggedFirst.objects.using("other").all().db == "other"
    assert Managed.overriding.db_manager("other").all().db == "other"
    assert connection.alias == "default"


def test_the_parents_rows_are_those_of_the_child():
    assert Puppy.objects.model is Puppy
    assert Animal.objects.model is Animal
