"""The schedule that counts what live messages, and changes of the employees, left uncounted."""

from django.db import migrations


def create_schedule(apps, schema_editor):
    Interval = apps.get_model("django_celery_beat", "IntervalSchedule")
    Task = apps.get_model("django_celery_beat", "PeriodicTask")
    now_and_then, _ = Interval.objects.get_or_create(every=10, period="minutes")
    Task.objects.get_or_create(
        name="Count what is said",
        defaults={
            "description": "Housekeeping: leave it on. Brings the numbers of the page “Engagement” up to date.",
            "interval": now_and_then,
            "task": "audits.history.count",
            "expire_seconds": 600,
        },
    )


class Migration(migrations.Migration):
    dependencies = [
        ("history", "0005_media_and_weeks"),
        ("django_celery_beat", "0019_alter_periodictasks_options"),
    ]

    operations = [migrations.RunPython(create_schedule, migrations.RunPython.noop)]
