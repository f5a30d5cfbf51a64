import uuid

from django.db import migrations, models

import django_clean_timestamps.eventlog.fields


def vacuum_pending_often(apps, schema_editor):
    """On PostgreSQL: every row of the inbox dies young, so its dead rows must go by their number, not their share."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(
            "ALTER TABLE clean_timestamps_pending SET (autovacuum_vacuum_scale_factor = 0, "
            "autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0)"
        )


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="LogHead",
            fields=[
                ("id", models.SmallIntegerField(db_default=1, default=1, primary_key=True, serialize=False)),
                ("position", models.BigIntegerField(db_default=0)),
                ("sequenced_at", django_clean_timestamps.eventlog.fields.DatabaseTimeField(null=True)),
            ],
            options={
                "verbose_name": "log head",
                "verbose_name_plural": "log heads",
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="Pending",
            fields=[
                ("event_id", models.UUIDField(db_default=uuid.UUID("00000000-0000-0000-0000-000000000000"))),
                ("schema", models.SmallIntegerField(db_default=1)),
                ("slot", models.SmallIntegerField(db_default=0)),
                ("kind", models.SmallIntegerField(db_default=0)),
                ("entity_type", models.CharField(db_default="", max_length=120)),
                ("entity_id", models.CharField(db_default="", max_length=200)),
                (
                    "occurred_at",
                    django_clean_timestamps.eventlog.fields.UtcDateTimeField(
                        db_default=django_clean_timestamps.eventlog.fields.DatabaseNow()
                    ),
                ),
                (
                    "recorded_at",
                    django_clean_timestamps.eventlog.fields.DatabaseTimeField(
                        db_default=django_clean_timestamps.eventlog.fields.DatabaseNow()
                    ),
                ),
                ("previous_at", django_clean_timestamps.eventlog.fields.UtcDateTimeField(null=True)),
                ("reason", models.CharField(db_default="", max_length=200)),
                ("actor", models.CharField(db_default="", max_length=150)),
                ("correlation_id", models.CharField(db_default="", max_length=64)),
                ("metadata", models.JSONField(null=True)),
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
            ],
            options={
                "verbose_name": "pending event",
                "verbose_name_plural": "pending events",
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="Event",
            fields=[
                ("event_id", models.UUIDField(db_default=uuid.UUID("00000000-0000-0000-0000-000000000000"))),
                ("schema", models.SmallIntegerField(db_default=1)),
                ("slot", models.SmallIntegerField(db_default=0)),
                ("kind", models.SmallIntegerField(db_default=0)),
                ("entity_type", models.CharField(db_default="", max_length=120)),
                ("entity_id", models.CharField(db_default="", max_length=200)),
                (
                    "occurred_at",
                    django_clean_timestamps.eventlog.fields.UtcDateTimeField(
                        db_default=django_clean_timestamps.eventlog.fields.DatabaseNow()
                    ),
                ),
                (
                    "recorded_at",
                    django_clean_timestamps.eventlog.fields.DatabaseTimeField(
                        db_default=django_clean_timestamps.eventlog.fields.DatabaseNow()
                    ),
                ),
                ("previous_at", django_clean_timestamps.eventlog.fields.UtcDateTimeField(null=True)),
                ("reason", models.CharField(db_default="", max_length=200)),
                ("actor", models.CharField(db_default="", max_length=150)),
                ("correlation_id", models.CharField(db_default="", max_length=64)),
                ("metadata", models.JSONField(null=True)),
                ("position", models.BigIntegerField(primary_key=True, serialize=False)),
            ],
            options={
                "verbose_name": "event",
                "verbose_name_plural": "event log",
                "default_permissions": ("view",),
                "indexes": [
                    models.Index(fields=["entity_type", "entity_id", "position"], name="clean_timestamps_event_entity")
                ],
            },
        ),
        migrations.RunPython(
            vacuum_pending_often, migrations.RunPython.noop, elidable=False, hints={"model_name": "pending"}
        ),
    ]
