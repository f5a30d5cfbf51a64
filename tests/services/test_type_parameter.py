from typing import Generic, TypeVar

import pytest
from django.core.exceptions import ImproperlyConfigured

from django_clean_timestamps.models import BaseTimestampEntity
from django_clean_timestamps.services import BaseTimestampRepository, BaseTimestampService
from tests.testapp.models import Box, Note, NoteProxy, Task

ModelT = TypeVar("ModelT", bound=BaseTimestampEntity)
OtherT = TypeVar("OtherT")


class NoteService(BaseTimestampService[Note]):
    pass


class AuditedService(BaseTimestampService[ModelT], Generic[ModelT]):
    pass


class PairedService(AuditedService[ModelT], Generic[OtherT, ModelT]):
    pass


class Unrelated:
    pass


def test_the_model_is_the_type_parameter():
    assert NoteService().model is Note


def test_a_subclass_has_its_parents_model():
    class LoudNoteService(Unrelated, NoteService):
        pass

    assert LoudNoteService().model is Note


def test_a_generic_intermediate_passes_the_model_on():
    class TaskService(AuditedService[Task]):
        pass

    assert TaskService().model is Task


def test_the_place_of_the_model_among_other_parameters_is_found():
    class TaskService(PairedService[int, Task]):
        pass

    assert TaskService().model is Task


def test_a_model_attribute_names_the_model_too():
    class TaskService(BaseTimestampService):
        model = Task

    assert TaskService().model is Task


def test_a_repository_can_be_given_its_model():
    assert BaseTimestampRepository(Note).model is Note


def test_the_service_makes_a_repository_of_its_model():
    assert NoteService(using="other").repository.model is Note
    assert NoteService(using="other").repository.using == "other"


def test_a_repository_class_of_its_own_is_used():
    class NoteRepository(BaseTimestampRepository[Note]):
        pass

    class OwnService(BaseTimestampService[Note]):
        repository_class = NoteRepository

    assert type(OwnService().repository) is NoteRepository


@pytest.mark.parametrize("base", [BaseTimestampService, AuditedService, AuditedService[ModelT]])  # type: ignore[valid-type]
def test_a_service_without_a_model_says_how_to_name_one(base):
    class Nameless(base):
        pass

    with pytest.raises(
        ImproperlyConfigured, match=r"Nameless names no model; write class .*BaseTimestampService\[Task\]"
    ):
        Nameless()


def test_a_repository_without_a_model_says_so():
    with pytest.raises(ImproperlyConfigured, match="BaseTimestampRepository names no model"):
        BaseTimestampRepository()


@pytest.mark.parametrize("model", [Box, BaseTimestampEntity, "Task"])
def test_a_model_that_is_no_concrete_entity_is_refused(model):
    with pytest.raises(ImproperlyConfigured, match="the class of an entity is wanted"):
        BaseTimestampRepository(model)


def test_a_repository_that_is_made_for_another_model_is_refused():
    class NoteRepository(BaseTimestampRepository[Note]):
        pass

    class ProxyService(BaseTimestampService[NoteProxy]):
        repository_class = NoteRepository

    with pytest.raises(
        ImproperlyConfigured, match=r"NoteRepository is made for testapp.Note, not for testapp.NoteProxy"
    ):
        ProxyService()
