"""The tables of alerts, beside those of the metrics in the one database that ``METRICS_DATABASE`` names."""

from __future__ import annotations

from typing import Any, ClassVar, Final

from django.db import models
from django.utils.translation import gettext_lazy as _

from django_clean_timestamps.delivery.models import ALIAS_LENGTH
from django_clean_timestamps.eventlog.fields import DatabaseTimeField
from django_clean_timestamps.eventlog.models import ENTITY_TYPE_LENGTH
from django_clean_timestamps.metrics.models import OPERATION_LENGTH

__all__ = ["ACTOR_LENGTH", "ERROR_LENGTH", "AlertChange", "AlertNotice", "AlertState"]

RULE_LENGTH: Final = 40
SUBJECT_LENGTH: Final = ENTITY_TYPE_LENGTH + OPERATION_LENGTH + ALIAS_LENGTH + 2
KEY_LENGTH: Final = RULE_LENGTH + SUBJECT_LENGTH + 50
STATE_LENGTH: Final = 10
SINK_LENGTH: Final = 10
ACTOR_LENGTH: Final = 150
ERROR_LENGTH: Final = 500


class AlertFigures(models.Model):
    """
    What was found, and what it was held against.

    Per cent for shares and rates; else events or seconds, as the rule has it. None where there was no figure.
    """

    value = models.FloatField(null=True)
    threshold = models.FloatField(null=True)
    slow_ms = models.FloatField(null=True, help_text=_("Of latency: over how many milliseconds an operation is slow."))
    window_seconds = models.IntegerField(db_default=0, help_text=_("How far back it was looked, 0 for one figure."))

    class Meta:
        abstract = True


class AlertState(AlertFigures):
    """
    One subject's alert as it stands; see ``states.State``. The figures are those it was last written with.

    Never deleted, since numbers of episodes would begin again and name other notices by the keys of old ones. There is
    none of what was never found, and subjects are made of series' names, of which there are a thousand at most.
    """

    id = models.BigAutoField(primary_key=True)
    rule = models.CharField(max_length=RULE_LENGTH)
    subject = models.CharField(max_length=SUBJECT_LENGTH)
    state = models.CharField(max_length=STATE_LENGTH)
    level = models.CharField(max_length=STATE_LENGTH)
    since = DatabaseTimeField()
    episode = models.BigIntegerField()
    version = models.IntegerField()
    changed_at = DatabaseTimeField(null=True)  # type: ignore[misc]
    bad_count = models.IntegerField()
    critical_count = models.IntegerField()
    bad_at = DatabaseTimeField(null=True)  # type: ignore[misc]
    critical_at = DatabaseTimeField(null=True)  # type: ignore[misc]
    clears_at = DatabaseTimeField(null=True)  # type: ignore[misc]
    evaluated_at = DatabaseTimeField(null=True)  # type: ignore[misc]
    data_version = models.CharField(max_length=60)
    told = models.JSONField(default=dict, help_text=_("What each sink was told last."))
    silenced_until = DatabaseTimeField(null=True)  # type: ignore[misc]
    silenced_by = models.CharField(max_length=ACTOR_LENGTH, db_default="", default="")
    updated_at = DatabaseTimeField()
    revision = models.BigIntegerField(db_default=0, default=0, help_text=_("How often an evaluation has written it."))

    class Meta:
        app_label = "clean_timestamps"
        verbose_name = _("alert")
        verbose_name_plural = _("alerts")
        default_permissions: ClassVar[Any] = ()
        constraints = [
            models.UniqueConstraint(fields=["rule", "subject"], name="clean_timestamps_alertstate_subject"),
        ]

    def __str__(self) -> str:
        return f"{self.rule} of {self.subject}: {self.state}"


class AlertChange(AlertFigures):
    """What an alert became: a row for each version of each episode, kept for 90 days."""

    id = models.BigAutoField(primary_key=True)
    rule = models.CharField(max_length=RULE_LENGTH)
    subject = models.CharField(max_length=SUBJECT_LENGTH)
    episode = models.BigIntegerField()
    version = models.IntegerField()
    state = models.CharField(max_length=STATE_LENGTH)
    level = models.CharField(max_length=STATE_LENGTH)
    changed_at = DatabaseTimeField()

    class Meta:
        app_label = "clean_timestamps"
        default_permissions: ClassVar[Any] = ()
        constraints = [
            models.UniqueConstraint(
                fields=["rule", "subject", "episode", "version"], name="clean_timestamps_alertchange_once"
            ),
        ]
        indexes = [
            models.Index(fields=["changed_at"], name="clean_timestamps_change_at"),
        ]

    def __str__(self) -> str:
        return f"{self.rule} of {self.subject}: {self.state} at {self.changed_at}"


class AlertNotice(models.Model):
    """What a sink was told, or was tried to be told, kept for 90 days."""

    id = models.BigAutoField(primary_key=True)
    sink = models.CharField(max_length=SINK_LENGTH)
    key = models.CharField(max_length=KEY_LENGTH)
    rule = models.CharField(max_length=RULE_LENGTH)
    subject = models.CharField(max_length=SUBJECT_LENGTH)
    episode = models.BigIntegerField()
    version = models.IntegerField()
    state = models.CharField(max_length=STATE_LENGTH)
    level = models.CharField(max_length=STATE_LENGTH)
    tried_at = DatabaseTimeField(help_text=_("When it was first tried."))
    told_at = DatabaseTimeField(null=True, help_text=_("When it had succeeded."))  # type: ignore[misc]
    attempts = models.IntegerField(db_default=0, default=0)
    recipients = models.TextField(db_default="", default="")
    error = models.CharField(max_length=ERROR_LENGTH, db_default="", default="")

    class Meta:
        app_label = "clean_timestamps"
        default_permissions: ClassVar[Any] = ()
        constraints = [
            models.UniqueConstraint(fields=["sink", "key"], name="clean_timestamps_alertnotice_once"),
        ]
        indexes = [
            models.Index(fields=["tried_at"], name="clean_timestamps_notice_at"),
        ]

    def __str__(self) -> str:
        return f"{self.key} to {self.sink}"
