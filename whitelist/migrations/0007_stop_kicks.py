from django.db import migrations


class Migration(migrations.Migration):
    """Turning kicks off takes a right of its own."""

    dependencies = [
        ("whitelist", "0006_help_texts"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="featureflag",
            options={
                "default_permissions": ("view",),
                "permissions": [
                    ("switch_kicks", "Can turn kicks on"),
                    ("stop_kicks", "Can turn kicks off"),
                ],
                "verbose_name": "switch",
                "verbose_name_plural": "switches",
            },
        ),
    ]
