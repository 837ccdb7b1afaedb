"""Runs that look at a few groups alone."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("audits", "0008_verdict_counts")]

    operations = [
        migrations.AddField(
            model_name="auditrun",
            name="narrow",
            field=models.BooleanField(
                db_index=True,
                default=False,
                help_text="It looks at a few groups alone, and tells of no other.",
            ),
        ),
        migrations.AddField(
            model_name="auditrun",
            name="groups",
            field=models.JSONField(
                blank=True, default=list, help_text="Those groups: the platform and its id of each."
            ),
        ),
    ]
