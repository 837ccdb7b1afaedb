from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("audits", "0006_sign_in_needed"), ("members", "0005_group_rights")]

    operations = [
        migrations.CreateModel(
            name="PowerlessGroup",
            fields=[],
            options={
                "verbose_name": "group where we cannot act",
                "verbose_name_plural": "groups where we cannot act",
                "proxy": True,
                "default_permissions": (),
                "indexes": [],
                "constraints": [],
            },
            bases=("members.group",),
        ),
    ]
