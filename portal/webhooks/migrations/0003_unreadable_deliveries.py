from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("webhooks", "0002_bounded_input"),
    ]

    operations = [
        migrations.AlterField(
            model_name="delivery",
            name="outcome",
            field=models.CharField(
                blank=True,
                choices=[
                    ("", "Waiting to be read"),
                    ("read", "Its records were read again"),
                    ("nothing", "Nothing of ours"),
                    ("paused", "The connection was paused: the next sync brings it"),
                    ("failed", "Could not be read: the next sync brings it"),
                    ("unreadable", "Not an event that we can read"),
                ],
                default="",
                max_length=10,
            ),
        ),
    ]
