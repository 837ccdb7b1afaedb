"""What dashboards and trends count with: numbers by verdict with every run, and an index by group."""

from django.db import migrations, models
from django.db.models import Count


def count_earlier_runs(apps, schema_editor):
    """The runs that were stored before there were such numbers."""
    results = apps.get_model("audits", "GroupResult").objects.order_by()
    keys = ("run_id", "group__platform", "category_key", "verdict")
    runs = {}
    for run, platform, category, verdict, count in results.values_list(*keys).annotate(Count("pk")):
        runs.setdefault(run, {}).setdefault(platform, {}).setdefault(category, {})[verdict] = count
    for run, counts in runs.items():
        apps.get_model("audits", "AuditRun").objects.filter(pk=run).update(verdicts=counts)


class Migration(migrations.Migration):
    dependencies = [
        ("audits", "0007_powerless_groups"),
    ]

    operations = [
        migrations.AddField(
            model_name="auditrun",
            name="verdicts",
            field=models.JSONField(
                blank=True,
                default=dict,
                help_text="By platform, category and verdict: how many groups. A narrow run has none.",
            ),
        ),
        migrations.AddIndex(
            model_name="finding",
            index=models.Index(fields=["state", "group", "kind"], name="finding_state_group_idx"),
        ),
        migrations.RunPython(count_earlier_runs, migrations.RunPython.noop),
    ]
