"""
Recording deletions, on the fast and on the slow path of Django's collector.

Fast, the rows go by ``_raw_delete()`` of a queryset, which is ours. Slow, they go as instances, which only the
``post_delete`` signal tells of; but a connected receiver ends the fast path of its model. So it is connected to models
that are never deleted fast, and to those that somebody else's receiver makes slow, at the latest moment: when the
collector asks the base manager for their rows.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from django.apps import apps
from django.db import connections
from django.db.models import DO_NOTHING, Model, deletion
from django.db.models.deletion import get_candidate_relations_to_delete
from django.db.models.signals import post_delete, pre_delete

from django_clean_timestamps.context.frame import current_frame
from django_clean_timestamps.events import TimestampDeletedEvent
from django_clean_timestamps.stamping.baseline import loaded_parents, normalised
from django_clean_timestamps.stamping.cascades import is_gone, lock_what_was_fetched
from django_clean_timestamps.stamping.decision import read_moment
from django_clean_timestamps.stamping.description import Description, describe
from django_clean_timestamps.stamping.identity import entity_ids
from django_clean_timestamps.stamping.recording import (
    Recording,
    has_audience,
    record_deleted,
    recording_of,
    shared_facts,
)
from django_clean_timestamps.stamping.rows import chunks, keyed, lock_rows
from django_clean_timestamps.stamping.touching import enlist_parents, links_of
from django_clean_timestamps.unit_of_work import set_based_writer, write_block, write_pending, writer_in_use

if TYPE_CHECKING:
    from django_clean_timestamps.stamping.entity import BaseTimestampEntity
    from django_clean_timestamps.stamping.querysets import StampingQuerySet

__all__ = [
    "begin_deletion",
    "delete_rows",
    "describe_deletion",
    "hear_slow_deletions",
    "hears_deletions",
    "is_deleted_slowly",
    "load_parents",
    "record_instance_deleted",
]

# The relations that the collector does not look at: database-level ones too, from Django 6.1 on.
_LEFT_ALONE: Final = getattr(deletion, "SKIP_COLLECTION", frozenset({DO_NOTHING}))

_hearing: Final[set[type[Model]]] = set()
_always_slow: Final[dict[type[Model], bool]] = {}


def hears_deletions(model: type[BaseTimestampEntity]) -> bool:
    """Make sure that a slow deletion of the model's rows will be recorded; say whether its deletions are slow."""
    if model in _hearing:
        return True
    if not is_deleted_slowly(model):
        return False
    uid = f"clean_timestamps {model._meta.label}"
    pre_delete.connect(lock_what_was_fetched, sender=model, dispatch_uid=uid)
    post_delete.connect(_row_deleted, sender=model, dispatch_uid=uid)
    _hearing.add(model)
    for relation in (model._meta.concrete_model or model)._meta.related_objects:
        if relation.parent_link:
            # Its rows would go fast with those of the parent, without a look at its base manager.
            hears_deletions(relation.related_model)  # type: ignore[arg-type]
    return True


def hear_slow_deletions(models: Iterable[type[BaseTimestampEntity]]) -> None:
    """
    Connect to those of the models that are always deleted slowly; called once they are all there.

    A collector of somebody's own that is given instances asks no base manager for their rows.
    """
    for model in models:
        if _is_always_slow(model):
            hears_deletions(model)


def is_deleted_slowly(model: type[Model]) -> bool:
    """Say whether Django's collector fetches the model's rows to delete them."""
    slow = _always_slow.get(model)
    if slow is None:
        if not apps.models_ready:
            return False
        slow = _always_slow[model] = _is_always_slow(model)
    return slow or pre_delete.has_listeners(model) or post_delete.has_listeners(model)


def _is_always_slow(model: type[Model]) -> bool:
    """
    Apply the rules of ``Collector.can_fast_delete()`` that depend on the model alone.

    A multi-table child can be deleted fast in one case, by its parent; that is given up here, since no hook is left
    for its deletion through another relation.
    """
    options = model._meta
    concrete = options.concrete_model or model
    return (
        bool(concrete._meta.parents)
        or any(
            relation.field.remote_field.on_delete not in _LEFT_ALONE  # type: ignore[attr-defined]
            for relation in get_candidate_relations_to_delete(options)
        )
        or any(hasattr(field, "bulk_related_objects") for field in options.private_fields)
    )


def describe_deletion(model: type[Model]) -> Description:
    """Check the context of a deletion against the rules; nothing else about it can be wrong."""
    frame = current_frame()
    given = () if frame.moment is None else (("stamped_at()", frame.moment),)
    return describe(frame, model._meta.label, given=given)


def delete_rows(queryset: StampingQuerySet[Any], using: str) -> int:
    """Delete the rows of a queryset in the fast way; where somebody listens or is touched, by their locked keys."""
    with write_block(using) as block:
        return _delete_rows(queryset, using, block.connection)


def _delete_rows(queryset: StampingQuerySet[Any], using: str, connection: Any) -> int:
    model: type[BaseTimestampEntity] = queryset.model
    description = describe_deletion(model)
    links = links_of(model) if model.touches else ()
    recording = recording_of(model, TimestampDeletedEvent, frame=description.frame)
    moment = normalised(read_moment(description.frame))

    def delete(rows: Any) -> int:
        if recording is not Recording.SHARED:
            return rows._delete_raw(using)  # type: ignore[no-any-return]
        # One entity's events stand in the log in the order of its writes.
        write_pending(connection)
        facts = shared_facts(model, TimestampDeletedEvent, description, moment)
        return set_based_writer().delete(connection, facts, rows)

    if not links and recording is not Recording.VALUES:
        return delete(queryset.using(using))
    rows = lock_rows(queryset.using(using), tuple(link.attname for link in links))
    keys = [row[0] for row in rows]
    ids = entity_ids(model, using, keys) if recording is Recording.VALUES else {}
    count = sum(delete(keyed(queryset.using(using), chunk)) for chunk in chunks(keys))
    for entity_id in ids.values():
        record_deleted(connection, model, entity_id, description, at=moment)
    for index, link in enumerate(links, start=1):
        for key, value in dict.fromkeys((row[0], row[index]) for row in rows):
            enlist_parents(connection, model, link, (value,), description, child=key)
    return count


def _row_deleted(sender: type[BaseTimestampEntity], instance: Any, using: str, origin: Any = None, **_: Any) -> None:
    """Record what the collector deleted as an instance; a multi-table row once, under its most derived class."""
    followers = _followers_of(_NOBODY if origin is None else origin)
    concrete = sender._meta.concrete_model or sender
    derived = followers.get((using, concrete, instance.pk))
    if derived is not None and derived.pk is not None:
        # Kept: Django tells twice of a row whose queryset returns instances of subclasses.
        return
    for ancestor in concrete._meta.all_parents:
        followers[using, ancestor, getattr(instance, ancestor._meta.pk.attname)] = instance
    if not is_gone(instance) and "_timestamp_row_is_gone" not in instance.__dict__:
        # Nobody but the collector holds an instance that it fetched itself.
        is_heard = instance is origin or writer_in_use() is not None or has_audience(sender, TimestampDeletedEvent)
        record_instance_deleted(sender, instance, using, instance._get_entity_id() if is_heard else None)


def load_parents(entity: BaseTimestampEntity, using: str) -> None:
    """Learn the parents that the row of an entity has, while it is there."""
    model = type(entity)
    if model.touches and loaded_parents(entity) is None:
        rows = model._base_manager.using(using).filter(pk=entity.pk)
        entity._loaded_parents = rows.values_list(*(link.attname for link in links_of(model))).first()


def record_instance_deleted(model: type[BaseTimestampEntity], instance: Any, using: str, entity_id: str | None) -> None:
    """Record the deletion of one instance, unless without an id, and have the parents of its row touched."""
    description = describe_deletion(model)
    connection = connections[using]
    if entity_id is not None and not description.frame.events_suspended(model):
        moment = normalised(read_moment(description.frame))
        record_deleted(connection, model, entity_id, description, at=moment, instance=instance)
    if model.touches:
        for link, value in zip(links_of(model), loaded_parents(instance) or (), strict=False):
            enlist_parents(connection, model, link, (value,), description, child=instance.pk)


_Followers = weakref.WeakValueDictionary[tuple[str, type[Model], Any], Model]
"""
The rows of ancestors, by alias, model and key, with the instance whose recorded end theirs follows from.

Django's collector holds that instance while it is at work, and takes its key when it is done: what it then has left,
since parents were kept, say, stands for nothing any more.
"""


class _Nobody:
    """Stands for the origin of a deletion that was begun with a collector of somebody's own, which names none."""


_NOBODY: Final = _Nobody()

# By deletion under way, which is known by its origin, the instance or the queryset, of which there is one at a time.
_followers: Final[dict[int, tuple[weakref.ref[Any], _Followers]]] = {}


def begin_deletion(origin: object) -> None:
    """Forget what followed from an earlier deletion through the same instance or queryset."""
    _followers.pop(id(origin), None)


def _followers_of(origin: object) -> _Followers:
    known = _followers.get(id(origin))
    if known is None or known[0]() is not origin:
        number = id(origin)
        known = _followers[number] = (
            weakref.ref(origin, lambda _: _followers.pop(number, None)),
            weakref.WeakValueDictionary(),
        )
    return known[1]
