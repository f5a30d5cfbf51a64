"""What of the event log is asked for: the form of its page."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import urlencode

from django import forms
from django.apps import apps
from django.utils.translation import gettext_lazy as _

from django_clean_timestamps.admin.event_rows import KIND_WORDS
from django_clean_timestamps.eventlog.models import ENTITY_TYPE_LENGTH
from django_clean_timestamps.eventlog.story import labels_of_entity
from django_clean_timestamps.events.validation import (
    ACTOR_LENGTH,
    CORRELATION_ID_LENGTH,
    ENTITY_ID_LENGTH,
    REASON_LENGTH,
)

__all__ = ["LogForm", "LogSearch"]

_LAST_POSITION: Final = 2**63 - 1
_PLACES: Final = ("upto", "after")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class LogSearch:
    """
    Which events are looked for, and where.

    Attributes:
        using: The log's database alias.
        permitted: The entity types that may be seen, None for all.
        upto: The position at which to begin, going to older ones; None for the newest.
        after: The position behind which to begin, going to newer ones; wins over ``upto``.
    """

    using: str
    permitted: tuple[str, ...] | None
    entity_type: str = ""
    entity_id: str = ""
    kind: int | None = None
    reason: str = ""
    actor: str = ""
    correlation_id: str = ""
    upto: int | None = None
    after: int | None = None

    @property
    def is_of_one_entity(self) -> bool:
        """Whether the index by entity leads to the events."""
        return bool(self.entity_type and self.entity_id)

    @property
    def labels(self) -> tuple[str, ...] | None:
        """The entity types to look for, of those that may be seen; None for all."""
        if not self.entity_type:
            return self.permitted
        wanted = labels_of_entity(self.entity_type) if self.entity_id else (self.entity_type,)
        return wanted if self.permitted is None else tuple(label for label in wanted if label in self.permitted)

    @property
    def is_windowed(self) -> bool:
        """Whether no index leads to the events, so that they are looked for among a bounded number of positions."""
        is_filtered = bool(self.kind or self.reason or self.actor or self.correlation_id)
        return is_filtered or (not self.is_of_one_entity and (self.labels is not None or bool(self.entity_id)))


class LogForm(forms.Form):
    """The form of the event log's page."""

    database = forms.ChoiceField(label=_("Database"), required=False)
    entity_type = forms.CharField(
        label=_("Entity type"),
        required=False,
        max_length=ENTITY_TYPE_LENGTH,
        widget=forms.TextInput(attrs={"list": "timestamp-entity-types", "placeholder": _("app.model")}),
    )
    # Taken as it stands: a key may begin or end with a space.
    entity_id = forms.CharField(label=_("Entity id"), required=False, max_length=ENTITY_ID_LENGTH, strip=False)
    kind = forms.TypedChoiceField(label=_("What happened"), required=False, coerce=int, empty_value=None)
    reason = forms.CharField(label=_("Reason contains"), required=False, max_length=REASON_LENGTH)
    actor = forms.CharField(label=_("Actor"), required=False, max_length=ACTOR_LENGTH)
    correlation_id = forms.CharField(label=_("Correlation id"), required=False, max_length=CORRELATION_ID_LENGTH)
    upto = forms.IntegerField(label=_("Go to position"), required=False, min_value=0, max_value=_LAST_POSITION)
    after = forms.IntegerField(required=False, min_value=0, max_value=_LAST_POSITION, widget=forms.HiddenInput)

    def __init__(self, data: Mapping[str, Any], *, aliases: Iterable[str], labels: Iterable[str]) -> None:
        super().__init__(data)
        self.aliases, self.labels = tuple(aliases), tuple(labels)
        kind: Any = self.fields["kind"]
        kind.choices = [("", _("anything")), *KIND_WORDS.items()]
        database: Any = self.fields["database"]
        database.choices = [(alias, alias) for alias in self.aliases]

    @property
    def search_fields(self) -> list[forms.BoundField]:
        """The fields that a person fills in to search."""
        left_out = {*_PLACES, *(["database"] if len(self.aliases) == 1 else [])}
        return [field for field in self if field.name not in left_out]

    @property
    def kept(self) -> list[tuple[str, str]]:
        """What was asked for, without the place in the log, as names and texts."""
        return [(name, self.data[name]) for name in self.fields if name not in _PLACES and self.data.get(name)]

    def query(self, **place: int | None) -> str:
        """Return the query string that asks for the same at another place."""
        return "?" + urlencode([*self.kept, *((name, value) for name, value in place.items() if value is not None)])

    def clean_entity_type(self) -> str:
        """Return the label: a proxy's events are its model's. A model's name alone will do where no other has it."""
        text: str = self.cleaned_data["entity_type"].lower()
        if "." not in text:
            named = [label for label in self.labels if label.endswith(f".{text}")]
            return named[0] if len(named) == 1 else text
        try:
            model: Any = apps.get_model(text)
        except (LookupError, ValueError):
            return text
        return model._meta.concrete_model._meta.label_lower  # type: ignore[no-any-return]

    def as_search(self, permitted: tuple[str, ...] | None) -> LogSearch:
        """Return what a valid form asks for."""
        found = {name: value for name, value in self.cleaned_data.items() if name != "database"}
        return LogSearch(using=self.cleaned_data["database"] or self.aliases[0], permitted=permitted, **found)
