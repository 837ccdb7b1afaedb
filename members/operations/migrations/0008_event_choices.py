"""What the list of events offers to choose from, without reading them all."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("operations", "0007_words"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="activityevent",
            index=models.Index(fields=["action", "-id"], name="event_action_idx"),
        ),
        migrations.AddIndex(
            model_name="activityevent",
            index=models.Index(fields=["outcome", "-id"], name="event_outcome_idx"),
        ),
        migrations.AddIndex(
            model_name="activityevent",
            index=models.Index(fields=["actor", "-id"], name="event_actor_idx"),
        ),
    ]
