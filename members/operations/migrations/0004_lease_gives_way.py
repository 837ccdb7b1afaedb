"""Leases of listeners, who let go when somebody else wants the account."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("operations", "0003_append_only_and_planner")]

    operations = [
        migrations.AddField(
            model_name="lease",
            name="gives_way",
            field=models.BooleanField(
                default=False, help_text="Its holder only listens, and lets go when somebody else wants it."
            ),
        ),
        migrations.AddField(
            model_name="lease",
            name="wanted",
            field=models.BooleanField(default=False, help_text="Somebody else wants it."),
        ),
    ]
