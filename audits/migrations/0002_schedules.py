"""The schedules that everybody starts with; people edit or disable them in the admin."""

import json

from django.db import migrations


def create_schedules(apps, schema_editor):
    Crontab = apps.get_model("django_celery_beat", "CrontabSchedule")
    Interval = apps.get_model("django_celery_beat", "IntervalSchedule")
    Task = apps.get_model("django_celery_beat", "PeriodicTask")
    nightly, _ = Crontab.objects.get_or_create(minute="0", hour="2", timezone="UTC")
    weekly, _ = Crontab.objects.get_or_create(minute="0", hour="3", day_of_week="1", timezone="UTC")
    half_minute, _ = Interval.objects.get_or_create(every=30, period="seconds")
    for name, description, fields in (
        (
            "Audit Slack every night",
            "02:00 UTC. Catches new channels and changes of membership.",
            {"crontab": nightly, "task": "audits.tasks.schedule_audit", "args": json.dumps([["slack"]])},
        ),
        (
            "Audit Slack and Telegram every week",
            "Mondays, 03:00 UTC.",
            {
                "crontab": weekly,
                "task": "audits.tasks.schedule_audit",
                "args": json.dumps([["slack", "telegram"]]),
            },
        ),
        (
            "Take up audits that wait",
            "Housekeeping: leave it on. Resumes what a stopped process left behind.",
            {"interval": half_minute, "task": "audits.tasks.wake_audits", "expire_seconds": 30},
        ),
    ):
        Task.objects.get_or_create(name=name, defaults={"description": description, **fields})


class Migration(migrations.Migration):
    dependencies = [
        ("audits", "0001_initial"),
        ("django_celery_beat", "0019_alter_periodictasks_options"),
    ]

    operations = [migrations.RunPython(create_schedules, migrations.RunPython.noop)]
