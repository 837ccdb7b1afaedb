from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def judge_by_status(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """What the status tells, until the next audit reads the rights themselves."""
    telegram = apps.get_model("members", "Group").objects.filter(platform="telegram")
    telegram.filter(admin_status__in=["member", "admin"]).update(may_rename=False)
    telegram.filter(admin_status="member").update(may_remove=False)


class Migration(migrations.Migration):
    dependencies = [("members", "0004_find_person")]

    operations = [
        migrations.AddField(
            model_name="group",
            name="joined",
            field=models.BooleanField(
                default=True,
                help_text="A public Slack channel is seen from outside, too.",
                verbose_name="our account is in it",
            ),
        ),
        migrations.AddField(
            model_name="group",
            name="may_rename",
            field=models.BooleanField(
                default=True, help_text="Off: our account lacks the right to change the name."
            ),
        ),
        migrations.AddField(
            model_name="group",
            name="may_remove",
            field=models.BooleanField(
                default=True,
                help_text="Off: our account lacks the right to take people out, or to ban them.",
                verbose_name="may remove people",
            ),
        ),
        migrations.AlterField(
            model_name="group",
            name="may_invite",
            field=models.BooleanField(
                default=True,
                help_text="Off: our account lacks the right to add people there.",
                verbose_name="may add people",
            ),
        ),
        migrations.RunPython(judge_by_status, migrations.RunPython.noop, elidable=True),
    ]
