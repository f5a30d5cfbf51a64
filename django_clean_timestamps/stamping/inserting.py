"""``QuerySet.bulk_create()``: stamps for many new rows, and for the existing ones of an upsert."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from django.db import connections
from django.db.models.constants import OnConflict

from django_clean_timestamps.context.frame import current_frame
from django_clean_timestamps.events import TimestampCreatedEvent, TimestampEvent, TimestampUpdatedEvent
from django_clean_timestamps.stamping.baseline import given_stamp, normalised, remember
from django_clean_timestamps.stamping.decision import insert_stamps, read_moment
from django_clean_timestamps.stamping.description import Description, describe
from django_clean_timestamps.stamping.fields import CREATED_AT, UPDATED_AT
from django_clean_timestamps.stamping.identity import entity_ids
from django_clean_timestamps.stamping.immutable import refuse_created_at
from django_clean_timestamps.stamping.recording import (
    Recording,
    check_entity_id,
    record_created,
    record_updated,
    recording_of,
    shared_facts,
)
from django_clean_timestamps.stamping.rows import chunks
from django_clean_timestamps.stamping.snapshot import Snapshot
from django_clean_timestamps.stamping.touching import enlist_parents, links_of, lock_parents
from django_clean_timestamps.stamping.upserting import (
    ConflictStamp,
    InsertedRow,
    execute_upsert,
    has_unique_key,
    unique_rows,
)
from django_clean_timestamps.unit_of_work import KnownRow, set_based_writer, write_block, write_pending

if TYPE_CHECKING:
    from django.db.models import Field

    from django_clean_timestamps.stamping.entity import BaseTimestampEntity
    from django_clean_timestamps.stamping.querysets import StampingQuerySet

__all__ = ["BulkInsert"]


class BulkInsert:
    """
    One ``bulk_create()``.

    A plain insert gives every instance its key, so the events come of the instances. After an upsert the database
    tells, by RETURNING, which rows it inserted: those whose stamps are the ones that were sent. Where an existing row
    could get these, and where there is no RETURNING, the unique keys are locked and read before.
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
        self.entities: list[Any] = list(objs)
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
        self.existing: Container[Any] = ()
        self.rows: list[InsertedRow] = []

    def run(self) -> list[Any]:
        """Insert, record and enlist the parents; return the instances, as Django does."""
        queryset: Any = self.queryset
        queryset._for_write = True
        self._refuse_what_django_refuses()
        if not self.entities:
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
                self.recording = recording_of(
                    self.model, TimestampCreatedEvent, TimestampUpdatedEvent, frame=self.frame, by_sql=False
                )
                self._stamp()
                self._lock_parents(block.connection)
                self._insert()
                self._learn()
                self._record(block.connection, description)
        except BaseException:
            for snapshot in snapshots:
                snapshot.restore()
            raise
        return self.entities

    def _refuse_what_django_refuses(self) -> None:
        """Whatever Django refuses about the arguments or the model must be refused before a block is open."""
        queryset: Any = self.queryset
        queryset._bulk_create_rows([], **self.options)
        if self.entities:
            options = self.model._meta
            updated = [options.get_field(name) for name in self.options["update_fields"] or ()]
            names = self.options["unique_fields"] or ()
            unique = [options.get_field(options.pk.name if name == "pk" else name) for name in names]
            queryset._check_bulk_create_options(self.ignores, self.upserts, updated, unique)

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
        if not self._is_watched():
            self._run_django(self.entities)
        elif not connections[queryset.db].features.can_return_rows_from_bulk_insert:
            self._insert_without_returning()
        else:
            if self._could_look_inserted():
                self.existing = unique_rows(self.model, queryset.db, self.entities, lock=True)
            self._run_django(self.entities)

    def _lock_parents(self, connection: Any) -> None:
        if self.model.touches:
            links = links_of(self.model)
            pairs = {(link, entity.__dict__.get(link.attname)) for link in links for entity in self.entities}
            lock_parents(connection, self.model, pairs, self.frame)

    def _run_django(self, entities: list[Any]) -> None:
        queryset: Any = self.queryset
        queryset._insert_under_way = self
        try:
            queryset._bulk_create_rows(entities, **self.options)
        finally:
            queryset._insert_under_way = None

    def _could_look_inserted(self) -> bool:
        """Say whether an existing row may get both stamps that were sent for a new one: the same times given again."""
        return self.upserts and (
            self._is_exact() or self.explicit_updated or CREATED_AT in self.options["update_fields"]
        )

    def _is_watched(self) -> bool:
        """Say whether somebody needs to know which rows were written."""
        return bool(self.model.touches) or self.recording is not Recording.NOTHING

    def _insert_without_returning(self) -> None:
        """Find the rows again by their unique keys; those without any are inserted singly, which tells their key."""
        queryset: Any = self.queryset
        queryset._prepare_for_bulk_create(self.entities)
        if not (self.ignores or self.upserts):
            if keyed := [entity for entity in self.entities if entity._is_pk_set()]:
                self._run_django(keyed)
            self._insert_one_by_one([entity for entity in self.entities if not entity._is_pk_set()])
            return
        found = [entity for entity in self.entities if has_unique_key(self.model, entity)]
        others = [entity for entity in self.entities if not has_unique_key(self.model, entity)]
        self.existing = unique_rows(self.model, queryset.db, found, lock=True)
        self._run_django(found)
        for key, stamps in unique_rows(self.model, queryset.db, found, lock=False).items():
            inserted = key not in self.existing
            if inserted or self.upserts:
                self.rows.append(InsertedRow(key, *stamps, inserted))
        self._insert_one_by_one(others)
        self.rows += [InsertedRow(entity.pk, entity.created_at, entity.updated_at, True) for entity in others]

    def _insert_one_by_one(self, entities: Sequence[Any]) -> None:
        queryset: Any = self.queryset
        options = self.model._meta
        fields = [field for field in options.concrete_fields if not field.generated and field is not options.pk]
        for entity in entities:
            ((entity.pk, *_),) = queryset._insert([entity], fields, [options.pk], using=queryset.db)
            entity._state.adding, entity._state.db = False, queryset.db

    def insert_or_update(
        self,
        objs: Sequence[Any],
        fields: Sequence[Field[Any, Any]],
        returning_fields: Sequence[Field[Any, Any]] | None,
        **kwargs: Any,
    ) -> list[tuple[Any, ...]]:
        """Run one INSERT with a conflict clause for Django's ``_batched_insert``; notes what became of its rows."""
        options = self.model._meta
        wanted: list[Any] = []
        if connections[kwargs["using"]].features.can_return_rows_from_bulk_insert:
            stamps = [options.get_field(CREATED_AT), options.get_field(UPDATED_AT)]
            wanted = [*options.pk_fields, *stamps, *(returning_fields or ())]
        stamp = self._conflict_stamp() if kwargs["on_conflict"] is OnConflict.UPDATE else None
        rows = execute_upsert(self.model, objs, fields, wanted, stamp=stamp, **kwargs)
        if kwargs["on_conflict"] is OnConflict.UPDATE and rows:
            # Every object has its row here, in order; the instance learns the stamps that the row really has.
            for entity, (key, *row) in zip(objs, rows, strict=True):
                created_at, updated_at = row[:2]
                sent = entity.created_at, entity.updated_at
                inserted = key not in self.existing and sent == (created_at, updated_at)
                self.rows.append(InsertedRow(key, created_at, updated_at, inserted))
                entity.created_at, entity.updated_at = created_at, updated_at
        else:
            self.rows += [InsertedRow(key, created_at, updated_at, True) for key, created_at, updated_at, *_ in rows]
        return [] if returning_fields is None else [row[3:] for row in rows]

    def _conflict_stamp(self) -> ConflictStamp | None:
        """Return the ``updated_at`` that existing rows get, None where it is what was sent."""
        if self._is_exact() and (self.explicit_updated or self.frame.moment is None):
            return None
        return ConflictStamp(self.reading, guarded=not self._is_exact(), sent_wins=self.explicit_updated)

    def _is_exact(self) -> bool:
        return self.frame.moment is not None or self.frame.stamps_preserved(self.model)

    def _learn(self) -> None:
        for entity in self.entities:
            remember(entity)
            if self.ignores or self.upserts:
                # An existing row may have others than the instance.
                entity._loaded_parents = None

    def _record(self, connection: Any, description: Description) -> None:
        if not self._is_watched():
            return
        if not (self.ignores or self.upserts):
            for entity in self.entities:
                self.rows.append(InsertedRow(entity.pk, entity.created_at, entity.updated_at, True))
        if self.recording is Recording.VALUES:
            self._record_events(connection, description)
        elif self.recording is Recording.SHARED:
            self._share_events(connection, description)
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

    def _share_events(self, connection: Any, description: Description) -> None:
        ids = entity_ids(self.model, self.queryset.db, [row.key for row in self.rows])
        rows: dict[type[TimestampEvent], list[KnownRow]] = {TimestampCreatedEvent: [], TimestampUpdatedEvent: []}
        for key, created_at, updated_at, inserted in self.rows:
            kind: type[TimestampEvent] = TimestampCreatedEvent if inserted else TimestampUpdatedEvent
            previous = created_at if inserted and created_at != updated_at else None
            rows[kind].append(KnownRow(check_entity_id(self.model, ids[key]), updated_at, previous))
        for kind, known in rows.items():
            if known:
                write_pending(connection)
                facts = shared_facts(self.model, kind, description, self.reading)
                set_based_writer().write_known(connection, facts, known)

    def _enlist(self, connection: Any, link: Any, description: Description) -> None:
        """The parents that the rows have now; those that an upsert took rows away from are not known."""
        if self.ignores or self.upserts:
            rows_of = self.model._base_manager.using(self.queryset.db)
            parts = chunks([row.key for row in self.rows])
            pairs = [pair for part in parts for pair in rows_of.filter(pk__in=part).values_list("pk", link.attname)]
        else:
            pairs = [(entity.pk, getattr(entity, link.attname)) for entity in self.entities]
        for key, value in dict.fromkeys(pairs):
            enlist_parents(connection, self.model, link, (value,), description, child=key)
