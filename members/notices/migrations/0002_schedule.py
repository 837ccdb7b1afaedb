"""The housekeeping that sends what is in the outbox."""

from django.db import migrations


def create_schedule(apps, schema_editor):
    Interval = apps.get_model("django_celery_beat", "IntervalSchedule")
    Task = apps.get_model("django_celery_beat", "PeriodicTask")
    often, _ = Interval.objects.get_or_create(every=15, period="seconds")
    Task.objects.get_or_create(
        name="Send notices",
        defaults={
            "description": "Housekeeping: leave it on. Sends notices to Slack and as e-mails.",
            "interval": often,
            "task": "members.notices.tasks.deliver_notices",
            "expire_seconds": 15,
        },
    )


class Migration(migrations.Migration):
    dependencies = [
        ("notices", "0001_outbox"),
        ("django_celery_beat", "0019_alter_periodictasks_options"),
    ]

    operations = [migrations.RunPython(create_schedule, migrations.RunPython.noop)]
