"""The forms of the tracker's pages."""

from django import forms
from django.utils.translation import gettext_lazy as _

from tracker.models import Comment, Task

REASON_LENGTH = 200


class TaskForm(forms.ModelForm):  # type: ignore[type-arg]
    """A new task of a project."""

    class Meta:
        model = Task
        fields = ["title", "description", "assignee"]
        widgets = {"description": forms.Textarea(attrs={"rows": 3})}


class StatusForm(forms.ModelForm):  # type: ignore[type-arg]
    """A task's status."""

    class Meta:
        model = Task
        fields = ["status"]


class CommentForm(forms.ModelForm):  # type: ignore[type-arg]
    """A new comment on a task."""

    class Meta:
        model = Comment
        fields = ["body"]
        widgets = {"body": forms.Textarea(attrs={"rows": 3})}


class TouchForm(forms.Form):
    """Why a task is touched."""

    reason = forms.CharField(label=_("Reason"), max_length=REASON_LENGTH)
