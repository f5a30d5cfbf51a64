"""What a project does with one entity, with its rules as hooks."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar, Generic, TypeVar

from asgiref.sync import sync_to_async
from django.core.exceptions import FieldError, ValidationError

from django_clean_timestamps.clocks import read_clock
from django_clean_timestamps.context import timestamp_context
from django_clean_timestamps.services.cleanup import CleanupReport, clean_up
from django_clean_timestamps.services.repository import BaseTimestampRepository
from django_clean_timestamps.services.transactions import locking_transaction
from django_clean_timestamps.services.type_parameter import resolve_model
from django_clean_timestamps.stamping.entity import BaseTimestampEntity
from django_clean_timestamps.stamping.querysets import TimestampQuerySet, TimestampStats

__all__ = ["BaseTimestampService"]

ModelT = TypeVar("ModelT", bound=BaseTimestampEntity)


class BaseTimestampService(Generic[ModelT]):
    """
    Creates, reads, changes and deletes the rows of one entity; rules are hooks, and every change has a reason.

    The model comes from the type parameter, through subclasses and generic intermediates too. ``data`` is a mapping of
    field names to Python values, as the model takes them. What is missing raises the model's ``DoesNotExist``.

    Attributes:
        repository_class: What reads and writes the rows.
        cleanup_batch_size: How many rows a transaction of ``cleanup_stale_entities()`` holds.

    Args:
        using: The database alias; None leaves it to the router.

    Raises:
        ImproperlyConfigured: No model is named, it is no concrete entity, or the repository is made for another one.

    Example:
        ::

            class TaskService(BaseTimestampService[Task]):
                def _validate_business_rules(self, data, entity=None):
                    if data.get("title") == "":
                        raise ValidationError({"title": "A task needs a title."})


            task = TaskService().create_entity({"title": "Write the report"})
            TaskService().update_entity(task.pk, {"title": "Send the report"}, touch_reason="renamed")
    """

    model: type[ModelT]
    repository: BaseTimestampRepository[ModelT]

    repository_class: ClassVar[type[BaseTimestampRepository[Any]]] = BaseTimestampRepository
    cleanup_batch_size: ClassVar[int] = 500

    def __init__(self, *, using: str | None = None) -> None:
        self.model = resolve_model(type(self), BaseTimestampService)
        self.repository = self.repository_class(self.model, using=using)

    # What a subclass may override.

    def _validate_business_rules(self, data: Mapping[str, Any], entity: ModelT | None = None) -> None:
        """
        Raise what should stop a creation or an update; nothing unless overridden.

        Args:
            data: What the caller gave.
            entity: The entity to be updated, locked, with ``data`` set on it and not saved; None for a creation.
        """

    def _validate_deletion_allowed(self, entity: ModelT) -> None:
        """
        Raise what should stop a deletion; nothing unless overridden.

        A cleanup keeps, and reports, what a ``ValidationError`` stops.
        """

    def _can_cleanup_entity(self, entity: ModelT) -> bool:
        """Say whether a cleanup may delete the stale entity: yes unless overridden."""
        return True

    # One entity.

    def create_entity(self, data: Mapping[str, Any]) -> ModelT:
        """
        Check the rules, insert a row and return its entity.

        Raises:
            FieldError: ``data`` has keys that are no fields of the model.
        """
        self._refuse_unknown_keys(data)
        with locking_transaction(self.repository.write_alias):
            self._validate_business_rules(data)
            return self.repository.save(self.model(**data))

    def get_entity(self, pk: Any) -> ModelT:
        """Return the entity."""
        return self.repository.get_by_id(pk)

    def update_entity(self, pk: Any, data: Mapping[str, Any], *, touch_reason: str = "entity_updated") -> ModelT:
        """
        Lock the row, set the fields, check the rules, save what changed and return the entity.

        Where nothing changed, nothing is written and no event is raised.

        Args:
            pk: The primary key.
            data: The fields to set.
            touch_reason: The reason of the event; at most 200 characters.

        Raises:
            FieldError: ``data`` has keys that are no fields of the model, or its primary key.
        """
        self._refuse_unknown_keys(data)
        if keys := sorted({"pk", *self._names(self.model._meta.pk_fields)} & data.keys()):
            raise FieldError(f"{self.model._meta.label}: the primary key of a row stays; leave out {', '.join(keys)}")
        with locking_transaction(self.repository.write_alias):
            entity = self.repository.get_by_id(pk, lock=True)
            before = dict(vars(entity))
            for name, value in data.items():
                setattr(entity, name, value)
            self._validate_business_rules(data, entity)
            with timestamp_context(reason=touch_reason):
                return self.repository.update(entity, fields=self._changed_fields(entity, before))

    def touch_entity(self, pk: Any, reason: str | None = None) -> ModelT:
        """Touch the row and return its entity."""
        return self.repository.touch_entity(pk, reason)

    def delete_entity(self, pk: Any) -> tuple[int, dict[str, int]]:
        """Lock the row, check whether it may be deleted, delete it and return what Django's ``delete()`` returns."""
        with locking_transaction(self.repository.write_alias):
            entity = self.repository.get_by_id(pk, lock=True)
            self._validate_deletion_allowed(entity)
            return self.repository.delete(entity)

    # Many.

    def find_entities_by_timestamp_range(self, start: datetime, end: datetime) -> TimestampQuerySet[ModelT]:
        """Return the entities last written from ``start`` to ``end``, both included."""
        return self.repository.find_by_timestamp_range(start, end)

    def find_stale_entities(self, older_than: timedelta | datetime) -> TimestampQuerySet[ModelT]:
        """Return the entities that were not written for so long, or since then."""
        return self.repository.find_stale_entities(older_than)

    def get_timestamp_statistics(self) -> TimestampStats:
        """Return the number of entities and their oldest and newest stamps, in one query."""
        return self.repository.get_timestamp_stats()

    def cleanup_stale_entities(self, older_than: timedelta | datetime, *, dry_run: bool = True) -> CleanupReport:
        """
        Delete the stale entities that may be deleted, and report what was deleted, what was kept and why.

        In batches of one transaction each: each row is locked, its staleness looked at again, and both deletion hooks
        asked. What other rows protect is kept.

        Args:
            older_than: How long, or since when (an aware datetime), an entity was not written.
            dry_run: Whether only to report what would be deleted; the hooks are asked all the same.
        """
        stale_before = read_clock() - older_than if isinstance(older_than, timedelta) else older_than
        return clean_up(
            self.repository,
            self._why_kept,
            stale_before=stale_before,
            dry_run=dry_run,
            batch_size=self.cleanup_batch_size,
        )

    def _why_kept(self, entity: ModelT) -> str:
        if not self._can_cleanup_entity(entity):
            return "_can_cleanup_entity() said no"
        try:
            self._validate_deletion_allowed(entity)
        except ValidationError as error:
            return " ".join(error.messages) or "_validate_deletion_allowed() said no"
        return ""

    # Fields.

    def _refuse_unknown_keys(self, data: Mapping[str, Any]) -> None:
        known = self._names(self.model._meta.concrete_fields)
        if unknown := [str(key) for key in data if key not in known and key != "pk"]:
            raise FieldError(
                f"{self.model._meta.label} has no field {', '.join(unknown)}; its fields are {', '.join(sorted(known))}"
            )

    def _names(self, fields: Any) -> set[str]:
        return {name for field in fields for name in (field.name, field.attname)}

    def _changed_fields(self, entity: ModelT, before: Mapping[str, Any]) -> list[str]:
        """Return the names of the fields that differ from what was read, those that a rule set too."""
        missing = object()
        after = vars(entity)
        return [
            field.name
            for field in self.model._meta.concrete_fields
            if field.attname in after and after[field.attname] != before.get(field.attname, missing)
        ]

    # The same, asynchronously. What find_...() returns is read by ``async for``.

    async def acreate_entity(self, data: Mapping[str, Any]) -> ModelT:
        """Create, asynchronously."""
        return await sync_to_async(self.create_entity)(data)

    async def aget_entity(self, pk: Any) -> ModelT:
        """Return the entity, asynchronously."""
        return await sync_to_async(self.get_entity)(pk)

    async def aupdate_entity(self, pk: Any, data: Mapping[str, Any], *, touch_reason: str = "entity_updated") -> ModelT:
        """Update, asynchronously."""
        return await sync_to_async(self.update_entity)(pk, data, touch_reason=touch_reason)

    async def atouch_entity(self, pk: Any, reason: str | None = None) -> ModelT:
        """Touch, asynchronously."""
        return await sync_to_async(self.touch_entity)(pk, reason)

    async def adelete_entity(self, pk: Any) -> tuple[int, dict[str, int]]:
        """Delete, asynchronously."""
        return await sync_to_async(self.delete_entity)(pk)

    async def aget_timestamp_statistics(self) -> TimestampStats:
        """Return the statistics, asynchronously."""
        return await sync_to_async(self.get_timestamp_statistics)()

    async def acleanup_stale_entities(self, older_than: timedelta | datetime, *, dry_run: bool = True) -> CleanupReport:
        """Clean up, asynchronously."""
        return await sync_to_async(self.cleanup_stale_entities)(older_than, dry_run=dry_run)
