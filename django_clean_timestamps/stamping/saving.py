"""One ``save()``: what it may write, which stamps it gets, what is recorded, and how it is taken back."""

from __future__ import annotations

from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from django.db.models import Model
from django.db.models.sql.where import AND

from django_clean_timestamps.clocks import TICK
from django_clean_timestamps.context.frame import current_frame
from django_clean_timestamps.stamping.baseline import given_stamp, loaded_stamp, normalised, remember
from django_clean_timestamps.stamping.decision import insert_stamps, read_moment, update_stamp
from django_clean_timestamps.stamping.description import describe
from django_clean_timestamps.stamping.fields import CREATED_AT, UPDATED_AT
from django_clean_timestamps.stamping.immutable import refuse_created_at
from django_clean_timestamps.stamping.recording import record_created, record_updated
from django_clean_timestamps.stamping.snapshot import Snapshot
from django_clean_timestamps.stamping.touching import ParentTouch
from django_clean_timestamps.unit_of_work import write_block

if TYPE_CHECKING:
    from django_clean_timestamps.stamping.entity import BaseTimestampEntity

__all__ = ["Save", "UnchangedRow"]

_STAMPS: Final = frozenset({CREATED_AT, UPDATED_AT})


class UnchangedRow(BaseException):  # noqa: N818 - no error; it must pass Django's "except Exception" by
    """Ends a ``save()`` that would change nothing, before anything is written."""


class Save:
    """
    A ``save()`` under way.

    Made, it has checked everything that can be checked before a transaction is touched. Entered, its block is open
    and the stamps stand on the instance; Django then calls back through ``update_row``, ``before_insert`` and
    ``row_written``. Left by an error, the instance is as it was.
    """

    __slots__ = (
        "_block",
        "_exact",
        "_outer",
        "_parents",
        "_snapshot",
        "_was_broken",
        "certain_insert",
        "checked_unchanged",
        "connection",
        "corrects_created",
        "description",
        "entity",
        "frame",
        "given_created",
        "given_updated",
        "inserted",
        "keeps_updated",
        "previous",
        "reading",
        "update_fields",
        "using",
    )

    def __init__(
        self,
        entity: BaseTimestampEntity,
        *,
        using: str,
        force_insert: Any,
        force_update: bool,
        update_fields: frozenset[str] | None,
    ) -> None:
        self.entity = entity
        self.using = using
        self.frame = frame = current_frame()
        self.inserted = False
        self.checked_unchanged = False
        preserved = frame.preserved is not None and frame.stamps_preserved(type(entity))
        self.given_created = given_stamp(entity, CREATED_AT)
        self.given_updated = given_stamp(entity, UPDATED_AT)
        self.certain_insert = bool(force_insert) or not (force_update or update_fields) and _is_new(entity)
        self.previous = loaded_stamp(entity, UPDATED_AT)
        self.corrects_created = preserved and self.given_created is not None
        # A correction of the past writes what it is given and leaves the rest alone.
        self.keeps_updated = preserved and self.given_updated is None and frame.moment is None
        if self.given_created is not None and not self.certain_insert and not preserved:
            self._protect_created()
        entity._validate_entity()
        self._describe()
        self.update_fields = None if update_fields is None else self._complete(update_fields)

    def _protect_created(self) -> None:
        """Refuse another ``created_at`` for a row that exists; one read tells whether it does."""
        entity = self.entity
        stored = loaded_stamp(entity, CREATED_AT)
        if stored is None or stored != self.given_created:
            stored = _read_row(entity, self.using, CREATED_AT)
            if stored is None:
                return
            if stored != self.given_created:
                refuse_created_at(_subject(entity), stored, self.given_created)
        entity.created_at = stored
        entity._loaded_created_at = stored
        self.given_created = None

    def _describe(self) -> None:
        created, updated, moment = self.given_created, self.given_updated, self.frame.moment
        if created is None and updated is None and moment is None:
            self.description = describe(self.frame, _subject_of(type(self.entity)))
            return
        given = [(name, value) for name, value in ((CREATED_AT, created), (UPDATED_AT, updated)) if value is not None]
        if moment is not None:
            given.append(("stamped_at()", moment))
        new_updated = updated if updated is not None else moment
        known_created = created
        if known_created is None and not self.certain_insert:
            known_created = self._known_created()
        if new_updated is None and created is not None and self.keeps_updated:
            new_updated = self.previous
        self.description = describe(
            self.frame,
            _subject(self.entity),
            created_at=known_created,
            updated_at=new_updated,
            given=tuple(given),
        )

    def _known_created(self) -> datetime | None:
        if self.entity._state.adding and not self.entity._is_pk_set():
            return None
        return loaded_stamp(self.entity, CREATED_AT) or _read_row(self.entity, self.using, CREATED_AT)

    def _complete(self, update_fields: frozenset[str]) -> frozenset[str]:
        """Leave out the stamps that are not to be written and add the one that is."""
        fields = update_fields - _STAMPS
        if not self.keeps_updated:
            fields |= {UPDATED_AT}
        if self.corrects_created:
            fields |= {CREATED_AT}
        return fields

    # The block.

    def __enter__(self) -> Self:
        entity = self.entity
        self._outer = entity.__dict__.get("_timestamp_save")
        self._snapshot = Snapshot(entity)
        self._block = write_block(self.using)
        self._block.__enter__()
        self.connection: Any = self._block.connection
        self._was_broken = self.connection.needs_rollback
        try:
            self._stamp()
            self._parents = ParentTouch.before_save(self) if entity.touches else None
            entity._timestamp_save = self
        except BaseException as error:
            self.__exit__(type(error), error, error.__traceback__)
            raise
        return self

    def _stamp(self) -> None:
        """Read the clock, once, and put the stamps on the instance: here, where the write lock is held on SQLite."""
        entity, frame = self.entity, self.frame
        self.reading = reading = normalised(read_moment(frame))
        exact = frame.moment is not None
        if self.certain_insert:
            entity.created_at, entity.updated_at = insert_stamps(
                reading, exact=exact, created=self.given_created, updated=self.given_updated
            )
            self._exact = True
        elif not self.keeps_updated:
            entity.updated_at, self._exact = update_stamp(
                reading, exact=exact, given=self.given_updated, previous=self.previous
            )
        else:
            self._exact = True
        if self.corrects_created:
            entity.created_at = self.given_created

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.entity._timestamp_save = self._outer
        unchanged = isinstance(error, UnchangedRow)
        if unchanged:
            # Nothing was written since the block was opened, so whatever Django marked for rollback is good.
            self.connection.needs_rollback = self._was_broken
            kind = error = trace = None
            self._snapshot.restore()
        try:
            self._block.__exit__(kind, error, trace)
        except BaseException:
            self._snapshot.restore()
            raise
        if error is not None:
            self._snapshot.restore()

    # What Django calls back for.

    def update_row(
        self, call_django: Any, base_queryset: Any, using: str, pk: Any, values: list[Any], *args: Any
    ) -> Any:
        """
        Run Django's UPDATE of one table, without what must not be written, guarded by the stamp it has.

        Where no row matches, the row is gone or another transaction stamped it later; one locked read tells which, and
        the row then gets a microsecond more than it holds.
        """
        values = [value for value in values if self._writes(value[0].name)]
        stamped = next((value[0] for value in values if value[0].name == UPDATED_AT), None)
        if stamped is None or self._exact:
            return call_django(base_queryset, using, pk, values, *args)
        stamp = self.entity.updated_at
        guarded = base_queryset.all()
        column = stamped.get_col(guarded.query.get_initial_alias())
        guarded.query.where.add(stamped.get_lookup("lt")(column, stamp), AND)
        result = call_django(guarded, using, pk, values, *args)
        if result:
            return result
        stored = base_queryset.filter(pk=pk).select_for_update().values_list(UPDATED_AT, flat=True).first()
        if stored is None:
            return result
        self.previous = stored
        self.entity.updated_at = max(stored + TICK, stamp)
        values = [(f, m, self.entity.updated_at) if f is stamped else (f, m, value) for f, m, value in values]
        return call_django(base_queryset, using, pk, values, *args)

    def _writes(self, name: str) -> bool:
        if name == CREATED_AT:
            return self.corrects_created
        return not (name == UPDATED_AT and self.keeps_updated)

    def before_insert(self) -> None:
        """Complete the stamps of an UPDATE that found no row and becomes an INSERT."""
        self.inserted = True
        if not self.certain_insert:
            self.entity.created_at, self.entity.updated_at = insert_stamps(
                self.reading,
                exact=self.frame.moment is not None,
                created=self.given_created,
                updated=self.given_updated,
            )

    def row_written(self) -> None:
        """
        Record the event, before Django sends ``post_save``: a receiver there may save again.

        The instance already is what it will be after the write, since receivers of our signals look at it.
        """
        entity = self.entity
        entity._state.adding = False
        entity._state.db = self.using
        if not self.inserted and CREATED_AT in entity.__dict__ and entity.created_at is None:
            # A hand-made instance of a row that exists does not know its stamp.
            entity.created_at = _read_row(entity, self.using, CREATED_AT)
        remember(entity)
        if self.frame.eventless is None or not self.frame.events_suspended(type(entity)):
            self._record()
        if self._parents is not None:
            self._parents.enlist(entity, self.connection)

    def _record(self) -> None:
        entity = self.entity
        model, entity_id = type(entity), entity._get_entity_id()
        if self.inserted:
            record_created(
                self.connection,
                model,
                entity_id,
                self.description,
                created_at=entity.created_at,
                updated_at=entity.updated_at,
                instance=entity,
            )
        else:
            record_updated(
                self.connection,
                model,
                entity_id,
                self.description,
                old=self.previous,
                new=entity.updated_at,
                instance=entity,
            )


def _is_new(entity: Model) -> bool:
    """Say whether Django will INSERT without trying an UPDATE first."""
    if not entity._is_pk_set():
        return True
    fields = entity._meta.pk_fields
    return entity._state.adding and all(field.has_default() or field.has_db_default() for field in fields)


def _read_row(entity: Model, using: str, name: str) -> Any:
    rows = type(entity)._base_manager.using(using).filter(pk=entity.pk)
    return rows.values_list(name, flat=True).first()


def _subject(entity: Model) -> str:
    return f"{entity._meta.label} {entity.pk}" if entity._is_pk_set() else f"{entity._meta.label} (unsaved)"


def _subject_of(model: type[Model]) -> str:
    return model._meta.label
