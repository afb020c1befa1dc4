from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("connections", "0001_initial"),
    ]

    operations = [
        migrations.AddField(
            model_name="connection",
            name="unread_lists",
            field=models.JSONField(blank=True, default=dict),
        ),
    ]
