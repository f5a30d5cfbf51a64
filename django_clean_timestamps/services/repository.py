"""Reading and writing the rows of one entity."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar, cast

from django.core.exceptions import FieldError
from django.db import DatabaseError, router

from django_clean_timestamps.services.transactions import locking_transaction
from django_clean_timestamps.services.type_parameter import resolve_model
from django_clean_timestamps.stamping.entity import BaseTimestampEntity
from django_clean_timestamps.stamping.fields import CREATED_AT, UPDATED_AT
from django_clean_timestamps.stamping.querysets import TimestampQuerySet, TimestampStats
from django_clean_timestamps.stamping.rows import locking

__all__ = ["BaseTimestampRepository"]

ModelT = TypeVar("ModelT", bound=BaseTimestampEntity)


class BaseTimestampRepository(Generic[ModelT]):
    """
    The rows of one entity, through its default manager.

    The model comes from the type parameter, or is given; a class may also name it as ``model``.

    Args:
        model: The entity's class, where the type parameter does not say.
        using: The database alias; None leaves it to the router.

    Raises:
        ImproperlyConfigured: There is no model, it is no concrete entity, or the class is made for another one.

    Example:
        ::

            class TaskRepository(BaseTimestampRepository[Task]):
                def find_urgent(self) -> QuerySet[Task]:
                    return self.rows().filter(urgent=True)
    """

    model: type[ModelT]

    def __init__(self, model: type[ModelT] | None = None, *, using: str | None = None) -> None:
        self.model = resolve_model(type(self), BaseTimestampRepository, model)
        self.using = using

    @property
    def write_alias(self) -> str:
        """The database that is written to."""
        return self.using or router.db_for_write(self.model)

    def rows(self) -> TimestampQuerySet[ModelT]:
        """Return all rows that the default manager shows."""
        # Of another manager the queryset is another class, with the same stamping mixed in.
        return cast("TimestampQuerySet[ModelT]", self.model._default_manager.db_manager(self.using).all())

    def save(self, entity: ModelT) -> ModelT:
        """Insert the entity, or update its row, and return it."""
        entity.save(using=self.using)
        return entity

    def update(self, entity: ModelT, *, fields: Iterable[str] | None = None) -> ModelT:
        """
        Update the row of an entity that was saved before, and return the entity.

        Args:
            entity: What to write.
            fields: Names of the fields to write; all where it is None, nothing where it is empty.

        Raises:
            DoesNotExist: The row is gone.
        """
        using = self.using or router.db_for_write(self.model, instance=entity)
        names = None if fields is None else tuple(fields)
        try:
            with locking_transaction(using):
                entity.save(using=using, force_update=names is None, update_fields=names)
        except DatabaseError as error:
            if self.model._base_manager.using(using).filter(pk=entity.pk).exists():
                raise
            raise self._missing(entity.pk) from error
        return entity

    def delete(self, entity: ModelT) -> tuple[int, dict[str, int]]:
        """
        Delete the entity's row and return what Django's ``delete()`` returns.

        Raises:
            DoesNotExist: The row was gone already.
        """
        pk = entity.pk
        deleted = entity.delete(using=self.using)
        # A model that deletes softly may return None.
        if deleted is not None and not deleted[0]:
            raise self._missing(pk)
        return deleted

    def get_by_id(self, pk: Any, *, lock: bool = False) -> ModelT:
        """
        Return the entity.

        Args:
            pk: Its primary key.
            lock: Whether its row is locked until the transaction ends, which must be open.

        Raises:
            DoesNotExist: There is no such row.
        """
        return (self.locked_rows() if lock else self.rows()).get(pk=pk)

    def locked_rows(self) -> TimestampQuerySet[ModelT]:
        """Return the rows of the database that is written to, each locked as it is read."""
        # PostgreSQL cannot lock what a manager joins from the other side of a nullable key.
        return locking(self.rows().using(self.write_alias).select_related(None))  # type: ignore[no-any-return]

    def touch_entity(self, pk: Any, reason: str | None = None) -> ModelT:
        """
        Touch the row and return its entity.

        Raises:
            DoesNotExist: There is no such row.
            InvalidTimestampError: The reason is longer than 200 characters.
        """
        entity = self.get_by_id(pk)
        entity.touch(reason, using=self.using)
        return entity

    def find_by_timestamp_range(
        self, start: datetime, end: datetime, *, field: str = UPDATED_AT
    ) -> TimestampQuerySet[ModelT]:
        """
        Return the entities whose stamp lies from ``start`` to ``end``, both included.

        Args:
            start: Aware.
            end: Aware.
            field: ``"updated_at"`` or ``"created_at"``.

        Raises:
            FieldError: ``field`` is something else.
        """
        if field == CREATED_AT:
            return self.rows().created_between(start, end)
        if field == UPDATED_AT:
            return self.rows().updated_between(start, end)
        raise FieldError(f"{self.model._meta.label}: {field!r} is no stamp; give {CREATED_AT!r} or {UPDATED_AT!r}")

    def find_stale_entities(self, older_than: timedelta | datetime) -> TimestampQuerySet[ModelT]:
        """Return the entities that were not written for so long, or since then."""
        return self.rows().stale(older_than)

    def get_timestamp_stats(self) -> TimestampStats:
        """Return the number of entities and their oldest and newest stamps, in one query."""
        return self.rows().timestamp_stats()

    def _missing(self, pk: Any) -> Exception:
        return self.model.DoesNotExist(f"{self.model._meta.label} {pk} is not in the database {self.write_alias!r}")
