"""Packs that wait are taken up, and what has been kept long enough is deleted every night."""

from django.db import migrations


def create_schedules(apps, schema_editor):
    Crontab = apps.get_model("django_celery_beat", "CrontabSchedule")
    Interval = apps.get_model("django_celery_beat", "IntervalSchedule")
    Task = apps.get_model("django_celery_beat", "PeriodicTask")
    often, _ = Interval.objects.get_or_create(every=15, period="seconds")
    nightly, _ = Crontab.objects.get_or_create(minute="40", hour="5", timezone="UTC")
    for name, description, fields in (
        (
            "Take up evidence that waits",
            "Housekeeping: leave it on. Makes the packs of evidence that wait, or that a stopped process left behind.",
            {"interval": often, "task": "audits.evidence.wake", "expire_seconds": 15},
        ),
        (
            "Delete old records",
            "Deletes audits, resolved findings, operations and activity events that were kept long enough.",
            {"crontab": nightly, "task": "audits.evidence.purge"},
        ),
    ):
        Task.objects.get_or_create(name=name, defaults={"description": description, **fields})


class Migration(migrations.Migration):
    dependencies = [
        ("evidence", "0001_packs_and_purges"),
        ("django_celery_beat", "0019_alter_periodictasks_options"),
    ]

    operations = [migrations.RunPython(create_schedules, migrations.RunPython.noop)]
