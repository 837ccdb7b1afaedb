"""The three roles. What they may do they are given after every migration: `groupadmin.roles`."""

from django.db import migrations


def create_roles(apps, schema_editor):
    for name in ("Auditor", "Operator", "Owner"):
        apps.get_model("auth", "Group").objects.get_or_create(name=name)


class Migration(migrations.Migration):
    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("groupadmin", "0002_heartbeat"),
    ]

    operations = [migrations.RunPython(create_roles, migrations.RunPython.noop)]
