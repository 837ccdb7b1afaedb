from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("telegram_ops", "0004_help_texts"),
    ]

    operations = [
        migrations.AddField(
            model_name="telegramaccount",
            name="audited_too",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="Audits look through it as well, and its groups are reached through it.",
            ),
        ),
    ]
