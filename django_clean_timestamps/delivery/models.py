"""The tables of delivery, in every database that handlers write to."""

from __future__ import annotations

from typing import Any, ClassVar, Final

from django.db import models
from django.utils.translation import gettext_lazy as _

from django_clean_timestamps.eventlog.fields import DatabaseNow, DatabaseTimeField
from django_clean_timestamps.eventlog.models import ENTITY_TYPE_LENGTH
from django_clean_timestamps.events.validation import ENTITY_ID_LENGTH

__all__ = ["ALIAS_LENGTH", "HANDLER_LENGTH", "ParkedEvent", "Subscription"]

HANDLER_LENGTH: Final = 150
"""How long the name of a handler may be, in characters."""

ALIAS_LENGTH: Final = 60


class Subscription(models.Model):
    """
    A handler's cursor over the positions of a log, for one range of slots; one row a shard.

    ``cursor`` and ``lease_until`` must never be indexed: every batch changes them, and PostgreSQL updates such a row in
    its page only where no index knows the column.
    """

    class State(models.TextChoices):
        """Whether its events are handled."""

        ACTIVE = "active", _("active")
        PAUSED = "paused", _("paused")
        BACKING_OFF = "backing_off", _("backing off")

    id = models.BigAutoField(primary_key=True)
    handler = models.CharField(max_length=HANDLER_LENGTH)
    log_alias = models.CharField(max_length=ALIAS_LENGTH)
    slot_from = models.SmallIntegerField(db_default=0)
    slot_to = models.SmallIntegerField(db_default=255)
    start = models.BigIntegerField(db_default=0, help_text=_("Where the cursor stood when the subscription was made."))
    cursor = models.BigIntegerField(db_default=0, help_text=_("The last position that it has done with."))
    until = models.BigIntegerField(null=True, help_text=_("Where it stops, to be put into other shards."))
    shards_wanted = models.SmallIntegerField(null=True, help_text=_("Into how many."))
    replay_until = models.BigIntegerField(db_default=0, help_text=_("Events up to here are told as replayed."))
    owner = models.CharField(max_length=100, blank=True, db_default="")
    epoch = models.BigIntegerField(db_default=0)
    lease_until = DatabaseTimeField(null=True)  # type: ignore[misc]
    running = models.BigIntegerField(null=True, help_text=_("The position of the event that runs alone."))
    unfinished = models.SmallIntegerField(
        db_default=0, help_text=_("How often a lease ended without a word while the next event ran alone.")
    )
    alone_until = models.BigIntegerField(db_default=0, help_text=_("Events up to here run alone: one may be deadly."))
    state = models.CharField(max_length=12, choices=State.choices, db_default=State.ACTIVE)
    resume_at = DatabaseTimeField(null=True)  # type: ignore[misc]
    failures = models.SmallIntegerField(db_default=0, help_text=_("Events that failed in a row, each of another row."))
    problem = models.CharField(max_length=500, blank=True, db_default="", help_text=_("Why it stands, if it does."))

    class Meta:
        app_label = "clean_timestamps"
        verbose_name = _("subscription")
        verbose_name_plural = _("subscriptions")
        default_permissions: ClassVar[Any] = ("view",)
        constraints = [
            models.UniqueConstraint(
                fields=["handler", "log_alias", "slot_from"], name="clean_timestamps_subscription_shard"
            ),
        ]

    def __str__(self) -> str:
        shard = "" if (self.slot_from, self.slot_to) == (0, 255) else f" {self.slot_from}-{self.slot_to}"
        return f"{self.handler}{shard} ({self.log_alias})"


class ParkedEvent(models.Model):
    """
    An event that a handler failed on, or that waits behind one of the same entity.

    It holds the whole event, so that one old dead event never keeps the log from being pruned.
    """

    class State(models.TextChoices):
        """What becomes of it."""

        RETRY = "retry", _("to be retried")
        WAITING = "waiting", _("waits behind an earlier one")
        DEAD = "dead", _("dead")
        SKIPPED = "skipped", _("skipped")

    id = models.BigAutoField(primary_key=True)
    handler = models.CharField(max_length=HANDLER_LENGTH)
    log_alias = models.CharField(max_length=ALIAS_LENGTH)
    slot = models.SmallIntegerField(db_default=0)
    position = models.BigIntegerField()
    entity_key = models.CharField(max_length=ENTITY_TYPE_LENGTH + ENTITY_ID_LENGTH + 1)
    event = models.JSONField()
    state = models.CharField(max_length=8, choices=State.choices, db_default=State.RETRY)
    attempts = models.SmallIntegerField(db_default=0)
    available_at = DatabaseTimeField(db_default=DatabaseNow())
    parked_at = DatabaseTimeField(db_default=DatabaseNow())
    last_error = models.TextField(blank=True)

    class Meta:
        app_label = "clean_timestamps"
        verbose_name = _("parked event")
        verbose_name_plural = _("parked events")
        default_permissions: ClassVar[Any] = ("view",)
        permissions = [("manage_deliveries", _("Can pause, retry and skip deliveries"))]
        constraints = [
            models.UniqueConstraint(
                fields=["handler", "log_alias", "position"], name="clean_timestamps_parkedevent_position"
            ),
        ]
        indexes = [
            models.Index(fields=["handler", "entity_key"], name="clean_timestamps_parked_entity"),
            models.Index(fields=["log_alias", "state", "available_at"], name="clean_timestamps_parked_due"),
        ]

    def __str__(self) -> str:
        return f"#{self.position} {self.entity_key} for {self.handler}"
