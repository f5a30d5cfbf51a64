"""One ``save()``: what it may write, which stamps it gets, what is recorded, and how it is taken back."""

from __future__ import annotations

from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from django_clean_timestamps.clocks import TICK
from django_clean_timestamps.context.frame import current_frame
from django_clean_timestamps.stamping.baseline import given_stamp, loaded_stamp, normalised, remember
from django_clean_timestamps.stamping.decision import insert_stamps, read_moment, update_stamp
from django_clean_timestamps.stamping.description import Description, describe
from django_clean_timestamps.stamping.fields import CREATED_AT, UPDATED_AT
from django_clean_timestamps.stamping.immutable import refuse_created_at
from django_clean_timestamps.stamping.keys import is_new, read_stamps, subject_of
from django_clean_timestamps.stamping.recording import check_identity, record_created, record_updated
from django_clean_timestamps.stamping.rows import locking
from django_clean_timestamps.stamping.snapshot import Snapshot
from django_clean_timestamps.stamping.statements import is_plain_update, update_by_key
from django_clean_timestamps.stamping.touching import ParentTouch
from django_clean_timestamps.stamping.unchanged import is_unchanged
from django_clean_timestamps.unit_of_work import write_block

if TYPE_CHECKING:
    from django_clean_timestamps.stamping.entity import BaseTimestampEntity

__all__ = ["Save"]

_STAMPS: Final = (CREATED_AT, UPDATED_AT)


class _UnchangedRow(BaseException):
    """Ends a ``save()`` that would change nothing, before anything is written; Django must not catch it as an error."""


class Save:
    """
    A ``save()`` under way.

    Made, it has checked everything that can be checked before a transaction is touched, and changed nothing. Entered,
    its block is open and the stamps stand on the instance; Django then calls back through ``receivers_ran``,
    ``update_row``, ``before_insert`` and ``row_written``. Left by an error, the instance is as it was.
    """

    __slots__ = (
        "_block",
        "_created",
        "_exact",
        "_outer",
        "_parents",
        "_receivers_ran",
        "_snapshot",
        "_updated",
        "_was_broken",
        "certain_insert",
        "connection",
        "corrects_created",
        "description",
        "entity",
        "frame",
        "given_created",
        "given_updated",
        "inserted",
        "keeps_updated",
        "kept_created",
        "previous",
        "reading",
        "update_fields",
        "using",
        "written",
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
        self.inserted = self.written = False
        self._receivers_ran = False
        preserved = frame.preserved is not None and frame.stamps_preserved(type(entity))
        self.given_created = given_stamp(entity, CREATED_AT)
        self.given_updated = given_stamp(entity, UPDATED_AT)
        self.kept_created: Any = None
        self.certain_insert = not (force_update or update_fields) and is_new(entity, force_insert)
        self.previous = loaded_stamp(entity, UPDATED_AT)
        self.corrects_created = preserved and self.given_created is not None
        # A correction of the past writes what it is given and leaves the rest alone.
        self.keeps_updated = preserved and self.given_updated is None and frame.moment is None
        if self.given_created is not None and not self.certain_insert and not preserved:
            self._protect_created()
        entity._validate_entity()
        self.description = self._describe()
        if not frame.events_suspended(type(entity)):
            check_identity(entity)
        self.update_fields = None if update_fields is None else self._complete(update_fields)

    @property
    def operation(self) -> str | None:
        """What it did to the row: ``create``, ``update``, or None for nothing."""
        if not self.written:
            return None
        return "create" if self.inserted else "update"

    def _protect_created(self) -> None:
        """Refuse another ``created_at`` for a row that exists; one read tells whether it does."""
        entity = self.entity
        stored = loaded_stamp(entity, CREATED_AT)
        if stored is None or stored != self.given_created:
            stored, _ = read_stamps(entity, self.using)
            if stored is None:
                return
            if stored != self.given_created:
                refuse_created_at(subject_of(entity), stored, self.given_created)
        self.given_created, self.kept_created = None, stored

    def _describe(self) -> Description:
        created, updated, moment = self.given_created, self.given_updated, self.frame.moment
        if created is None and updated is None and moment is None:
            return describe(self.frame, self.entity._meta.label)
        given = [(name, value) for name, value in ((CREATED_AT, created), (UPDATED_AT, updated)) if value is not None]
        if moment is not None:
            given.append(("stamped_at()", moment))
        if updated is None:
            updated = moment
        if not self.certain_insert and (created is None or self.keeps_updated):
            stored = (loaded_stamp(self.entity, CREATED_AT), self.previous)
            if None in stored:
                stored = read_stamps(self.entity, self.using)
            created = stored[0] if created is None else created
            updated = stored[1] if self.keeps_updated else updated
        subject = subject_of(self.entity)
        return describe(self.frame, subject, created_at=created, updated_at=updated, given=tuple(given))

    def _complete(self, update_fields: frozenset[str]) -> frozenset[str]:
        """Leave out the stamps that are not to be written and add the one that is."""
        fields = update_fields.difference(_STAMPS)
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
        self._exact = True
        if self.certain_insert:
            entity.created_at, entity.updated_at = insert_stamps(
                reading, exact=exact, created=self.given_created, updated=self.given_updated
            )
        else:
            if not self.keeps_updated:
                entity.updated_at, self._exact = update_stamp(
                    reading, exact=exact, given=self.given_updated, previous=self.previous
                )
            if self.corrects_created:
                entity.created_at = self.given_created
            elif self.kept_created is not None:
                entity.created_at = self.kept_created
        state = entity.__dict__
        self._created: Any = state.get(CREATED_AT)
        self._updated: Any = state.get(UPDATED_AT)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self.entity._timestamp_save = self._outer
        unchanged = isinstance(error, _UnchangedRow)
        if unchanged:
            # The row was not written since the block was opened, so whatever Django marked for rollback is good.
            self.connection.needs_rollback = self._was_broken
            kind = error = trace = None
        try:
            self._block.__exit__(kind, error, trace)
        except BaseException:
            self._snapshot.restore()
            raise
        if error is not None or unchanged:
            self._snapshot.restore()
        if unchanged:
            self._found_row()
        return unchanged

    def _found_row(self) -> None:
        """Let the instance know what a hand-made one of a row that exists does not: that it does, and its stamps."""
        entity = self.entity
        entity._state.adding = False
        entity._state.db = self.using
        state = entity.__dict__
        if any(name in state and state[name] is None for name in _STAMPS):
            for name, stored in zip(_STAMPS, read_stamps(entity, self.using), strict=True):
                if state.get(name) is None:
                    setattr(entity, name, stored)
            remember(entity)

    # What Django calls back for.

    def receivers_ran(self) -> None:
        """
        Go on after the receivers of ``pre_save``, when nothing is written yet.

        The stamps are decided already: what a receiver set instead is put back, and another ``created_at`` for a row
        that exists is an attempt like any other.
        """
        if self._receivers_ran:
            return
        self._receivers_ran = True
        entity = self.entity
        state = entity.__dict__
        created = state.get(CREATED_AT)
        if created is not self._created and self._created is not None:
            if not self.certain_insert and created != self._created:
                refuse_created_at(subject_of(entity), self._created, created)
            entity.created_at = self._created
        if state.get(UPDATED_AT) is not self._updated:
            entity.updated_at = self._updated
        if entity.skip_unchanged and is_unchanged(self):
            raise _UnchangedRow

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

        def update(older_than: datetime | None) -> Any:
            if is_plain_update(base_queryset.model, values, args):
                rows = update_by_key(base_queryset.model, using, pk, values, older_than=older_than)
                # From Django 6.0 on the caller wants a list of what RETURNING brought.
                return [()] * rows if len(args) > 2 else rows > 0
            guarded = base_queryset if older_than is None else base_queryset.filter(**{f"{UPDATED_AT}__lt": older_than})
            return call_django(guarded, using, pk, values, *args)

        if stamped is None or self._exact:
            return update(None)
        stamp = self.entity.updated_at
        result = update(stamp)
        if result:
            return result
        stored = locking(base_queryset.filter(pk=pk)).values_list(UPDATED_AT, flat=True).first()
        if stored is None:
            return result
        self.previous = stored
        self.entity.updated_at = max(stored + TICK, stamp)
        values = [(f, m, self.entity.updated_at) if f is stamped else (f, m, value) for f, m, value in values]
        return update(None)

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
        self.written = True
        if self.certain_insert:
            entity._state.adding = False
            entity._state.db = self.using
        else:
            self._found_row()
        # A parent that was set but not among the fields is still to be saved.
        remember(entity, None if self.update_fields is None else (*_STAMPS, *self.update_fields))
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
