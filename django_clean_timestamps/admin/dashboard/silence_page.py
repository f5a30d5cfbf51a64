"""Silencing one alert until a time, and hearing of it again."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_clean_timestamps.admin.dashboard.asked import MANAGE_ALERTS
from django_clean_timestamps.admin.display import show_stamp
from django_clean_timestamps.conf import get_settings
from django_clean_timestamps.eventlog.fields import database_now
from django_clean_timestamps.metrics.alerts.models import AlertState
from django_clean_timestamps.metrics.alerts.silencing import InvalidSilence, silence, unsilence
from django_clean_timestamps.metrics.queries.alerts import Alert, read_alerts

__all__ = ["SilenceForm", "silence_alert"]

_LENGTHS: Final = (
    ("1", gettext_lazy("1 hour")),
    ("4", gettext_lazy("4 hours")),
    ("24", gettext_lazy("1 day")),
    ("168", gettext_lazy("1 week")),
    ("", gettext_lazy("until a time of my own")),
)


class SilenceForm(forms.Form):
    """How long nothing is told of an alert."""

    hours = forms.ChoiceField(label=gettext_lazy("For"), choices=_LENGTHS, required=False, initial="1")
    until = forms.DateTimeField(
        label=gettext_lazy("Until"),
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M"],
    )

    def clean(self) -> dict[str, Any]:
        """Return what was given, which must be one of both."""
        cleaned = super().clean() or {}
        if not cleaned.get("hours") and not cleaned.get("until") and not self.errors:
            self.add_error("until", _("Give a time, or choose how long."))
        return cleaned

    def end(self, now: datetime) -> datetime:
        """Return until when, of a valid form."""
        hours, until = self.cleaned_data["hours"], self.cleaned_data["until"]
        return now + timedelta(hours=int(hours)) if hours else until


def silence_alert(request: HttpRequest, context: dict[str, Any], back: str) -> HttpResponse:
    """
    Ask until when an alert is to be silenced, or do so; or end its silence.

    Args:
        request: With ``rule`` and ``subject`` in its address.
        context: What every page of the dashboard is written with.
        back: Where to go afterwards.

    Raises:
        PermissionDenied: The user may not silence alerts.
    """
    if not request.user.has_perm(MANAGE_ALERTS):
        raise PermissionDenied
    using = get_settings().metrics_database
    rule, subject = request.GET.get("rule", ""), request.GET.get("subject", "")
    alert = next((each for each in read_alerts(using) if (each.rule, each.subject) == (rule, subject)), None)
    if alert is None:
        messages.warning(request, _("There is no such alert."))
        return HttpResponseRedirect(back)
    form = SilenceForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and "unsilence" in request.POST:
        unsilence(rule, subject, using=using)
        _log(request, alert, using, _("Silence ended"))
        messages.success(request, _("The alert is told of again."))
        return HttpResponseRedirect(back)
    if form.is_bound and form.is_valid():
        until = form.end(database_now(using))
        try:
            silence(rule, subject, until, request.user.get_username(), using=using)
        except InvalidSilence as error:
            form.add_error("until", str(error))
        else:
            _log(request, alert, using, _("Silenced until %(until)s") % {"until": until.isoformat(timespec="minutes")})
            messages.success(request, _("Nothing is told of the alert meanwhile."))
            return HttpResponseRedirect(back)
    shown = {
        "alert": alert,
        "silenced_until": show_stamp(alert.silenced_until),
        "form": form,
        "back": back,
        "title": _("Silence an alert"),
    }
    return TemplateResponse(request, "admin/clean_timestamps/dashboard/silence.html", context | shown)


def _log(request: HttpRequest, alert: Alert, using: str, message: str) -> None:
    """Write an entry into the admin's log."""
    # Not to be imported where Django's admin is not installed, as the package's own can be.
    from django.contrib.admin.models import CHANGE, LogEntry

    row = AlertState.objects.using(using).get(rule=alert.rule, subject=alert.subject)
    user_id: Any = request.user.pk
    LogEntry.objects.log_actions(user_id, [row], CHANGE, message)
