"""Django's own ways to the record are as append-only as ours; who planned an operation, beside their name."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("operations", "0002_schedule")]

    operations = [
        migrations.AlterModelOptions(
            name="activityevent",
            options={"base_manager_name": "objects", "ordering": ["id"]},
        ),
        migrations.AddField(
            model_name="operation",
            name="planner",
            field=models.CharField(
                blank=True,
                help_text="Who planned it, whatever they are called; blank if unknown.",
                max_length=160,
            ),
        ),
    ]
