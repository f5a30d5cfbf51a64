"""``QuerySet.update()`` and ``QuerySet.touch()``: stamped, guarded, recorded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.core.exceptions import EmptyResultSet, FieldError
from django.db.models import DateTimeField, Model
from django.db.models.sql import UpdateQuery

from django_clean_timestamps.clocks import later
from django_clean_timestamps.context.frame import current_frame
from django_clean_timestamps.events import TimestampUpdatedEvent
from django_clean_timestamps.exceptions import ImmutableTimestampError
from django_clean_timestamps.stamping.baseline import normalised
from django_clean_timestamps.stamping.decision import read_moment
from django_clean_timestamps.stamping.description import describe
from django_clean_timestamps.stamping.expressions import StrictlyLater
from django_clean_timestamps.stamping.fields import CREATED_AT, UPDATED_AT
from django_clean_timestamps.stamping.identity import entity_ids
from django_clean_timestamps.stamping.immutable import refuse_created_at
from django_clean_timestamps.stamping.recording import FEW, Recording, record_updated, recording_of, shared_facts
from django_clean_timestamps.stamping.rows import chunks, chunks_for, is_single_table, lock_few, lock_rows, updatable
from django_clean_timestamps.stamping.touching import ParentLink, enlist_parents, links_of, lock_parents
from django_clean_timestamps.unit_of_work import set_based_writer, write_block, write_pending

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

    from django_clean_timestamps.stamping.entity import BaseTimestampEntity
    from django_clean_timestamps.stamping.querysets import StampingQuerySet

__all__ = ["RowsUpdate", "touched_fields"]


class RowsUpdate:
    """
    One set-based UPDATE of an entity's rows.

    Made, it has checked all that can be checked before anything is written. Where nobody listens and no parent is to
    be touched, ``run`` is one statement, and another one or the same for the events in the log; else the rows are
    locked first and updated by key.
    """

    def __init__(
        self,
        queryset: StampingQuerySet[Any],
        values: Mapping[str, Any],
        *,
        reason: object = None,
        fields: Sequence[str] = (),
        reading: datetime | None = None,
        propagate: bool = True,
    ) -> None:
        self.queryset = queryset
        self.model: type[BaseTimestampEntity] = queryset.model
        self.values = dict(values)
        self.fields = fields
        self.reading = reading
        self.propagate = propagate
        self.frame = current_frame()
        self.preserved = self.frame.stamps_preserved(self.model)
        queryset._for_write = True
        unmatched = self._compile() if reading is None else set()
        self._protect_created()
        self.matches_nothing = bool(unmatched) and unmatched.issuperset(self.values)
        self.values = {name: value for name, value in self.values.items() if name not in unmatched}
        self.given = self._given(UPDATED_AT, self.frame.moment)
        self._check(reason)

    def _compile(self) -> set[str]:
        """
        Let Django refuse values and order here: an error inside the block would break the caller's transaction.

        Returns:
            The names of the values of which Django would write none, in whatever row.
        """
        query: Any = self.queryset.query.chain(UpdateQuery)
        query.add_update_values(self.values)
        for _, _, value in query.values:
            if getattr(value, "contains_aggregate", False):
                raise FieldError(f"Aggregate functions are not allowed in this query ({value!r})")
        order = {str(name).removeprefix("-") for name in query.order_by}
        if any(getattr(query.annotations.get(name), "contains_aggregate", False) for name in order):
            raise FieldError(f"Cannot update when ordering by an aggregate: {', '.join(sorted(order))}")
        unmatched = {
            field
            for update in _updates(query)
            if _matches_nothing(update, self.queryset.db)
            for field, _, _ in update.values
        }
        return {name for name in self.values if self.model._meta.get_field(name) in unmatched}

    def _protect_created(self) -> None:
        if CREATED_AT in self.values and not self.preserved:
            given = self.values.pop(CREATED_AT)
            refuse_created_at(self.model._meta.label, "what each row was inserted with", given)

    def _given(self, name: str, otherwise: datetime | None = None) -> Any:
        return normalised(self.values[name]) if name in self.values else normalised(otherwise)

    def _check(self, reason: object) -> None:
        """Run the rules on given times; the rows are asked once whether one of them forbids the stamp."""
        created, updated = self._given(CREATED_AT), self.given
        given: list[tuple[str, Any]] = [
            (name, self._given(name)) for name in (CREATED_AT, UPDATED_AT) if name in self.values
        ]
        if self.frame.moment is not None:
            given.append(("stamped_at()", self.frame.moment))
        times = tuple((name, value) for name, value in given if not hasattr(value, "resolve_expression"))
        created = None if hasattr(created, "resolve_expression") else created
        updated = None if hasattr(updated, "resolve_expression") else updated
        subject = self.model._meta.label
        self.description = describe(
            self.frame, subject, reason=reason, created_at=created, updated_at=updated, given=times
        )
        # Not by first(), which orders by the key: MariaDB refuses that beside DISTINCT where the key is composite.
        rows = self.queryset.order_by()
        if updated is not None and created is None:
            for earliest in rows.filter(**{f"{CREATED_AT}__gt": updated}).values_list(CREATED_AT, flat=True)[:1]:
                describe(self.frame, subject, created_at=earliest, updated_at=updated, given=times)
        elif created is not None and updated is None:
            for latest in rows.filter(**{f"{UPDATED_AT}__lt": created}).values_list(UPDATED_AT, flat=True)[:1]:
                describe(self.frame, subject, created_at=created, updated_at=latest, given=times)

    def run(self) -> int:
        """Write, record and enlist the parents; return how many rows matched."""
        if self.matches_nothing:
            self.queryset._result_cache = None
            return 0
        links = self._links()
        with write_block(self.queryset.db) as block:
            if self.reading is None:
                self.reading = normalised(read_moment(self.frame))
            self.recording = recording_of(self.model, TimestampUpdatedEvent, frame=self.frame)
            if self.recording is Recording.SHARED and hasattr(self.given, "resolve_expression"):
                # The database's clock, say, which two statements must not both be asked for.
                self.recording = Recording.VALUES
            if links or self.recording is Recording.VALUES or self._is_locked_first(block.connection):
                rows = self._lock(block.connection, links)
                if rows is not None:
                    return self._update_by_key(block.connection, links, rows)
            count = self._update_and_share(block.connection, self.queryset, self._stamped_values(), locked=False)
            self.queryset._result_cache = None
            return count

    def _is_locked_first(self, connection: BaseDatabaseWrapper) -> bool:
        """Say whether the writer would lock the keys first anyway, so that a few rows can be told from many."""
        return self.recording is Recording.SHARED and connection.vendor == "mysql"

    def _links(self) -> tuple[ParentLink, ...]:
        return links_of(self.model) if self.propagate and self.model.touches else ()

    def _stamped_values(self) -> dict[str, Any]:
        values = dict(self.values)
        stamp: Any
        if self.given is not None:
            stamp = self.given
        elif self.preserved:
            return values
        else:
            stamp = StrictlyLater(self.reading)  # type: ignore[arg-type]
        values[UPDATED_AT] = stamp
        moment = self.reading if self.given is None else self.given
        for name in self.fields:
            values[name] = moment
        return values

    def _update_and_share(
        self, connection: BaseDatabaseWrapper, rows: Any, values: dict[str, Any], *, locked: bool
    ) -> int:
        """Update the rows; where the writer makes their events, it does both."""
        if self.recording is not Recording.SHARED:
            return rows._update_rows(values)  # type: ignore[no-any-return]
        # One entity's events stand in the log in the order of its writes.
        write_pending(connection)
        facts = shared_facts(self.model, TimestampUpdatedEvent, self.description, self.reading)  # type: ignore[arg-type]
        return set_based_writer().update(connection, facts, rows, values, values.get(UPDATED_AT), locked=locked)

    def _lock(self, connection: BaseDatabaseWrapper, links: Sequence[ParentLink]) -> list[tuple[Any, ...]] | None:
        """Lock the rows and return their keys, stamps and parents; None of many whose keys the writer fetches."""
        is_plain = is_single_table(self.queryset) and not self.model._meta.parents
        if is_plain and not links and self._is_locked_first(connection):
            return lock_few(self.queryset, (UPDATED_AT,), FEW)
        return lock_rows(self.queryset, (UPDATED_AT, *(link.attname for link in links)))

    def _update_by_key(
        self, connection: BaseDatabaseWrapper, links: Sequence[ParentLink], rows: Sequence[tuple[Any, ...]]
    ) -> int:
        keys = [row[0] for row in rows]
        if self.recording is Recording.SHARED and len(keys) <= FEW:
            self.recording = Recording.VALUES
        values = self._stamped_values()
        lock_parents(connection, self.model, self._given_parents(links), self.frame)
        count = sum(
            self._update_and_share(connection, updatable(self.queryset, part), values, locked=True)
            for part in chunks_for(connection, keys)
        )
        self.queryset._result_cache = None
        if self.recording is Recording.VALUES:
            self._record(connection, {row[0]: row[1] for row in rows})
        for index, link in enumerate(links, start=2):
            pairs = [(row[0], row[index]) for row in rows]
            if link.field.name in values or link.attname in values:
                pairs += self._new_parents(link, keys)
            for key, value in dict.fromkeys(pairs):
                enlist_parents(connection, self.model, link, (value,), self.description, child=key)
        return count

    def _given_parents(self, links: Sequence[ParentLink]) -> Iterator[tuple[ParentLink, Any]]:
        for link in links:
            value = self.values.get(link.field.name, self.values.get(link.attname))
            if not hasattr(value, "resolve_expression"):
                yield link, getattr(value, link.target, value)

    def _record(self, connection: BaseDatabaseWrapper, old: Mapping[Any, datetime]) -> None:
        """Record one event for each row, under the stamp that it has now."""
        new = self._new_stamps(old)
        for key, entity_id in entity_ids(self.model, self.queryset.db, list(old)).items():
            record_updated(connection, self.model, entity_id, self.description, old=old[key], new=new[key])

    def _new_stamps(self, old: Mapping[Any, datetime]) -> Mapping[Any, datetime]:
        if isinstance(self.given, datetime):
            return dict.fromkeys(old, self.given)
        if self.given is not None:
            return dict(self._reread(UPDATED_AT, list(old)))
        if self.preserved:
            return old
        return {key: later(self.reading, stamp) for key, stamp in old.items()}  # type: ignore[arg-type]

    def _new_parents(self, link: ParentLink, keys: Sequence[Any]) -> list[tuple[Any, Any]]:
        return self._reread(link.attname, keys)

    def _reread(self, name: str, keys: Sequence[Any]) -> list[tuple[Any, Any]]:
        rows_of = self.model._base_manager.using(self.queryset.db)
        return [row for chunk in chunks(keys) for row in rows_of.filter(pk__in=chunk).values_list("pk", name)]


def _updates(query: Any) -> Iterator[Any]:
    """Yield Django's UPDATE of each table that the row is in, with values that are resolved."""
    yield query
    for update in query.get_related_updates():
        values, update.values = update.values, []
        update.add_update_fields(values)
        yield update


def _matches_nothing(update: Any, using: str) -> bool:
    """Say whether Django knows that a value, a condition or from a query, is empty: it updates no row then."""
    # The values alone: to compile all of it asks the database for the keys where a row is in several tables.
    compiler = update.get_compiler(using)
    try:
        for _, _, value in update.values:
            if hasattr(value, "as_sql"):
                compiler.compile(value)
    except EmptyResultSet:
        return True
    return False


def touched_fields(model: type[Model], names: Sequence[str]) -> tuple[str, ...]:
    """
    Return the names of the datetime fields that a touch moves beside ``updated_at``.

    Raises:
        FieldError: A name is unknown, or no ``DateTimeField``.
        ImmutableTimestampError: ``created_at`` is among them.
    """
    if isinstance(names, str):
        raise TypeError(f"fields takes a sequence of names, not the text {names!r}")
    known = {field.name: field for field in model._meta.concrete_fields}
    for name in names:
        if name == CREATED_AT:
            raise ImmutableTimestampError(
                f"{model._meta.label}: touch() cannot move created_at; correct it inside preserve_timestamps()"
            )
        if not isinstance(known.get(name), DateTimeField):
            times = [field.name for field in known.values() if isinstance(field, DateTimeField)]
            wanted = ", ".join(name for name in times if name != CREATED_AT)
            raise FieldError(f"{model._meta.label} has no DateTimeField {name!r} to touch; it has {wanted}")
    return tuple(name for name in dict.fromkeys(names) if name != UPDATED_AT)
