"""Touching parents: gathered while children are written, done once just before COMMIT."""

from __future__ import annotations

import dataclasses
import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import ForeignKey, Model

from django_clean_timestamps.context.frame import Frame
from django_clean_timestamps.stamping.baseline import loaded_parents
from django_clean_timestamps.stamping.description import Description
from django_clean_timestamps.stamping.parents import touch_rows
from django_clean_timestamps.stamping.per_class import per_class
from django_clean_timestamps.stamping.rows import chunks, locking
from django_clean_timestamps.unit_of_work import get_unit

if TYPE_CHECKING:
    from django_clean_timestamps.stamping.entity import BaseTimestampEntity
    from django_clean_timestamps.stamping.saving import Save

__all__ = [
    "ParentLink",
    "ParentTouch",
    "Touch",
    "comes_round",
    "enlist_parents",
    "links_of",
    "lock_parents",
    "touch_parents",
]


class ParentLink(NamedTuple):
    """A foreign key named in ``touches``."""

    field: ForeignKey[Any, Any]
    attname: str
    parent: type[BaseTimestampEntity]
    target: str


class Node(NamedTuple):
    """A row, by its root concrete model and its key."""

    model: type[Model]
    key: Any


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Touch:
    """
    One parent to be touched.

    Attributes:
        parent: Its model.
        target: The name of the field that the child's foreign key refers to, its primary key as a rule.
        value: That field's value.
        origin: The row whose write began it, where touches can come round to it; None elsewhere.
        description: The texts of the child's write, and the contexts that were in force.
        number: The order of the writes; the last one's description is the parent's.
    """

    parent: type[BaseTimestampEntity]
    target: str
    value: Any
    origin: Node | None
    description: Description
    number: int


_numbers: Final = itertools.count()


@per_class
def links_of(model: type[BaseTimestampEntity]) -> tuple[ParentLink, ...]:
    """Return the foreign keys that ``touches`` names, those that a system check refuses left out."""
    links = []
    for name in model.touches:
        field = model._meta.get_field(name)
        if isinstance(field, ForeignKey) and hasattr(field.related_model, "touches"):
            links.append(ParentLink(field, field.attname, field.related_model, field.target_field.attname))  # type: ignore[arg-type]
    return tuple(links)


@per_class
def comes_round(model: type[BaseTimestampEntity]) -> bool:
    """Say whether touches of the model's parents can reach the model itself."""
    seen: set[type[Model]] = set()
    waiting = [link.parent for link in links_of(model)]
    while waiting:
        parent = waiting.pop()
        root = root_of(parent)
        if root is root_of(model):
            return True
        if root not in seen:
            seen.add(root)
            waiting += [link.parent for link in links_of(parent)]
    return False


@per_class
def root_of(model: type[Model]) -> type[Model]:
    """Return the concrete model at the root of a multi-table tree that holds the stamps."""
    concrete = model._meta.concrete_model or model
    return concrete._meta.get_field("updated_at").model


class ParentTouch:
    """The parents that one ``save()`` touches: those its row had, and those it gets."""

    __slots__ = ("_description", "_old", "_written")

    def __init__(self, description: Description, old: Sequence[Any] | None, written: Sequence[bool]) -> None:
        self._description = description
        self._old = old
        self._written = written

    @classmethod
    def before_save(cls, save: Save) -> ParentTouch:
        """Learn the old parents while the row still has them; asks the database only where they were not loaded."""
        entity = save.entity
        links = links_of(type(entity))
        fields = save.update_fields
        written = [fields is None or link.attname in fields or link.field.name in fields for link in links]
        old: Sequence[Any] | None = None
        if not save.certain_insert:
            old = loaded_parents(entity)
            if old is None:
                rows = type(entity)._base_manager.using(save.using).filter(pk=entity.pk)
                old = rows.values_list(*(link.attname for link in links)).first()
        known = old or (None,) * len(links)
        state = entity.__dict__
        pairs = [(link, state.get(link.attname)) for link, is_written in zip(links, written, strict=True) if is_written]
        lock_parents(save.connection, type(entity), set(pairs).difference(zip(links, known, strict=True)), save.frame)
        return cls(save.description, old, written)

    def enlist(self, entity: BaseTimestampEntity, connection: BaseDatabaseWrapper) -> None:
        """Enlist old and new parents."""
        links = links_of(type(entity))
        state = entity.__dict__
        for index, link in enumerate(links):
            values = set() if self._old is None else {self._old[index]}
            if self._written[index] and link.attname in state:
                values.add(state[link.attname])
            enlist_parents(connection, type(entity), link, values, self._description, child=entity.pk)


def lock_parents(
    connection: BaseDatabaseWrapper,
    model: type[BaseTimestampEntity],
    pairs: Iterable[tuple[ParentLink, Any]],
    frame: Frame,
) -> None:
    """
    Lock the parents that rows are about to refer to, on MariaDB and MySQL.

    InnoDB locks a parent for reading when it checks the foreign key of a new child. Two transactions that hold this
    lock on one parent can neither of them touch it, and one is killed. Each parent is locked once for a transaction.

    Args:
        connection: The children's connection.
        model: The children's model.
        pairs: Foreign keys and the values that rows get.
        frame: The contexts in force; who is not touched is not locked.
    """
    if connection.vendor != "mysql":
        return
    unit = get_unit(connection)
    wanted: dict[tuple[str, str], tuple[ParentLink, set[Any]]] = {}
    for link, value in pairs:
        key = (link.parent._meta.label, link.target)
        if value is None or _is_suspended(frame, link.parent) or unit.is_enlisted(_hold, (*key, value)):
            continue
        wanted.setdefault(key, (link, set()))[1].add(value)
        unit.enlist(_hold, (*key, value), None)
    for _, (link, values) in sorted(wanted.items(), key=lambda item: item[0]):
        rows_of = link.parent._base_manager.using(connection.alias).order_by("pk")
        for chunk in chunks(sorted(values)):
            list(locking(rows_of.filter(**{f"{link.target}__in": chunk})).values_list("pk"))


def _hold(connection: BaseDatabaseWrapper, items: Sequence[Any]) -> None:
    """Stand for the locks that a transaction holds on parents; they need nothing done before COMMIT."""


def enlist_parents(
    connection: BaseDatabaseWrapper,
    model: type[BaseTimestampEntity],
    link: ParentLink,
    values: Iterable[Any],
    description: Description,
    *,
    child: Any = None,
) -> None:
    """
    Have parents touched before COMMIT, unless that is suspended now: what holds at COMMIT does not count.

    Args:
        connection: The child's connection.
        model: The child's model.
        link: The foreign key.
        values: Its values, None among them where there was no parent.
        description: The child's write.
        child: The child's key where one is known, so that touches do not come round to it.
    """
    if _is_suspended(description.frame, link.parent):
        return
    origin = Node(root_of(model), child) if child is not None and comes_round(model) else None
    unit = get_unit(connection)
    for value in values:
        if value is not None:
            touch = Touch(
                parent=link.parent,
                target=link.target,
                value=link.field.target_field.to_python(value),
                origin=origin,
                description=description,
                number=next(_numbers),
            )
            unit.enlist(touch_parents, (touch.parent, touch.target, touch.value, origin), touch)


def _is_suspended(frame: Frame, parent: type[Model]) -> bool:
    return frame.touches_suspended(parent) or frame.stamps_preserved(parent)


def touch_parents(connection: BaseDatabaseWrapper, touches: Sequence[Touch]) -> None:
    """
    Touch the parents, their parents and so on: one UPDATE for each model, by model and key.

    The order keeps two transactions that touch the same rows from a deadlock, which is why all rows are known before
    the first is locked.
    """
    rows = _find_rows(connection, touches)
    by_model: dict[Any, dict[Any, Touch]] = defaultdict(dict)
    for (model, key), reached in rows.items():
        # A row whose own write began a touch that came round to it is not written again.
        if any(origin != Node(root_of(model), key) for origin in reached.origins):
            by_model[model][key] = reached.last
    for model in sorted(by_model, key=lambda model: model._meta.label):
        touch_rows(connection, model, {key: by_model[model][key] for key in sorted(by_model[model])})


@dataclasses.dataclass(slots=True)
class _Reached:
    """A parent's last touch, and up to two of the rows that its touches began at: two differ from any one row."""

    last: Touch
    origins: set[Node | None]


def _find_rows(connection: BaseDatabaseWrapper, touches: Sequence[Touch]) -> dict[Node, _Reached]:
    """Return every row that the touches reach, by reading alone."""
    found: dict[Node, _Reached] = {}
    frontier = list(touches)
    while frontier:
        news: dict[type[BaseTimestampEntity], dict[Any, list[Touch]]] = defaultdict(lambda: defaultdict(list))
        for touch, key in _with_keys(connection, frontier):
            node = Node(touch.parent, key)
            reached = found.get(node)
            if reached is None:
                found[node] = _Reached(touch, {touch.origin})
            elif touch.origin not in reached.origins and len(reached.origins) < 2:
                reached.origins.add(touch.origin)
                reached.last = max(reached.last, touch, key=_number)
            else:
                reached.last = max(reached.last, touch, key=_number)
                continue
            news[touch.parent][key].append(touch)
        frontier = [touch for model, keys in news.items() for touch in _next_touches(connection, model, keys)]
    return found


def _number(touch: Touch) -> int:
    return touch.number


def _with_keys(connection: BaseDatabaseWrapper, touches: Sequence[Touch]) -> Iterator[tuple[Touch, Any]]:
    """Yield the touches with their parents' primary keys; a foreign key may refer to another field."""
    others: dict[tuple[type[BaseTimestampEntity], str], list[Touch]] = defaultdict(list)
    for touch in touches:
        if touch.target == touch.parent._meta.pk.attname:
            yield touch, touch.value
        else:
            others[touch.parent, touch.target].append(touch)
    for (model, target), waiting in others.items():
        values = {touch.value for touch in waiting}
        rows_of = model._base_manager.using(connection.alias)
        keys: dict[Any, Any] = {}
        for chunk in chunks(list(values)):
            keys.update(rows_of.filter(**{f"{target}__in": chunk}).values_list(target, "pk"))
        for touch in waiting:
            if touch.value in keys:
                yield touch, keys[touch.value]


def _next_touches(
    connection: BaseDatabaseWrapper, model: type[BaseTimestampEntity], keys: dict[Any, list[Touch]]
) -> Iterator[Touch]:
    links = links_of(model)
    if not links:
        return
    names = [link.attname for link in links]
    rows_of = model._base_manager.using(connection.alias)
    for chunk in chunks(list(keys)):
        for key, *values in rows_of.filter(pk__in=chunk).values_list("pk", *names):
            for touch, (link, value) in itertools.product(keys[key], zip(links, values, strict=True)):
                if value is not None and not _is_suspended(touch.description.frame, link.parent):
                    yield dataclasses.replace(touch, parent=link.parent, target=link.target, value=value)
