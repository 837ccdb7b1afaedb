from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("operations", "0008_event_choices"),
    ]

    operations = [
        migrations.AddField(
            model_name="step",
            name="connection",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="Which further workspace or account does it; empty: the usual one.",
                max_length=30,
            ),
        ),
    ]
