"""Whoever plans no longer has people taken out by that right alone."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("operations", "0004_lease_gives_way"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="operation",
            options={
                "ordering": ["-id"],
                "permissions": [
                    ("run_operation", "Can plan, confirm and cancel operations"),
                    ("override_cap", "Can confirm operations above their cap"),
                    ("confirm_removals", "Can confirm removals and kicks"),
                ],
            },
        ),
    ]
