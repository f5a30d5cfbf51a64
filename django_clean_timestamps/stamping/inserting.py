"""``QuerySet.bulk_create()``: stamps for many new rows, and for the existing ones of an upsert."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from django.db import connections
from django.db.models.constants import OnConflict

from django_clean_timestamps.context.frame import current_frame
from django_clean_timestamps.events import TimestampCreatedEvent, TimestampUpdatedEvent
from django_clean_timestamps.stamping.baseline import given_stamp, normalised, remember
from django_clean_timestamps.stamping.decision import insert_stamps, read_moment
from django_clean_timestamps.stamping.description import Description, describe
from django_clean_timestamps.stamping.fields import CREATED_AT, UPDATED_AT
from django_clean_timestamps.stamping.identity import entity_ids
from django_clean_timestamps.stamping.immutable import refuse_created_at
from django_clean_timestamps.stamping.recording import has_audience, record_created, record_updated
from django_clean_timestamps.stamping.snapshot import Snapshot
from django_clean_timestamps.stamping.touching import enlist_parents, links_of
from django_clean_timestamps.stamping.upserting import InsertedRow, execute_upsert, unique_rows
from django_clean_timestamps.unit_of_work import write_block

if TYPE_CHECKING:
    from django.db.models import Field

    from django_clean_timestamps.stamping.entity import BaseTimestampEntity
    from django_clean_timestamps.stamping.querysets import StampingQuerySet

__all__ = ["BulkInsert"]


class BulkInsert:
    """
    One ``bulk_create()``.

    A plain insert gives every instance its key, so the events come of the instances. After an upsert the database
    tells, by RETURNING, which rows it inserted: those whose ``created_at`` is the one that was sent. Where it has no
    RETURNING the unique keys are locked and read before, and read again after.
    """

    def __init__(
        self,
        queryset: StampingQuerySet[Any],
        objs: Iterable[Any],
        batch_size: int | None = None,
        ignore_conflicts: bool = False,
        update_conflicts: bool = False,
        update_fields: Iterable[str] | None = None,
        unique_fields: Iterable[str] | None = None,
    ) -> None:
        self.queryset = queryset
        self.model: type[BaseTimestampEntity] = queryset.model
        self.entities: list[BaseTimestampEntity] = list(objs)
        self.frame = current_frame()
        self.ignores = ignore_conflicts
        self.upserts = update_conflicts
        self.options: dict[str, Any] = {
            "batch_size": batch_size,
            "ignore_conflicts": ignore_conflicts,
            "update_conflicts": update_conflicts,
            "update_fields": None if update_fields is None else list(update_fields),
            "unique_fields": None if unique_fields is None else list(unique_fields),
        }
        self.explicit_updated = False
        self.rows: list[InsertedRow] = []

    def run(self) -> list[Any]:
        """Insert, record and enlist the parents; return the instances, as Django does."""
        queryset: Any = self.queryset
        # Whatever Django refuses about the arguments or the model must be refused before a block is open.
        queryset._bulk_create_rows([], **self.options)
        if not self.entities or _spans_tables(self.model):
            return queryset._bulk_create_rows(self.entities, **self.options)  # type: ignore[no-any-return]
        if self.upserts:
            self._complete_update_fields()
        for entity in self.entities:
            entity._prepare_related_fields_for_save(operation_name="bulk_create")
        description = self._check()
        snapshots = [Snapshot(entity) for entity in self.entities]
        try:
            with write_block(queryset.db) as block:
                self.reading = normalised(read_moment(self.frame))
                self._stamp()
                self._insert()
                self._record(block.connection, description)
        except BaseException:
            for snapshot in snapshots:
                snapshot.restore()
            raise
        for entity in self.entities:
            remember(entity)
        return self.entities

    def _complete_update_fields(self) -> None:
        """An upsert stamps the rows it updates, and never moves their ``created_at``."""
        names = self.options["update_fields"] or []
        if CREATED_AT in names and not self.frame.stamps_preserved(self.model):
            refuse_created_at(self.model._meta.label, "what each row was inserted with", "that of the new row")
            names = [name for name in names if name != CREATED_AT]
        self.explicit_updated = UPDATED_AT in names
        if not self.explicit_updated and not self.frame.stamps_preserved(self.model):
            names = [*names, UPDATED_AT]
        self.options["update_fields"] = names

    def _check(self) -> Description:
        label, frame = self.model._meta.label, self.frame
        moment = () if frame.moment is None else (("stamped_at()", frame.moment),)
        for entity in self.entities:
            created, updated = given_stamp(entity, CREATED_AT), given_stamp(entity, UPDATED_AT)
            if created is not None or updated is not None:
                times = ((CREATED_AT, created), (UPDATED_AT, updated))
                describe(
                    frame,
                    f"{label} {entity.pk}",
                    created_at=created,
                    updated_at=updated or normalised(frame.moment),
                    given=tuple((name, value) for name, value in times if value is not None),
                )
        return describe(frame, label, given=moment)

    def _stamp(self) -> None:
        reading, exact = self.reading, self.frame.moment is not None
        for entity in self.entities:
            entity.created_at, entity.updated_at = insert_stamps(
                reading,
                exact=exact,
                created=given_stamp(entity, CREATED_AT),
                updated=given_stamp(entity, UPDATED_AT),
            )

    def _insert(self) -> None:
        queryset: Any = self.queryset
        features = connections[queryset.db].features
        if features.can_return_rows_from_bulk_insert:
            queryset._insert_under_way = self
            try:
                queryset._bulk_create_rows(self.entities, **self.options)
            finally:
                queryset._insert_under_way = None
        elif not self._is_watched():
            queryset._bulk_create_rows(self.entities, **self.options)
        elif self.ignores or self.upserts:
            self._insert_between_reads()
        else:
            self._insert_one_by_one()

    def _is_watched(self) -> bool:
        """Say whether somebody needs to know which rows were written."""
        heard = has_audience(self.model, TimestampCreatedEvent) or has_audience(self.model, TimestampUpdatedEvent)
        return bool(self.model.touches) or (heard and not self.frame.events_suspended(self.model))

    def _insert_one_by_one(self) -> None:
        """Without RETURNING only a single row's key comes back."""
        queryset: Any = self.queryset
        options = self.model._meta
        for entity in self.entities:
            if entity._is_pk_set():
                queryset._bulk_create_rows([entity], **self.options)
                continue
            fields = [field for field in options.concrete_fields if not field.generated and field is not options.pk]
            results = queryset._insert([entity], fields, [options.pk], using=queryset.db)
            entity.pk = results[0][0]
            entity._state.adding, entity._state.db = False, queryset.db

    def _insert_between_reads(self) -> None:
        """Find the existing rows by their unique keys, before and after."""
        queryset: Any = self.queryset
        before = unique_rows(self.model, queryset.db, self.entities, lock=True)
        queryset._bulk_create_rows(self.entities, **self.options)
        for key, (created_at, updated_at) in unique_rows(self.model, queryset.db, self.entities, lock=False).items():
            inserted = key not in before
            if inserted or self.upserts:
                self.rows.append(InsertedRow(key, created_at, updated_at, inserted))

    def insert_or_update(
        self,
        objs: Sequence[Any],
        fields: Sequence[Field[Any, Any]],
        returning_fields: Sequence[Field[Any, Any]] | None,
        **kwargs: Any,
    ) -> list[tuple[Any, ...]]:
        """Run one INSERT with a conflict clause for Django's ``_batched_insert``; notes what became of its rows."""
        options = self.model._meta
        stamps = [options.get_field(CREATED_AT), options.get_field(UPDATED_AT)]
        wanted = [options.pk, *stamps, *(returning_fields or ())]
        rows = execute_upsert(
            self.model,
            objs,
            fields,
            wanted,
            guarded=kwargs["on_conflict"] is OnConflict.UPDATE and not self.explicit_updated and not self._is_exact(),
            **kwargs,
        )
        if kwargs["on_conflict"] is OnConflict.UPDATE:
            # Every object has its row here, in order; the instance learns the stamps that the row really has.
            for entity, (key, created_at, updated_at, *_) in zip(objs, rows, strict=True):
                self.rows.append(InsertedRow(key, created_at, updated_at, created_at == entity.created_at))
                entity.created_at, entity.updated_at = created_at, updated_at
        else:
            self.rows += [InsertedRow(key, created_at, updated_at, True) for key, created_at, updated_at, *_ in rows]
        return [] if returning_fields is None else [row[3:] for row in rows]

    def _is_exact(self) -> bool:
        return self.frame.moment is not None or self.frame.stamps_preserved(self.model)

    def _record(self, connection: Any, description: Description) -> None:
        if not self._is_watched():
            return
        if not (self.ignores or self.upserts):
            for entity in self.entities:
                self.rows.append(InsertedRow(entity.pk, entity.created_at, entity.updated_at, True))
        if not self.frame.events_suspended(self.model):
            self._record_events(connection, description)
        for link in links_of(self.model) if self.model.touches else ():
            self._enlist(connection, link, description)

    def _record_events(self, connection: Any, description: Description) -> None:
        ids = entity_ids(self.model, self.queryset.db, [row.key for row in self.rows])
        for row in self.rows:
            if row.inserted:
                record_created(
                    connection,
                    self.model,
                    ids[row.key],
                    description,
                    created_at=row.created_at,
                    updated_at=row.updated_at,
                )
            else:
                # What the row held before is not told by any database.
                record_updated(connection, self.model, ids[row.key], description, old=None, new=row.updated_at)

    def _enlist(self, connection: Any, link: Any, description: Description) -> None:
        """The parents that the rows have now; those that an upsert took rows away from are not known."""
        if self.ignores or self.upserts:
            rows_of = self.model._base_manager.using(self.queryset.db)
            pairs = list(rows_of.filter(pk__in=[row.key for row in self.rows]).values_list("pk", link.attname))
        else:
            pairs = [(entity.pk, getattr(entity, link.attname)) for entity in self.entities]
        for key, value in dict.fromkeys(pairs):
            enlist_parents(connection, self.model, link, (value,), description, child=key)


def _spans_tables(model: Any) -> bool:
    """Say whether the model inherits over several tables, for which Django refuses bulk inserts."""
    return any(parent._meta.concrete_model is not model._meta.concrete_model for parent in model._meta.all_parents)


