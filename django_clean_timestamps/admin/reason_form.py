"""The reason of a change, asked for on a form that is made from the model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from django_clean_timestamps.events.validation import REASON_LENGTH
from django_clean_timestamps.exceptions import ImmutableTimestampError

if TYPE_CHECKING:
    _Form = forms.ModelForm[Any]
else:
    _Form = object

__all__ = ["REASON", "REFUSALS", "ReasonField", "reason_of", "with_reason"]

REASON: Final = "timestamp_reason"

REFUSALS: Final = (ValidationError, ImmutableTimestampError)
"""What stops the write of an entity and is shown on the form instead of an error page."""


class ReasonField(forms.CharField):
    """One line, as long as a reason may be; no part of the object, so it never counts as changed."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=REASON_LENGTH, **kwargs)

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Return False: the admin's log tells which fields of the object changed."""
        return False


class _RefusableForm(_Form):
    """Shows what stopped the write of this form's first run."""

    timestamp_refusal: Exception | None = None

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        refusal = self.timestamp_refusal
        if isinstance(refusal, ValidationError) and hasattr(refusal, "error_dict"):
            for name, errors in refusal.error_dict.items():
                self.add_error(name if name in self.fields else None, errors)
        elif refusal is not None:
            self.add_error(None, refusal if isinstance(refusal, ValidationError) else str(refusal))
        return cleaned


def with_reason(
    form_class: type[forms.ModelForm[Any]], widget: type[forms.Widget] | forms.Widget, refusal: Exception | None
) -> type[forms.ModelForm[Any]]:
    """Return the form class with the field for the reason, and with the refusal of its first run, if there was one."""
    attributes = {"__module__": form_class.__module__, "timestamp_refusal": refusal}
    metaclass: Any = type(form_class)
    extended = metaclass(form_class.__name__, (_RefusableForm, form_class), attributes)
    # Made anew from the model, the fields would lose what another class has changed on them.
    field = ReasonField(label=_("Reason for this change"), required=False, widget=widget)
    extended.base_fields = {**form_class.base_fields, REASON: form_class.base_fields.get(REASON, field)}
    return extended  # type: ignore[no-any-return]


def reason_of(form: Any) -> str | None:
    """Return the reason that was given on a valid form; None where it has no such field or it is empty."""
    return getattr(form, "cleaned_data", {}).get(REASON) or None
