from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("members", "0002_alter_invitation_email"),
    ]

    operations = [
        migrations.AddField(
            model_name="invitation",
            name="note",
            field=models.TextField(blank=True, default="", max_length=500),
        ),
        migrations.AddField(
            model_name="invitation",
            name="opened_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AlterField(
            model_name="invitation",
            name="email_status",
            field=models.CharField(
                choices=[
                    ("queued", "Sending soon"),
                    ("sending", "Sending"),
                    ("sent", "Sent"),
                    ("failed", "Couldn’t be sent"),
                ],
                default="queued",
                max_length=10,
            ),
        ),
    ]
