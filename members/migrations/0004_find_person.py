from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("members", "0003_auto_add_and_invite")]

    operations = [
        migrations.AlterModelOptions(
            name="employee",
            options={
                "ordering": ["name"],
                "permissions": [("find_person", "Can look for anybody on Slack and Telegram")],
            },
        ),
    ]
