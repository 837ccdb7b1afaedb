"""Housekeeping that comes late still counts, also where a worker's clock is minutes ahead of beat's."""

from datetime import timedelta

from django.db import migrations

EXPIRE_SECONDS = int(timedelta(minutes=5).total_seconds())
"""What bounds how much piles up while all workers are busy or gone."""


def lengthen(apps, schema_editor):
    tasks = apps.get_model("django_celery_beat", "PeriodicTask").objects.filter(one_off=False)
    tasks.filter(expire_seconds__lt=EXPIRE_SECONDS).update(expire_seconds=EXPIRE_SECONDS)


class Migration(migrations.Migration):
    dependencies = [
        ("groupadmin", "0006_api_tokens"),
        ("audits", "0002_schedules"),
        ("evidence", "0002_schedules"),
        ("history", "0006_counting"),
        ("notices", "0002_schedule"),
        ("operations", "0002_schedule"),
        ("whitelist", "0004_seeding_schedule"),
    ]

    operations = [migrations.RunPython(lengthen, migrations.RunPython.noop)]
