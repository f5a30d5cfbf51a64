"""The queryset and the manager of entities: every write path stamps and records."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Generic, TypedDict, TypeVar

from asgiref.sync import sync_to_async
from django.db import models
from django.db.models import Count, Max, Min, Model, QuerySet

from django_clean_timestamps.clocks import read_clock
from django_clean_timestamps.context.frame import current_frame
from django_clean_timestamps.probes import Observed
from django_clean_timestamps.stamping.bulk_updating import bulk_update
from django_clean_timestamps.stamping.cascades import remember_fetched
from django_clean_timestamps.stamping.deletion import begin_deletion, delete_rows, describe_deletion, hears_deletions
from django_clean_timestamps.stamping.fields import CREATED_AT, UPDATED_AT
from django_clean_timestamps.stamping.inserting import BulkInsert
from django_clean_timestamps.stamping.recording import entity_type_of
from django_clean_timestamps.stamping.rows import lock_rows
from django_clean_timestamps.stamping.updating import RowsUpdate, touched_fields
from django_clean_timestamps.unit_of_work import write_block

if TYPE_CHECKING:
    from typing import Self

__all__ = [
    "StampingManager",
    "StampingQuerySet",
    "TimestampManager",
    "TimestampQuerySet",
    "TimestampStats",
    "stamping",
    "stamping_form",
]

ModelT = TypeVar("ModelT", bound=Model)
ModelT_co = TypeVar("ModelT_co", bound=Model, covariant=True)


class TimestampStats(TypedDict):
    """What ``timestamp_stats()`` returns; the times are None where there is no row."""

    count: int
    oldest_created_at: datetime | None
    newest_created_at: datetime | None
    oldest_updated_at: datetime | None
    newest_updated_at: datetime | None


if TYPE_CHECKING:
    _Base = QuerySet[ModelT_co, ModelT_co]
else:

    class _Base(Generic[ModelT_co]):
        pass


class StampingQuerySet(_Base[ModelT_co]):
    """The write paths of an entity's querysets, to be mixed into any queryset class before its own."""

    _insert_under_way: BulkInsert | None = None
    _reading: datetime | None = None
    """The reading that all statements of one bulk call share."""
    _may_cascade = False
    """Whether it comes from the base manager of a model whose rows are deleted as instances."""
    _locked_keys: frozenset[Any] | None = None
    """The rows that are locked for a deletion as instances."""

    def _clone(self) -> Self:
        clone: Self = super()._clone()  # type: ignore[misc]
        if self._reading is not None:
            clone._reading = self._reading
        if self._may_cascade:
            clone._may_cascade = True
            clone._locked_keys = self._locked_keys
        return clone

    def _fetch_all(self) -> None:
        is_new = self._result_cache is None
        super()._fetch_all()
        if self._may_cascade and is_new and self._fields is None and not self.query.is_sliced:  # type: ignore[attr-defined]
            remember_fetched(self.model, self._result_cache, there=self._locked_keys)  # type: ignore[arg-type]

    # Reading.

    def created_between(self, a: datetime, b: datetime) -> Self:
        """Return the rows created from ``a`` to ``b``, both included."""
        return self.filter(**{f"{CREATED_AT}__range": (a, b)})

    def updated_between(self, a: datetime, b: datetime) -> Self:
        """Return the rows last written from ``a`` to ``b``, both included."""
        return self.filter(**{f"{UPDATED_AT}__range": (a, b)})

    def stale(self, older_than: timedelta | datetime) -> Self:
        """
        Return the rows that have not been written for a while.

        Args:
            older_than: How long, or since when (an aware datetime).
        """
        limit = read_clock() - older_than if isinstance(older_than, timedelta) else older_than
        return self.filter(**{f"{UPDATED_AT}__lt": limit})

    def timestamp_stats(self) -> TimestampStats:
        """Return the number of rows and the oldest and newest stamps, in one query."""
        stats: TimestampStats = self.order_by().aggregate(
            count=Count("pk"),
            oldest_created_at=Min(CREATED_AT),
            newest_created_at=Max(CREATED_AT),
            oldest_updated_at=Min(UPDATED_AT),
            newest_updated_at=Max(UPDATED_AT),
        )  # type: ignore[assignment]
        return stats

    async def atimestamp_stats(self) -> TimestampStats:
        """Return the same, asynchronously."""
        return await sync_to_async(self.timestamp_stats)()

    # Writing.

    def touch(self, reason: str | None = None, *, fields: Sequence[str] = (), at: datetime | None = None) -> int:
        """
        Move ``updated_at`` of all rows on without changing anything else, and return how many there were.

        One reading for all rows; events and touched parents as with ``update()``. Does nothing under
        ``no_touching()``, nor without ``at`` under ``preserve_timestamps()``.

        Args:
            reason: Why; at most 200 characters.
            fields: Names of other datetime fields to move along.
            at: A given time, aware, written exactly.

        Raises:
            FieldError: A name in ``fields`` is no ``DateTimeField`` of the model.
            ImmutableTimestampError: ``created_at`` is among ``fields``.
            InvalidTimestampError: ``at`` or the reason breaks a rule.
        """
        self._refuse_what_cannot_be_updated()
        names = touched_fields(self.model, fields)
        frame = current_frame()
        if frame.touches_suspended(self.model):
            return 0
        if at is None and frame.moment is None and frame.stamps_preserved(self.model):
            return 0
        values = {} if at is None else {UPDATED_AT: at}
        with self._observed("queryset_touch") as observed:
            observed.reason = observed.reason if reason is None else reason
            # All rows get the same, so their order is nothing to MariaDB, which cannot order an UPDATE of two tables.
            count = observed.rows = RowsUpdate(self.order_by(), values, reason=reason, fields=names).run()
        self._for_write, self._result_cache = True, None
        return count

    touch.alters_data = True  # type: ignore[attr-defined]

    async def atouch(self, reason: str | None = None, *, fields: Sequence[str] = (), at: datetime | None = None) -> int:
        """Do the same, asynchronously."""
        return await sync_to_async(self.touch)(reason, fields=fields, at=at)

    atouch.alters_data = True  # type: ignore[attr-defined]

    def update(self, **kwargs: Any) -> int:
        """Update as Django does; every row gets a new ``updated_at`` and an event."""
        self._refuse_what_cannot_be_updated()
        if not kwargs:
            return super().update(**kwargs)
        with self._observed("queryset_update") as observed:
            if self._reading is not None:
                # A part of a bulk_update().
                observed.operation = None
            observed.rows = RowsUpdate(self, kwargs, reading=self._reading).run()
            return observed.rows

    update.alters_data = True  # type: ignore[attr-defined]

    def _observed(self, operation: str) -> Observed:
        """Return what times an operation on many rows; the using database is known before it begins."""
        self._for_write = True
        observed = Observed(operation, entity_type_of(self.model), self.db)
        observed.reason = current_frame().reason or ""
        return observed

    def _refuse_what_cannot_be_updated(self) -> None:
        self._not_support_combined_queries("update")  # type: ignore[attr-defined]
        if self.query.is_sliced:
            raise TypeError("Cannot update a query once a slice has been taken.")
        if self.query.distinct_fields:
            # From Django 6.1 on it refuses this, before it looks at the values.
            self._update_rows({})

    def _update_rows(self, values: dict[str, Any]) -> int:
        """Run Django's own UPDATE."""
        return super().update(**values)

    def bulk_update(self, objs: Iterable[Any], fields: Iterable[str], batch_size: int | None = None) -> int:
        """Update as Django does, with one reading for all rows, which the instances get; put back when it fails."""
        with self._observed("bulk_update") as observed:
            observed.rows = bulk_update(self, objs, fields, batch_size)
            return observed.rows

    bulk_update.alters_data = True  # type: ignore[attr-defined]

    def _bulk_update_rows(self, objs: Iterable[Any], fields: Iterable[str], batch_size: int | None) -> int:
        """Run Django's own ``bulk_update()``, which calls ``update()`` for each batch."""
        return super().bulk_update(objs, fields, batch_size)

    def bulk_create(self, objs: Iterable[Any], *args: Any, **kwargs: Any) -> list[Any]:
        """Insert as Django does, with one reading for all rows; an upsert stamps existing rows as an update."""
        with self._observed("bulk_create") as observed:
            created = BulkInsert(self, objs, *args, **kwargs).run()
            observed.rows = len(created)
            return created

    bulk_create.alters_data = True  # type: ignore[attr-defined]

    def _bulk_create_rows(self, objs: list[Any], **options: Any) -> list[Any]:
        """Run Django's own ``bulk_create()``."""
        return super().bulk_create(objs, **options)

    def _insert(self, objs: Any, fields: Any, returning_fields: Any = None, **kwargs: Any) -> Any:
        insert = self._insert_under_way
        if insert is not None and kwargs.get("on_conflict") is None:
            # django-polymorphic leaves the conflict clause out.
            insert.ignores = insert.upserts = False
        if insert is None or kwargs.get("on_conflict") is None:
            return super()._insert(objs, fields, returning_fields=returning_fields, **kwargs)  # type: ignore[misc]
        return insert.insert_or_update(objs, fields, returning_fields, **kwargs)

    _insert.alters_data = True  # type: ignore[attr-defined]
    _insert.queryset_only = False  # type: ignore[attr-defined]

    def delete(self) -> tuple[int, dict[str, int]]:
        """Delete as Django does, and record the rows, those of cascades too."""
        describe_deletion(self.model)
        begin_deletion(self)
        self._for_write = True
        if not self._can_be_deleted():
            return super().delete()
        with self._observed("queryset_delete") as observed:
            deleted = self._delete_stamped()
            observed.rows = deleted[0]
            return deleted

    def _delete_stamped(self) -> tuple[int, dict[str, int]]:
        model: Any = self.model
        if not hears_deletions(model):
            with write_block(self.db):
                return super().delete()
        with write_block(self.db):
            # The collector reads the rows, from an old snapshot maybe, and deletes them later: of those that another
            # transaction deleted nothing is to be told.
            locked = lock_rows(self, ())
            rows: Any = self._chain().defer(None)  # type: ignore[attr-defined]
            rows._may_cascade, rows._locked_keys = True, frozenset(key for (key,) in locked)
            deleted = super(StampingQuerySet, rows).delete()
        self._result_cache = None
        return deleted

    def _can_be_deleted(self) -> bool:
        """Say whether Django takes the queryset; what it does not, it refuses itself."""
        query = self.query
        return not (query.is_sliced or query.combinator or query.distinct_fields or self._fields is not None)  # type: ignore[attr-defined]

    delete.alters_data = True  # type: ignore[attr-defined]
    delete.queryset_only = True  # type: ignore[attr-defined]

    def _raw_delete(self, using: Any) -> int:
        return delete_rows(self, using)

    _raw_delete.alters_data = True  # type: ignore[attr-defined]

    def _delete_raw(self, using: str) -> int:
        """Run Django's own fast DELETE."""
        return super()._raw_delete(using)


class TimestampQuerySet(StampingQuerySet[ModelT_co], QuerySet[ModelT_co, ModelT_co]):
    """A queryset of entities."""


class StampingManager:
    """Makes the querysets of any manager stamp; to be mixed in before its own class."""

    is_base_manager = False

    def get_queryset(self) -> Any:
        """Return the manager's queryset, of a class that stamps whichever class the manager chose."""
        return stamping(super().get_queryset(), is_base=self.is_base_manager)  # type: ignore[misc]


def stamping(queryset: Any, *, is_base: bool) -> Any:
    """Return a manager's queryset, in the form of its class that stamps."""
    if is_base:
        # It is the base manager whom Django's collector asks for the rows of a cascade.
        queryset = _in_stamping_form(queryset)
        queryset._may_cascade = hears_deletions(queryset.model)
        return queryset
    return _in_stamping_form(queryset)


def _in_stamping_form(queryset: Any) -> Any:
    if isinstance(queryset, StampingQuerySet):
        return queryset
    form: Any = stamping_form(type(queryset))
    stamping_queryset = form.__new__(form)
    stamping_queryset.__dict__.update(queryset.__dict__)
    return stamping_queryset


_forms: dict[type[Any], type[Any]] = {}


def stamping_form(queryset_class: type[Any]) -> type[Any]:
    """Return the queryset class with the stamping mixed in; the same class for the same class."""
    form = _forms.get(queryset_class)
    if form is None:
        name = f"Stamping{queryset_class.__name__}"

        def __reduce__(self: Any) -> Any:  # noqa: N807 - a method of the class that is made
            # Nobody can import this class.
            return _unpickled, (queryset_class,), self.__getstate__()

        members = {"__module__": queryset_class.__module__, "__qualname__": name, "__reduce__": __reduce__}
        form = _forms[queryset_class] = type(name, (StampingQuerySet, queryset_class), members)
    return form


def _unpickled(queryset_class: type[Any]) -> Any:
    form: Any = stamping_form(queryset_class)
    return form.__new__(form)


if TYPE_CHECKING:

    class TimestampManager(StampingManager, models.Manager[ModelT]):
        """The manager of entities."""

        def get_queryset(self) -> TimestampQuerySet[ModelT]: ...
        def created_between(self, a: datetime, b: datetime) -> TimestampQuerySet[ModelT]: ...
        def updated_between(self, a: datetime, b: datetime) -> TimestampQuerySet[ModelT]: ...
        def stale(self, older_than: timedelta | datetime) -> TimestampQuerySet[ModelT]: ...
        def timestamp_stats(self) -> TimestampStats: ...
        async def atimestamp_stats(self) -> TimestampStats: ...
        def touch(
            self, reason: str | None = None, *, fields: Sequence[str] = (), at: datetime | None = None
        ) -> int: ...
        async def atouch(
            self, reason: str | None = None, *, fields: Sequence[str] = (), at: datetime | None = None
        ) -> int: ...

else:

    class TimestampManager(StampingManager, models.Manager.from_queryset(TimestampQuerySet)):
        """The manager of entities."""
