"""Signs of life of the processes that do work."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("groupadmin", "0001_schedule")]

    operations = [
        migrations.CreateModel(
            name="Heartbeat",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("process", models.CharField(max_length=255, unique=True)),
                ("kind", models.CharField(choices=[("worker", "Worker"), ("beat", "Beat")], max_length=10)),
                ("queues", models.JSONField(default=list)),
                ("beat_at", models.DateTimeField(db_index=True)),
            ],
        ),
    ]
