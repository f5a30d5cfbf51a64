from django.db import migrations, models

import django_clean_timestamps.eventlog.fields


def leave_room_in_pages(apps, schema_editor):
    """On PostgreSQL: every batch updates its subscription, which stays in its page where there is room."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("ALTER TABLE clean_timestamps_subscription SET (fillfactor = 50)")


class Migration(migrations.Migration):
    dependencies = [
        ("clean_timestamps", "0001_event_log"),
    ]

    operations = [
        migrations.CreateModel(
            name="ParkedEvent",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("handler", models.CharField(max_length=150)),
                ("log_alias", models.CharField(max_length=60)),
                ("slot", models.SmallIntegerField(db_default=0)),
                ("position", models.BigIntegerField()),
                ("entity_key", models.CharField(max_length=321)),
                ("event", models.JSONField()),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("retry", "to be retried"),
                            ("waiting", "waits behind an earlier one"),
                            ("dead", "dead"),
                            ("skipped", "skipped"),
                        ],
                        db_default="retry",
                        max_length=8,
                    ),
                ),
                ("attempts", models.SmallIntegerField(db_default=0)),
                (
                    "available_at",
                    django_clean_timestamps.eventlog.fields.DatabaseTimeField(
                        db_default=django_clean_timestamps.eventlog.fields.DatabaseNow()
                    ),
                ),
                (
                    "parked_at",
                    django_clean_timestamps.eventlog.fields.DatabaseTimeField(
                        db_default=django_clean_timestamps.eventlog.fields.DatabaseNow()
                    ),
                ),
                ("last_error", models.TextField(blank=True)),
            ],
            options={
                "verbose_name": "parked event",
                "verbose_name_plural": "parked events",
                "permissions": [("manage_deliveries", "Can pause, retry and skip deliveries")],
                "default_permissions": ("view",),
                "indexes": [
                    models.Index(fields=["handler", "entity_key"], name="clean_timestamps_parked_entity"),
                    models.Index(fields=["log_alias", "state", "available_at"], name="clean_timestamps_parked_due"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("handler", "log_alias", "position"), name="clean_timestamps_parkedevent_position"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Subscription",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("handler", models.CharField(max_length=150)),
                ("log_alias", models.CharField(max_length=60)),
                ("slot_from", models.SmallIntegerField(db_default=0)),
                ("slot_to", models.SmallIntegerField(db_default=255)),
                (
                    "start",
                    models.BigIntegerField(
                        db_default=0, help_text="Where the cursor stood when the subscription was made."
                    ),
                ),
                ("cursor", models.BigIntegerField(db_default=0, help_text="The last position that it has done with.")),
                ("until", models.BigIntegerField(help_text="Where it stops, to be put into other shards.", null=True)),
                ("shards_wanted", models.SmallIntegerField(help_text="Into how many.", null=True)),
                (
                    "replay_until",
                    models.BigIntegerField(db_default=0, help_text="Events up to here are told as replayed."),
                ),
                ("owner", models.CharField(blank=True, db_default="", max_length=100)),
                ("epoch", models.BigIntegerField(db_default=0)),
                ("lease_until", django_clean_timestamps.eventlog.fields.DatabaseTimeField(null=True)),
                ("running", models.BigIntegerField(help_text="The position of the event that runs alone.", null=True)),
                (
                    "unfinished",
                    models.SmallIntegerField(
                        db_default=0, help_text="How often a lease ended without a word while the next event ran alone."
                    ),
                ),
                (
                    "alone_until",
                    models.BigIntegerField(db_default=0, help_text="Events up to here run alone: one may be deadly."),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[("active", "active"), ("paused", "paused"), ("backing_off", "backing off")],
                        db_default="active",
                        max_length=12,
                    ),
                ),
                ("resume_at", django_clean_timestamps.eventlog.fields.DatabaseTimeField(null=True)),
                (
                    "failures",
                    models.SmallIntegerField(
                        db_default=0, help_text="Events that failed in a row, each of another row."
                    ),
                ),
                (
                    "problem",
                    models.CharField(blank=True, db_default="", help_text="Why it stands, if it does.", max_length=500),
                ),
            ],
            options={
                "verbose_name": "subscription",
                "verbose_name_plural": "subscriptions",
                "default_permissions": ("view",),
                "constraints": [
                    models.UniqueConstraint(
                        fields=("handler", "log_alias", "slot_from"), name="clean_timestamps_subscription_shard"
                    )
                ],
            },
        ),
        migrations.RunPython(
            leave_room_in_pages, migrations.RunPython.noop, elidable=False, hints={"model_name": "subscription"}
        ),
    ]
