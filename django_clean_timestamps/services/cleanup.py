"""Deleting what nobody has written for long, and a report of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, TypeVar

from django.db import IntegrityError, transaction
from django.db.models.deletion import Collector

from django_clean_timestamps.services.repository import BaseTimestampRepository
from django_clean_timestamps.services.transactions import locking_transaction
from django_clean_timestamps.stamping.entity import BaseTimestampEntity
from django_clean_timestamps.stamping.fields import UPDATED_AT

__all__ = ["CleanupReport", "KeptEntity", "clean_up"]

ModelT = TypeVar("ModelT", bound=BaseTimestampEntity)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class KeptEntity:
    """A stale entity that is not deleted, and why not."""

    pk: Any
    reason: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CleanupReport:
    """
    What a cleanup deleted, or would delete, and what it kept.

    Attributes:
        dry_run: Whether nothing was deleted.
        stale_before: What was last written before this moment was stale.
        deleted: The primary keys of the stale entities that were, or would be, deleted by themselves; what cascades
            with another one is not listed.
        kept: The stale entities that stay, each with the reason.
    """

    dry_run: bool
    stale_before: datetime
    deleted: tuple[Any, ...] = ()
    kept: tuple[KeptEntity, ...] = ()

    @property
    def deleted_count(self) -> int:
        """How many were, or would be, deleted."""
        return len(self.deleted)

    @property
    def kept_count(self) -> int:
        """How many stay."""
        return len(self.kept)


def clean_up(
    repository: BaseTimestampRepository[ModelT],
    why_kept: Callable[[ModelT], str],
    *,
    stale_before: datetime,
    dry_run: bool,
    batch_size: int,
) -> CleanupReport:
    """
    Delete the stale entities that may be, in batches of one transaction each, oldest first.

    Every row is locked and its staleness looked at again before it is deleted.

    Args:
        repository: Whose rows.
        why_kept: Returns why an entity must stay, or ``""``.
        stale_before: What was written since then is not stale.
        dry_run: Whether to delete nothing; no row is locked then.
        batch_size: How many rows a transaction holds.
    """
    deleted: list[Any] = []
    kept: list[KeptEntity] = []
    handle = _look_at if dry_run else _delete
    # The keys are read first: a batch found by its staleness alone would find again what the batch before it kept.
    stale = repository.rows().using(repository.write_alias).stale(stale_before)
    for keys in _batches(list(stale.order_by(UPDATED_AT, "pk").values_list("pk", flat=True)), batch_size):
        for pk, reason in handle(repository, keys, stale_before, why_kept):
            if reason:
                kept.append(KeptEntity(pk=pk, reason=reason))
            else:
                deleted.append(pk)
    return CleanupReport(dry_run=dry_run, stale_before=stale_before, deleted=tuple(deleted), kept=tuple(kept))


def _batches(keys: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    return (keys[start : start + size] for start in range(0, len(keys), size))


def _look_at(
    repository: BaseTimestampRepository[ModelT],
    keys: Sequence[Any],
    stale_before: datetime,
    why_kept: Callable[[ModelT], str],
) -> Iterator[tuple[Any, str]]:
    using = repository.write_alias
    for entity in repository.rows().using(using).filter(pk__in=keys).stale(stale_before).order_by(UPDATED_AT, "pk"):
        yield entity.pk, why_kept(entity) or _why_protected(entity, using)


def _why_protected(entity: BaseTimestampEntity, using: str) -> str:
    try:
        Collector(using=using, origin=entity).collect([entity])
    except IntegrityError as error:
        return _first_sentence(error)
    return ""


def _delete(
    repository: BaseTimestampRepository[ModelT],
    keys: Sequence[Any],
    stale_before: datetime,
    why_kept: Callable[[ModelT], str],
) -> list[tuple[Any, str]]:
    using = repository.write_alias
    found: list[tuple[Any, str]] = []
    with locking_transaction(using):
        # Locked by key alone: under the condition of staleness InnoDB would lock the gaps of an index on it as well.
        rows = {entity.pk: entity for entity in repository.locked_rows().filter(pk__in=keys).order_by("pk")}
        for entity in (rows[pk] for pk in keys if pk in rows):
            pk = entity.pk
            if entity.updated_at >= stale_before:
                found.append((pk, "it was written in the meantime"))
                continue
            try:
                reason = why_kept(entity)
                if not reason:
                    with transaction.atomic(using=using):
                        repository.delete(entity)
            except repository.model.DoesNotExist:
                # It went with another one of this batch.
                continue
            except IntegrityError as error:
                reason = _first_sentence(error)
            found.append((pk, reason))
    return found


def _first_sentence(error: IntegrityError) -> str:
    return str(error.args[0]) if error.args else type(error).__name__
