from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("sync", "0002_bounded_input")]

    operations = [
        migrations.AddField(
            model_name="job",
            name="is_template",
            field=models.BooleanField(default=False),
        ),
    ]
