"""The weekly report, and the housekeeping that lets exclusions end."""

from django.db import migrations


def create_schedules(apps, schema_editor):
    Crontab = apps.get_model("django_celery_beat", "CrontabSchedule")
    Task = apps.get_model("django_celery_beat", "PeriodicTask")
    daily, _ = Crontab.objects.get_or_create(minute="10", hour="0", timezone="UTC")
    mondays, _ = Crontab.objects.get_or_create(minute="0", hour="8", day_of_week="1", timezone="UTC")
    for name, description, crontab, task in (
        (
            "Let exclusions end",
            "Housekeeping: leave it on. Opens the findings of ended exclusions, and warns before others end.",
            daily,
            "audits.tasks.let_exclusions_end",
        ),
        (
            "Report coverage every week",
            "Sends the coverage of the week with its workbook, to whoever gets the notice “Weekly coverage report”.",
            mondays,
            "audits.tasks.report_coverage",
        ),
    ):
        Task.objects.get_or_create(
            name=name, defaults={"description": description, "crontab": crontab, "task": task}
        )


class Migration(migrations.Migration):
    dependencies = [
        ("audits", "0010_exclusion_requests"),
        ("django_celery_beat", "0019_alter_periodictasks_options"),
    ]

    operations = [migrations.RunPython(create_schedules, migrations.RunPython.noop)]
