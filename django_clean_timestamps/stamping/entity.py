"""The abstract model that everything else serves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, ClassVar, Self

from asgiref.sync import sync_to_async
from django.db import models, router

from django_clean_timestamps import probes
from django_clean_timestamps.context.frame import current_frame
from django_clean_timestamps.events import TimestampEvent
from django_clean_timestamps.probes import Observed
from django_clean_timestamps.stamping.ages import TimestampDict, describe_times, seconds_since
from django_clean_timestamps.stamping.baseline import remember, remember_row
from django_clean_timestamps.stamping.cascades import FETCHED
from django_clean_timestamps.stamping.deletion import (
    begin_deletion,
    describe_deletion,
    hears_deletions,
    load_parents,
    record_instance_deleted,
)
from django_clean_timestamps.stamping.fields import CREATED_AT, UPDATED_AT, CreatedAtField, UpdatedAtField
from django_clean_timestamps.stamping.keys import is_key_set, stamped_table
from django_clean_timestamps.stamping.querysets import TimestampManager
from django_clean_timestamps.stamping.raw import complete_raw_row
from django_clean_timestamps.stamping.recording import entity_type_of
from django_clean_timestamps.stamping.rows import locking
from django_clean_timestamps.stamping.saving import Save
from django_clean_timestamps.stamping.snapshot import Snapshot
from django_clean_timestamps.stamping.statements import insert_row
from django_clean_timestamps.stamping.touch import touch_entity
from django_clean_timestamps.stamping.touching import links_of
from django_clean_timestamps.stamping.trackers import sync_trackers
from django_clean_timestamps.unit_of_work import Entry, UnitOfWork, write_block

__all__ = ["BaseTimestampEntity"]


class BaseTimestampEntity(models.Model):
    """
    A model whose rows know when they were made, when they last changed and why, on every write path.

    Each write raises a domain event in its transaction. ``save()``, ``touch()`` and ``delete()`` check their input
    first and then open ``atomic(savepoint=False)``, so that outside a transaction the row and its event commit
    together.

    Attributes:
        touches: Names of foreign keys whose target is touched when this entity is created, changed, touched or
            deleted; once for each transaction, just before COMMIT.
        skip_unchanged: Whether a ``save()`` that changes nothing writes nothing.

    Example:
        ::

            class Comment(BaseTimestampEntity):
                task = models.ForeignKey("Task", on_delete=models.CASCADE)
                text = models.TextField()

                touches = ("task",)
    """

    touches: ClassVar[Sequence[str]] = ()
    skip_unchanged: ClassVar[bool] = False

    created_at = CreatedAtField()
    updated_at = UpdatedAtField()

    objects: ClassVar[TimestampManager[Self]] = TimestampManager()

    # What stands on an instance beside its fields: class attributes, so that an unsaved one needs none of its own.
    _loaded_created_at: datetime | None
    _loaded_updated_at: datetime | None
    _loaded_parents: tuple[Any, ...] | None
    _timestamp_save: Save | None = None
    _timestamp_events: tuple[UnitOfWork, int, list[Entry]] | None = None

    class Meta:
        abstract = True

    def __getstate__(self) -> Any:
        """Leave out what belongs to this process's transaction."""
        state = super().__getstate__()
        for name in ("_timestamp_events", "_timestamp_save", FETCHED):
            state.pop(name, None)
        return state

    # Writing.

    def save_base(
        self,
        raw: bool = False,
        force_insert: Any = False,
        force_update: bool = False,
        using: str | None = None,
        update_fields: Any = None,
    ) -> None:
        """
        Do what ``save()`` does after its own checks: with both stamps right, ``created_at`` protected, an event raised.

        Raises:
            InvalidTimestampError: A given stamp, or a text of the context, breaks a rule; nothing was written.
            ImmutableTimestampError: ``created_at`` of a row that exists was set to something else.
        """
        if raw:
            super().save_base(raw, force_insert, force_update, using, update_fields)
            return
        if update_fields is not None and not update_fields:
            # Django lets an empty iterator pass.
            return
        using = using or router.db_for_write(self.__class__, instance=self)
        if probes.recorder is None:
            self._save_stamped(using, force_insert, force_update, update_fields)
            return
        operation = "create" if self._state.adding else "update"
        with Observed(operation, entity_type_of(type(self)), using) as observed:
            save = self._save_stamped(using, force_insert, force_update, update_fields)
            observed.operation = save.operation
            observed.key, observed.reason = self._get_entity_id(), save.description.reason

    save_base.alters_data = True  # type: ignore[attr-defined]

    def _save_stamped(self, using: str, force_insert: Any, force_update: bool, update_fields: Any) -> Save:
        save = Save(
            self, using=using, force_insert=force_insert, force_update=force_update, update_fields=update_fields
        )
        if save.update_fields is not None and not save.update_fields:
            return save
        with save:
            super().save_base(
                force_insert=force_insert, force_update=force_update, using=using, update_fields=save.update_fields
            )
        sync_trackers(self, (CREATED_AT, UPDATED_AT))
        return save

    def touch(
        self,
        reason: str | None = None,
        *,
        fields: Sequence[str] = (),
        at: datetime | None = None,
        propagate: bool = True,
        using: str | None = None,
    ) -> None:
        """
        Move ``updated_at`` on without changing anything else, in one UPDATE, and raise an event.

        Other unsaved changes stay unsaved; ``pre_save`` and ``post_save`` are not sent. Does nothing under
        ``no_touching()``, nor without ``at`` under ``preserve_timestamps()``.

        Args:
            reason: Why; at most 200 characters. The context's reason where it is None.
            fields: Names of other datetime fields to move along.
            at: A given time, aware, written exactly; not before ``created_at``.
            propagate: Whether the parents named in ``touches`` are touched too.
            using: The database alias.

        Raises:
            ValueError: The instance was never saved.
            DoesNotExist: Its row is gone.
            FieldError: A name in ``fields`` is no ``DateTimeField`` of the model.
            ImmutableTimestampError: ``created_at`` is among ``fields``.
            InvalidTimestampError: ``at`` or a text breaks a rule; nothing was written.
        """
        touch_entity(self, reason, fields=fields, at=at, propagate=propagate, using=using)

    touch.alters_data = True  # type: ignore[attr-defined]

    async def atouch(
        self,
        reason: str | None = None,
        *,
        fields: Sequence[str] = (),
        at: datetime | None = None,
        propagate: bool = True,
        using: str | None = None,
    ) -> None:
        """Touch, asynchronously."""
        await sync_to_async(self.touch)(reason, fields=fields, at=at, propagate=propagate, using=using)

    atouch.alters_data = True  # type: ignore[attr-defined]

    def delete(self, using: str | None = None, keep_parents: bool = False, **kwargs: Any) -> tuple[int, dict[str, int]]:
        """
        Delete as Django does, and record the deletion of the row and of those that go with it.

        Other arguments are those of another base. Where that one only marks the row, as model-utils'
        ``SoftDeletableModel`` does, no deletion is recorded.

        Raises:
            InvalidTimestampError: A text of the context, or ``stamped_at()``, breaks a rule; nothing was deleted.
        """
        model = type(self)
        if not is_key_set(self):
            return super().delete(using=using, keep_parents=keep_parents, **kwargs)
        describe_deletion(model)
        begin_deletion(self)
        using = using or router.db_for_write(model, instance=self)
        if probes.recorder is None:
            return self._delete_stamped(using, keep_parents, kwargs)
        with Observed("delete", entity_type_of(model), using) as observed:
            observed.key, observed.reason = self._get_entity_id(), current_frame().reason or ""
            return self._delete_stamped(using, keep_parents, kwargs)

    delete.alters_data = True  # type: ignore[attr-defined]

    def _delete_stamped(self, using: str, keep_parents: bool, kwargs: dict[str, Any]) -> tuple[int, dict[str, int]]:
        model = type(self)
        before = Snapshot(self)
        entity_id = self._get_entity_id()
        try:
            with write_block(using):
                load_parents(self, using)
                if hears_deletions(model):
                    return self._delete_slowly(using, keep_parents, kwargs)
                key = self.pk
                deleted = super().delete(using=using, keep_parents=keep_parents, **kwargs)
                # Django takes the key of what it deleted; another base may only mark the row, or return nothing.
                if not is_key_set(self) and (deleted is None or deleted[0]):
                    self.pk = key
                    record_instance_deleted(model, self, using, entity_id)
                    self.pk = None
                return deleted
        except BaseException:
            before.restore()
            raise

    def _delete_slowly(self, using: str, keep_parents: bool, kwargs: dict[str, Any]) -> tuple[int, dict[str, int]]:
        """Delete through the collector, whose signal records; not a row that is gone already."""
        rows_of = type(self)._base_manager.using(using)
        if not list(locking(rows_of.filter(pk=self.pk)).values_list("pk")):
            self.__dict__["_timestamp_row_is_gone"] = True
        try:
            return super().delete(using=using, keep_parents=keep_parents, **kwargs)
        finally:
            self.__dict__.pop("_timestamp_row_is_gone", None)

    # What Django calls while it saves.

    def _save_parents(self, *args: Any, **kwargs: Any) -> Any:
        if self._timestamp_save is not None:
            self._timestamp_save.receivers_ran()
        return super()._save_parents(*args, **kwargs)  # type: ignore[misc]

    def _save_table(self, raw: bool = False, cls: Any = None, *args: Any, **kwargs: Any) -> Any:
        if raw:
            # The deserializer calls Model.save_base() unbound, so this is the first of our methods it reaches.
            complete_raw_row(self, cls, kwargs.get("using") or args[2])
        updated = super()._save_table(raw, cls, *args, **kwargs)  # type: ignore[misc]
        if raw:
            if cls is stamped_table(type(self)):
                remember(self)
        elif self._timestamp_save is not None and cls is self._meta.concrete_model:
            self._timestamp_save.row_written()
        return updated

    def _do_update(self, base_qs: Any, using: Any, pk_val: Any, values: Any, update_fields: Any, *args: Any) -> Any:
        call_django: Any = super()._do_update
        if self._timestamp_save is None:
            return call_django(base_qs, using, pk_val, values, update_fields, *args)
        return self._timestamp_save.update_row(call_django, base_qs, using, pk_val, values, update_fields, *args)

    def _do_insert(self, manager: Any, using: str, fields: Any, returning_fields: Any, raw: bool) -> Any:
        if self._timestamp_save is not None and any(field.name == CREATED_AT for field in fields):
            self._timestamp_save.before_insert()
        return insert_row(manager.model, using, self, fields, returning_fields, raw=raw)

    # Loading.

    @classmethod
    def from_db(cls, db: str | None, field_names: Any, values: Any, **kwargs: Any) -> Self:
        """Make an instance from a row, and remember its stamps as loaded."""
        entity = super().from_db(db, field_names, values, **kwargs)
        remember_row(entity, field_names, values)
        return entity

    def refresh_from_db(
        self, using: str | None = None, fields: Iterable[str] | None = None, from_queryset: Any = None
    ) -> None:
        """Load again, and remember the stamps as loaded."""
        names = None if fields is None else set(fields)
        super().refresh_from_db(using=using, fields=names, from_queryset=from_queryset)
        remember(self, names)

    @classmethod
    def _parent_attnames(cls) -> tuple[str, ...]:
        return tuple(link.attname for link in links_of(cls)) if cls.touches else ()

    @classmethod
    def _parent_names(cls) -> tuple[str, ...]:
        return (*cls.touches, *cls._parent_attnames())

    # What a subclass may override.

    def _get_entity_id(self) -> str:
        """
        Return what events call this entity: ``str(pk)`` unless overridden.

        An override must be unique within the model, never change, and have at most 200 characters.
        """
        return str(self.pk)

    def _validate_entity(self) -> None:
        """Raise whatever should stop a ``save()`` or ``touch()``; called before each, outside its transaction."""

    # Asking.

    def is_newer_than(self, other: BaseTimestampEntity) -> bool | None:
        """Say whether this entity was written after the other one; None where either was never written."""
        if self.updated_at is None or other.updated_at is None:
            return None
        return self.updated_at > other.updated_at

    def get_age_seconds(self) -> float | None:
        """Return how long ago the row was created, in seconds; None where it was not."""
        return seconds_since(self.created_at)

    def get_staleness_seconds(self) -> float | None:
        """Return how long ago the row was last written, in seconds; None where it never was."""
        return seconds_since(self.updated_at)

    def to_timestamp_dict(self) -> TimestampDict:
        """Return the id, the stamps and the ages as values that JSON can hold."""
        return describe_times(self)

    def get_domain_events(self) -> list[TimestampEvent]:
        """
        Return the events that this instance raised in the current transaction, in order.

        Those that a savepoint took back are gone, and after COMMIT or ROLLBACK there are none.
        """
        if self._timestamp_events is None:
            return []
        unit, generation, entries = self._timestamp_events
        if not unit.is_current(generation):
            self._timestamp_events = None
            return []
        return [entry.event for entry in entries if entry.stands]

    def clear_domain_events(self) -> None:
        """Forget the instance's events; those that are recorded stay recorded."""
        self._timestamp_events = None

    def _attach_event(self, unit: UnitOfWork, entry: Entry) -> None:
        known = self._timestamp_events
        if known is not None and known[0] is unit and known[1] == unit.generation:
            known[2].append(entry)
        else:
            self._timestamp_events = (unit, unit.generation, [entry])


# The managers of subclasses are equipped by a receiver in this module; it must be connected before they are made.
from django_clean_timestamps.stamping import managers as _managers  # noqa: E402, F401
