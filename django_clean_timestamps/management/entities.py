"""An entity as somebody named it on the command line: by the label of its model and a key."""

from __future__ import annotations

import ast
import dataclasses
from typing import Any, NamedTuple, Self

from django.apps import apps
from django.core.exceptions import ObjectDoesNotExist, ValidationError
from django.core.management.base import CommandError
from django.db import router

from django_clean_timestamps.eventlog.story import entity_labels
from django_clean_timestamps.management.log_command import ExitCode
from django_clean_timestamps.management.words import near_words
from django_clean_timestamps.stamping.entity import BaseTimestampEntity
from django_clean_timestamps.stamping.identity import has_own_identity

__all__ = ["EntityArgument", "Identity"]


class Identity(NamedTuple):
    """
    What a key stands for in one database.

    Attributes:
        entity_id: The key as the log has it.
        row: The row, None where none was found by the key.
    """

    entity_id: str
    row: BaseTimestampEntity | None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class EntityArgument:
    """
    Which entity is meant.

    Attributes:
        label: The label of its concrete model.
        model: That, None where it is not installed (any more).
        key: Its primary key, or its entity id, as it was typed.
    """

    label: str
    model: type[BaseTimestampEntity] | None
    key: str

    @classmethod
    def parse(cls, label: str, key: str) -> Self:
        """
        Return what was named; a model's name alone will do where no other entity has it.

        Raises:
            CommandError: The model is no entity.
        """
        text = label.lower()
        if "." not in text:
            named = [each for each in entity_labels() if each.endswith(f".{text}")]
            text = named[0] if len(named) == 1 else text
        try:
            found: Any = apps.get_model(text)
        except (LookupError, ValueError):
            return cls(label=text, model=None, key=key)
        if not issubclass(found, BaseTimestampEntity):
            raise CommandError(
                f"{found._meta.label} is no entity: it does not subclass BaseTimestampEntity, so nothing is recorded "
                "of it.",
                returncode=ExitCode.UNKNOWN,
            )
        model: Any = found._meta.concrete_model
        return cls(label=model._meta.label_lower, model=model, key=key)

    @property
    def unknown_model(self) -> str:
        """What to say of a model that is not installed and of which there are no events."""
        return (
            f"There is no model {self.label!r}, and no event of one with the key {self.key!r}: "
            f"{near_words(self.label, entity_labels())}"
        )

    @property
    def has_own_identity(self) -> bool:
        """Whether the log knows it by another id than its key, which only the row tells."""
        return self.model is not None and has_own_identity(self.model)

    @property
    def key_words(self) -> str:
        """What its primary key is: ``"the BigAutoField 'id'"``."""
        fields: Any = self.model._meta.pk_fields if self.model is not None else ()
        return " and ".join(f"the {field.get_internal_type()} {field.name!r}" for field in fields)

    def can_be_in(self, using: str) -> bool:
        """Say whether the routers let the model be in a database: one that is not installed can be in any."""
        return self.model is None or router.allow_migrate_model(using, self.model)

    def identify(self, using: str) -> Identity:
        """
        Return what the key stands for in a database, by reading the row.

        Where there is none it may be one that was deleted.

        Raises:
            Error: The database cannot be asked.
        """
        if self.model is None or not self.can_be_in(using):
            return Identity(self.key, None)
        key = self._parsed_key()
        try:
            row = self.model._base_manager.using(using).get(pk=key)
        except (ObjectDoesNotExist, ValidationError, ValueError, TypeError):
            return Identity(self.key if self.has_own_identity else self._text_of(key), None)
        return Identity(row._get_entity_id(), row)

    def _parsed_key(self) -> Any:
        """A composite key is typed as Python writes it, and as the log has it: ``(1, 2)``."""
        if self.model is None or len(self.model._meta.pk_fields) == 1:
            return self.key
        try:
            return ast.literal_eval(self.key)
        except (ValueError, SyntaxError):
            return self.key

    def _text_of(self, key: Any) -> str:
        """Return a key as the log has it: ``007`` is 7, and a UUID has its dashes."""
        field: Any = self.model._meta.pk if self.model is not None else None
        try:
            return str(field.to_python(key))
        except (ValidationError, ValueError, TypeError, AttributeError):
            return self.key
