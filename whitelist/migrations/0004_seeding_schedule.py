"""The housekeeping that takes up seedings which wait, or whose process died."""

from django.db import migrations


def create(apps, schema_editor):
    Interval = apps.get_model("django_celery_beat", "IntervalSchedule")
    Task = apps.get_model("django_celery_beat", "PeriodicTask")
    half_minute, _ = Interval.objects.get_or_create(every=30, period="seconds")
    Task.objects.get_or_create(
        name="Take up seedings that wait",
        defaults={
            "description": "Housekeeping: leave it on. Resumes what waits, or what a stopped process left behind.",
            "interval": half_minute,
            "task": "whitelist.tasks.wake_seedings",
            "expire_seconds": 30,
        },
    )


class Migration(migrations.Migration):
    dependencies = [
        ("whitelist", "0003_bot_and_seedings"),
        ("django_celery_beat", "0019_alter_periodictasks_options"),
    ]

    operations = [migrations.RunPython(create, migrations.RunPython.noop)]
