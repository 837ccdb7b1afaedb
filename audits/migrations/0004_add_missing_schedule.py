"""The schedule that adds missing members by itself: there for whoever switches it on."""

import json

from django.db import migrations


def create_schedule(apps, schema_editor):
    Crontab = apps.get_model("django_celery_beat", "CrontabSchedule")
    Task = apps.get_model("django_celery_beat", "PeriodicTask")
    daily, _ = Crontab.objects.get_or_create(minute="0", hour="5", timezone="UTC")
    Task.objects.get_or_create(
        name="Add missing members",
        defaults={
            "description": "Off until you switch it on. Adds whom the latest audits saw to be missing, for the "
            "rules that say “add by itself”; what is above the cap waits for somebody to confirm it.",
            "crontab": daily,
            "task": "audits.tasks.add_missing_on_schedule",
            "args": json.dumps([["slack", "telegram"]]),
            "enabled": False,
        },
    )


class Migration(migrations.Migration):
    dependencies = [
        ("audits", "0003_run_of_operation"),
        ("django_celery_beat", "0019_alter_periodictasks_options"),
    ]

    operations = [migrations.RunPython(create_schedule, migrations.RunPython.noop)]
