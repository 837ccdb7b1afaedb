"""The housekeeping that takes up operations which wait, or whose process died."""

from django.db import migrations


def create_schedule(apps, schema_editor):
    Interval = apps.get_model("django_celery_beat", "IntervalSchedule")
    Task = apps.get_model("django_celery_beat", "PeriodicTask")
    often, _ = Interval.objects.get_or_create(every=10, period="seconds")
    Task.objects.get_or_create(
        name="Take up operations that wait",
        defaults={
            "description": "Housekeeping: leave it on. Resumes what waits, or what a stopped process left behind.",
            "interval": often,
            "task": "members.operations.tasks.wake_operations",
            "expire_seconds": 10,
        },
    )


class Migration(migrations.Migration):
    dependencies = [
        ("operations", "0001_initial"),
        ("django_celery_beat", "0019_alter_periodictasks_options"),
    ]

    operations = [migrations.RunPython(create_schedule, migrations.RunPython.noop)]
