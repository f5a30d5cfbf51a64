"""The tables of the metrics, all in the one database that ``METRICS_DATABASE`` names."""

from __future__ import annotations

from typing import Any, ClassVar, Final

from django.db import models
from django.utils.translation import gettext_lazy as _

from django_clean_timestamps.delivery.models import ALIAS_LENGTH, HANDLER_LENGTH
from django_clean_timestamps.eventlog.fields import DatabaseNow, DatabaseTimeField
from django_clean_timestamps.eventlog.models import ENTITY_TYPE_LENGTH
from django_clean_timestamps.events.validation import ENTITY_ID_LENGTH, REASON_LENGTH

__all__ = [
    "LEASE_KEY",
    "Dashboard",
    "MetricExample",
    "MetricLease",
    "MetricMinute",
    "MetricReason",
    "MetricRollup",
    "MetricSample",
    "MetricSeries",
    "MetricTotal",
    "MetricWriter",
    "Tier",
]

LEASE_KEY: Final = 1

OPERATION_LENGTH: Final = HANDLER_LENGTH + 10


class Tier(models.IntegerChoices):
    """How long the time is that one row of rollups or samples tells of, in seconds."""

    MINUTE = 60, _("a minute")
    TEN_MINUTES = 600, _("ten minutes")
    HOUR = 3_600, _("an hour")
    DAY = 86_400, _("a day")


class MetricSeries(models.Model):
    """
    What observations are counted apart by; the other tables hold its number instead of its four texts.

    ``__all__`` as the model is the sum of the single-row operations, one row an outcome.
    """

    id = models.BigAutoField(primary_key=True)
    model = models.CharField(max_length=ENTITY_TYPE_LENGTH, db_default="")
    operation = models.CharField(max_length=OPERATION_LENGTH)
    outcome = models.CharField(max_length=10)
    database = models.CharField(max_length=ALIAS_LENGTH)

    class Meta:
        app_label = "clean_timestamps"
        verbose_name = _("series of metrics")
        verbose_name_plural = _("series of metrics")
        default_permissions: ClassVar[Any] = ()
        constraints = [
            models.UniqueConstraint(
                fields=["model", "operation", "outcome", "database"], name="clean_timestamps_metricseries_names"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.model} {self.operation} {self.outcome} ({self.database})"


class MetricWriter(models.Model):
    """A process that records, by a random number: a forked child is another one."""

    class Kind(models.TextChoices):
        """What it runs."""

        WEB = "web", _("web")
        WORKER = "worker", _("worker")
        RELAY = "relay", _("relay")
        COMMAND = "command", _("command")

    id = models.BigIntegerField(primary_key=True)
    kind = models.CharField(max_length=8, choices=Kind.choices)
    host = models.CharField(max_length=100)
    version = models.CharField(max_length=30, help_text=_("The version of this package that it runs."))
    started_at = DatabaseTimeField(db_default=DatabaseNow())
    seen_at = DatabaseTimeField(db_default=DatabaseNow())
    skew_seconds = models.FloatField(db_default=0, help_text=_("How far its clock is ahead of the database's."))
    dropped = models.BigIntegerField(db_default=0, help_text=_("Observations that had no series of their own left."))

    class Meta:
        app_label = "clean_timestamps"
        verbose_name = _("process")
        verbose_name_plural = _("processes")
        default_permissions: ClassVar[Any] = ()

    def __str__(self) -> str:
        return f"{self.kind} on {self.host} ({self.id})"


class MetricMinute(models.Model):
    """
    What one process saw of one series in one minute, from its beginning: a repeated write changes nothing.

    Times are seconds since 1970, by the database's clock.
    """

    id = models.BigAutoField(primary_key=True)
    start = models.BigIntegerField()
    writer_id = models.BigIntegerField()
    series_id = models.BigIntegerField()
    row_count = models.BigIntegerField(db_default=0)
    sketch = models.BinaryField()

    class Meta:
        app_label = "clean_timestamps"
        default_permissions: ClassVar[Any] = ()
        constraints = [
            models.UniqueConstraint(
                fields=["start", "writer_id", "series_id"], name="clean_timestamps_metricminute_once"
            ),
        ]

    def __str__(self) -> str:
        return f"series {self.series_id} at {self.start} by {self.writer_id}"


class MetricRollup(models.Model):
    """
    What all processes saw of one series in a minute, ten minutes, an hour or a day.

    The over-counts are those of the thresholds that the sketch holds; None where it was counted by several.
    """

    id = models.BigAutoField(primary_key=True)
    tier = models.IntegerField(choices=Tier.choices)
    series_id = models.BigIntegerField()
    start = models.BigIntegerField()
    count = models.BigIntegerField()
    row_count = models.BigIntegerField()
    total_seconds = models.FloatField()
    over_warning = models.BigIntegerField(null=True)
    over_critical = models.BigIntegerField(null=True)
    p50 = models.FloatField(null=True)
    p95 = models.FloatField(null=True)
    p99 = models.FloatField(null=True)
    sketch = models.BinaryField()

    class Meta:
        app_label = "clean_timestamps"
        default_permissions: ClassVar[Any] = ()
        constraints = [
            models.UniqueConstraint(fields=["tier", "series_id", "start"], name="clean_timestamps_metricrollup_once"),
        ]
        indexes = [
            models.Index(fields=["tier", "start"], name="clean_timestamps_rollup_start"),
        ]

    def __str__(self) -> str:
        return f"series {self.series_id} from {self.start} for {self.tier} s"


class MetricTotal(models.Model):
    """What was ever seen of one series: counts that only grow, as scrapers of ``/metrics`` want them."""

    series_id = models.BigIntegerField(primary_key=True)
    row_count = models.BigIntegerField()
    sketch = models.BinaryField()

    class Meta:
        app_label = "clean_timestamps"
        default_permissions: ClassVar[Any] = ()

    def __str__(self) -> str:
        return f"series {self.series_id}"


class MetricSample(models.Model):
    """How one log or one subscription stood at a moment; of a longer time, how it stood at its worst."""

    class Kind(models.TextChoices):
        """Of what."""

        LOG = "log", _("log")
        SUBSCRIPTION = "subscription", _("subscription")

    id = models.BigAutoField(primary_key=True)
    tier = models.IntegerField(db_default=0, help_text=_("0 is a moment, else how many seconds the row tells of."))
    start = models.BigIntegerField()
    kind = models.CharField(max_length=12, choices=Kind.choices)
    log_alias = models.CharField(max_length=ALIAS_LENGTH)
    handler = models.CharField(max_length=HANDLER_LENGTH, db_default="")
    database = models.CharField(max_length=ALIAS_LENGTH, db_default="", help_text=_("Where the subscription lives."))
    state = models.CharField(max_length=12, db_default="", help_text=_("Of the worst shard."))
    waiting = models.BigIntegerField(help_text=_("Events that are not delivered yet, those without a position too."))
    oldest_seconds = models.FloatField(null=True, help_text=_("How long the oldest of them has waited."))
    position = models.BigIntegerField(help_text=_("The head, or the cursor that is furthest behind."))
    parked = models.BigIntegerField(db_default=0)
    dead = models.BigIntegerField(db_default=0)

    class Meta:
        app_label = "clean_timestamps"
        default_permissions: ClassVar[Any] = ()
        constraints = [
            models.UniqueConstraint(
                fields=["tier", "start", "kind", "log_alias", "handler", "database"],
                name="clean_timestamps_metricsample_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.handler or self.log_alias} at {self.start}"


class MetricReason(models.Model):
    """How often one process gave a reason in an hour; writer 0 is the sum of all, once the hour is past."""

    id = models.BigAutoField(primary_key=True)
    hour = models.BigIntegerField()
    series_id = models.BigIntegerField()
    writer_id = models.BigIntegerField()
    reason = models.CharField(max_length=REASON_LENGTH)
    count = models.BigIntegerField()

    class Meta:
        app_label = "clean_timestamps"
        default_permissions: ClassVar[Any] = ()
        constraints = [
            models.UniqueConstraint(
                fields=["hour", "series_id", "writer_id", "reason"], name="clean_timestamps_metricreason_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.reason} ({self.count})"


class MetricExample(models.Model):
    """One of the slowest operations of a series that a process saw in an hour; ``rank`` 0 is the slowest."""

    id = models.BigAutoField(primary_key=True)
    hour = models.BigIntegerField()
    series_id = models.BigIntegerField()
    writer_id = models.BigIntegerField()
    rank = models.SmallIntegerField()
    seconds = models.FloatField()
    occurred_at = DatabaseTimeField()
    entity_id = models.CharField(max_length=ENTITY_ID_LENGTH, db_default="")
    reason = models.CharField(max_length=REASON_LENGTH, db_default="")

    class Meta:
        app_label = "clean_timestamps"
        default_permissions: ClassVar[Any] = ()
        constraints = [
            models.UniqueConstraint(
                fields=["hour", "series_id", "writer_id", "rank"], name="clean_timestamps_metricexample_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.seconds:.6f} s, {self.entity_id}"


class MetricLease(models.Model):
    """The one row whose owner rolls up, samples, evaluates and prunes; ``closed_before`` is the first open minute."""

    id = models.SmallIntegerField(primary_key=True, default=LEASE_KEY, db_default=LEASE_KEY)
    owner = models.BigIntegerField(db_default=0)
    epoch = models.BigIntegerField(db_default=0)
    lease_until = DatabaseTimeField(null=True)  # type: ignore[misc]
    closed_before = models.BigIntegerField(db_default=0)
    sampled_at = models.BigIntegerField(db_default=0)
    evaluated_at = models.BigIntegerField(db_default=0)
    pruned_at = models.BigIntegerField(db_default=0)

    class Meta:
        app_label = "clean_timestamps"
        default_permissions: ClassVar[Any] = ()

    def __str__(self) -> str:
        return f"held by {self.owner}"


class Dashboard(MetricRollup):
    """
    No table, but the dashboard's place in the admin, and its permissions.

    A proxy, since ``dumpdata`` fails on a model that is not managed.
    """

    class Meta:
        app_label = "clean_timestamps"
        proxy = True
        verbose_name = _("dashboard")
        verbose_name_plural = _("dashboard")
        default_permissions: ClassVar[Any] = ()
        permissions = [
            ("view_metrics", _("Can view the dashboard")),
            ("manage_alerts", _("Can silence alerts")),
        ]
