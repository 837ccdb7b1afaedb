"""What searching needs: messages by time, and the index of their words."""

from django.db import migrations, models

from audits.history import search_index


class Migration(migrations.Migration):
    dependencies = [
        ("history", "0001_messages"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="message",
            index=models.Index(fields=["sent_at", "id"], name="message_time_idx"),
        ),
        migrations.RunPython(search_index.create, search_index.drop),
    ]
