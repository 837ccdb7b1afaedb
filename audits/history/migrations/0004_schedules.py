"""The schedules of conversations: housekeeping that is on, and what people switch on when they want it."""

import json

from django.db import migrations


def create_schedules(apps, schema_editor):
    Crontab = apps.get_model("django_celery_beat", "CrontabSchedule")
    Interval = apps.get_model("django_celery_beat", "IntervalSchedule")
    Task = apps.get_model("django_celery_beat", "PeriodicTask")
    often, _ = Interval.objects.get_or_create(every=5, period="seconds")
    nightly, _ = Crontab.objects.get_or_create(minute="0", hour="1", timezone="UTC")
    monthly, _ = Crontab.objects.get_or_create(minute="0", hour="6", day_of_month="1", timezone="UTC")
    purging, _ = Crontab.objects.get_or_create(minute="15", hour="5", timezone="UTC")
    hourly, _ = Crontab.objects.get_or_create(minute="20", timezone="UTC")
    for name, description, fields in (
        (
            "Take up syncs and exports that wait",
            "Housekeeping: leave it on. Resumes what waits, or what a stopped process left behind.",
            {"interval": often, "task": "audits.history.wake", "expire_seconds": 5},
        ),
        (
            "Delete expired exports",
            "Housekeeping: leave it on. Deletes the files of exports whose time is over.",
            {"crontab": hourly, "task": "audits.history.forget_exports"},
        ),
        (
            "Delete old messages",
            "Deletes the messages that are older than the retention periods say, and their files.",
            {"crontab": purging, "task": "audits.history.purge"},
        ),
        (
            "Keep conversations up to date",
            "Off until you switch it on.",
            {
                "crontab": nightly,
                "task": "audits.history.sync_on_schedule",
                "args": json.dumps(["kept"]),
                "enabled": False,
            },
        ),
        (
            "Export conversations every month",
            "Off until you switch it on.",
            {
                "crontab": monthly,
                "task": "audits.history.export_on_schedule",
                "args": json.dumps(["kept", "html"]),
                "enabled": False,
            },
        ),
    ):
        Task.objects.get_or_create(name=name, defaults={"description": description, **fields})


class Migration(migrations.Migration):
    dependencies = [
        ("history", "0003_retention"),
        ("django_celery_beat", "0019_alter_periodictasks_options"),
    ]

    operations = [migrations.RunPython(create_schedules, migrations.RunPython.noop)]
