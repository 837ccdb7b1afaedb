"""What the bot has to say unasked stands in the outbox of the notices."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("whitelist", "0004_seeding_schedule"),
    ]

    operations = [
        migrations.DeleteModel(name="OwnerNotice"),
    ]
