"""The two fields of an entity. The stamps are decided elsewhere; the fields only hand them over."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from django.conf import settings
from django.db.models import Field, Model
from django.db.models.fields import NOT_PROVIDED
from django.db.models.query_utils import DeferredAttribute
from django.utils import timezone
from model_utils.fields import AutoCreatedField, AutoLastModifiedField

from django_clean_timestamps.clocks import read_clock
from django_clean_timestamps.stamping.baseline import remember

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.db.models import DateTimeField

    _Mixin = DateTimeField[datetime | str, datetime]
else:
    _Mixin = object

__all__ = ["CREATED_AT", "UPDATED_AT", "AwareUtc", "CreatedAtField", "UpdatedAtField", "as_value_of"]

CREATED_AT: Final = "created_at"
UPDATED_AT: Final = "updated_at"


class _StampAttribute(DeferredAttribute):
    """Loads a deferred stamp, and remembers it as loaded, not as given."""

    def fetch_many(self, instances: Iterable[Model]) -> None:  # pragma: no cover - run on Django 6.1
        """Load it for all instances of one query at once, as Django 6.1 does under ``FETCH_PEERS``."""
        name = self.field.attname
        # A stamp that the caller has set on a peer meanwhile stays a given one.
        peers = list(instances)
        missing = [instance for instance in peers if name not in instance.__dict__]
        super().fetch_many(peers)
        for instance in missing:
            remember(instance, (name,))


class AwareUtc(_Mixin):
    """A datetime field whose values are aware UTC also without time zone support."""

    def get_db_converters(self, connection: BaseDatabaseWrapper) -> list[Callable[..., Any]]:
        """Without time zone support the database holds naive UTC; the instance is given aware UTC all the same."""
        converters: list[Callable[..., Any]] = super().get_db_converters(connection)
        return converters if settings.USE_TZ else [*converters, _attach_utc]

    def get_prep_value(self, value: Any) -> Any:
        """Return what the database is given: naive UTC without time zone support, else as Django does."""
        if isinstance(value, datetime) and value.tzinfo is not None:
            # What is aware needs none of Django's conversions, which cost as much as the rest of an INSERT's value.
            return value if settings.USE_TZ else value.astimezone(UTC).replace(tzinfo=None)
        return super().get_prep_value(value)


class _StampField(AwareUtc):
    """What both fields share: no default, not editable, UTC also without time zone support."""

    descriptor_class = _StampAttribute

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # A default of "now" would be taken for a given time, and model-utils keeps one for the life of the process.
        kwargs.setdefault("default", NOT_PROVIDED)
        # full_clean() of an unsaved entity must not ask for its stamps.
        kwargs.setdefault("blank", True)
        super().__init__(*args, **kwargs)

    get_default = Field.get_default

    def deconstruct(self) -> Any:
        """Return the field for migrations, under its public path and without what is always so."""
        name, _, args, kwargs = super().deconstruct()
        # Django leaves out what is usual with its own fields, which here is the exception.
        for key, usual in (("editable", False), ("blank", True)):
            kwargs.pop(key, None)
            if getattr(self, key) is not usual:
                kwargs[key] = not usual
        return name, f"django_clean_timestamps.models.{type(self).__name__}", args, kwargs

    def pre_save(self, model_instance: Model, add: bool) -> Any:
        """
        Hand over the stamp that stands on the instance.

        Only an insert without one is filled in here: that of a historical model in a data migration, which is no
        entity. A history model that copies the fields brings its values along.
        """
        value = getattr(model_instance, self.attname)
        if add and value is None and not self.null:
            value = getattr(model_instance, CREATED_AT, None) or read_clock()
            setattr(model_instance, self.attname, value)
        return value


def _attach_utc(value: datetime | None, expression: object, connection: object) -> datetime | None:
    return value if value is None else value.replace(tzinfo=UTC)


def as_value_of(field: Field[Any, Any], stamp: datetime) -> datetime:
    """Return a stamp as another datetime field holds it: without time zone support naive, in the project's zone."""
    if settings.USE_TZ or isinstance(field, _StampField):
        return stamp
    return timezone.make_naive(stamp, timezone.get_default_timezone())


class CreatedAtField(_StampField, AutoCreatedField):
    """When the row was inserted: aware UTC with microseconds, set once, never null."""


class UpdatedAtField(_StampField, AutoLastModifiedField):
    """When the row was last written: aware UTC with microseconds, strictly increasing, never null."""
