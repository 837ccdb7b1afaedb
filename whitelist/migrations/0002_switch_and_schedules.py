"""The switch of the kicks, off; and the schedules that let time pass and read the members."""

from django.db import migrations


def create(apps, schema_editor):
    apps.get_model("whitelist", "FeatureFlag").objects.get_or_create(key="kick_enabled")
    Interval = apps.get_model("django_celery_beat", "IntervalSchedule")
    Crontab = apps.get_model("django_celery_beat", "CrontabSchedule")
    Task = apps.get_model("django_celery_beat", "PeriodicTask")
    five_minutes, _ = Interval.objects.get_or_create(every=5, period="minutes")
    Task.objects.get_or_create(
        name="Let subscriptions expire",
        defaults={
            "description": "Housekeeping: leave it on. Moves subscriptions from active to grace and from grace "
            "to expired when their time has come. It kicks nobody.",
            "interval": five_minutes,
            "task": "whitelist.tasks.let_time_pass",
            "expire_seconds": 300,
        },
    )
    early, _ = Crontab.objects.get_or_create(minute="30", hour="3", timezone="UTC")
    Task.objects.get_or_create(
        name="Read the gated community's members",
        defaults={
            "description": "Burns the whitelist of those who left while nobody listened. It kicks nobody.",
            "crontab": early,
            "task": "whitelist.tasks.reconcile_members",
            "queue": "telegram",
        },
    )
    daily, _ = Crontab.objects.get_or_create(minute="0", hour="9", timezone="UTC")
    Task.objects.get_or_create(
        name="Sweep the gated community",
        defaults={
            "description": "Off until you switch it on. Kicks whoever has expired and is not protected; while "
            "kicks are off it only writes down whom it would kick. One above the cap kicks nobody.",
            "crontab": daily,
            "task": "whitelist.tasks.sweep_on_schedule",
            "enabled": False,
        },
    )


class Migration(migrations.Migration):
    dependencies = [
        ("whitelist", "0001_initial"),
        ("django_celery_beat", "0019_alter_periodictasks_options"),
    ]

    operations = [migrations.RunPython(create, migrations.RunPython.noop)]
