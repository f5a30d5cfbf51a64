"""The slot of an entity: where its events stand among the shards, for ever."""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256

from django.apps import apps
from django.core.exceptions import FieldDoesNotExist

from django_clean_timestamps.stamping.keys import stamped_table

__all__ = ["root_label_of", "slot_of"]


def slot_of(root_label: str, entity_id: str) -> int:
    """
    Return the slot, 0 to 255: the first byte of the SHA-256 of ``root_label:entity_id``.

    Every database's SQL has the same, see ``set_based.expressions``; it can never change.
    """
    return sha256(f"{root_label}:{entity_id}".encode()).digest()[0]


@lru_cache(maxsize=4096)
def root_label_of(entity_type: str) -> str:
    """
    Return the label of the root of an entity's multi-table tree: a child and its parent are one entity.

    A model that is not installed (any more), or is no entity, is its own root.
    """
    try:
        return stamped_table(apps.get_model(entity_type))._meta.label_lower
    except (LookupError, ValueError, FieldDoesNotExist):
        return entity_type
