"""``QuerySet.update()`` and ``QuerySet.touch()``: stamped, guarded, recorded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.core.exceptions import FieldError
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
from django_clean_timestamps.stamping.recording import has_audience, record_updated
from django_clean_timestamps.stamping.rows import CHUNK, chunks, lock_rows, updatable
from django_clean_timestamps.stamping.touching import ParentLink, enlist_parents, links_of, lock_parents
from django_clean_timestamps.unit_of_work import write_block

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

    from django_clean_timestamps.stamping.entity import BaseTimestampEntity
    from django_clean_timestamps.stamping.querysets import StampingQuerySet

__all__ = ["RowsUpdate", "touched_fields"]


class RowsUpdate:
    """
    One set-based UPDATE of an entity's rows.

    Made, it has checked all that can be checked before anything is written. Where nobody listens and no parent is to
    be touched, ``run`` is one statement; else the rows are locked first and updated by key.
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
        if reading is None:
            self._compile()
        self._protect_created()
        self.given = self._given(UPDATED_AT, self.frame.moment)
        self._check(reason)

    def _compile(self) -> None:
        """Let Django refuse values and order here: an error inside the block would break the caller's transaction."""
        query: Any = self.queryset.query.chain(UpdateQuery)
        query.add_update_values(self.values)
        for _, _, value in query.values:
            if getattr(value, "contains_aggregate", False):
                raise FieldError(f"Aggregate functions are not allowed in this query ({value!r})")
        order = {str(name).removeprefix("-") for name in query.order_by}
        if any(getattr(query.annotations.get(name), "contains_aggregate", False) for name in order):
            raise FieldError(f"Cannot update when ordering by an aggregate: {', '.join(sorted(order))}")

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
        rows = self.queryset.order_by()
        if updated is not None and created is None:
            earliest = rows.filter(**{f"{CREATED_AT}__gt": updated}).values_list(CREATED_AT, flat=True).first()
            if earliest is not None:
                describe(self.frame, subject, created_at=earliest, updated_at=updated, given=times)
        elif created is not None and updated is None:
            latest = rows.filter(**{f"{UPDATED_AT}__lt": created}).values_list(UPDATED_AT, flat=True).first()
            if latest is not None:
                describe(self.frame, subject, created_at=created, updated_at=latest, given=times)

    def run(self) -> int:
        """Write, record and enlist the parents; return how many rows matched."""
        links = self._links()
        with write_block(self.queryset.db) as block:
            if self.reading is None:
                self.reading = normalised(read_moment(self.frame))
            heard = has_audience(self.model, TimestampUpdatedEvent) and not self.frame.events_suspended(self.model)
            if heard or links:
                return self._update_by_key(block.connection, links, heard=heard)
            return self.queryset._update_rows(self._stamped_values())

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

    def _update_by_key(self, connection: BaseDatabaseWrapper, links: Sequence[ParentLink], *, heard: bool) -> int:
        rows = lock_rows(self.queryset, (UPDATED_AT, *(link.attname for link in links)))
        keys = [row[0] for row in rows]
        values = self._stamped_values()
        lock_parents(connection, self.model, self._given_parents(links), self.frame)
        # An order matters, and constraints are checked, for the statement as a whole.
        size = CHUNK if connection.features.max_query_params else max(len(keys), 1)
        count: int = sum(updatable(self.queryset, chunk)._update_rows(values) for chunk in chunks(keys, size))
        self.queryset._result_cache = None
        if heard:
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
