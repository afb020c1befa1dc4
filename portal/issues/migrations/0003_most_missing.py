
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('issues', '0002_consent_ending'),
    ]

    operations = [
        migrations.AlterField(
            model_name='issue',
            name='cause',
            field=models.CharField(choices=[('bad_credential', 'The credential is not accepted'), ('unreadable', 'The stored credential can no longer be opened'), ('consent_ending', 'The consent ends soon'), ('missing_permission', 'A permission is missing'), ('no_site_admin', 'The reader is no Site Admin'), ('acting_user_refused', 'Greenhouse refuses to act as somebody'), ('rate_limit', "Greenhouse's rate limit is exhausted"), ('greenhouse_down', 'Greenhouse does not answer'), ('drift', 'The mirror differed from Greenhouse'), ('most_missing', 'A list lacks most of what is here'), ('unmatched_people', 'People without a match in Greenhouse'), ('sync_failing', 'Syncs fail again and again'), ('worker_dead', 'No worker is running'), ('webhook_silent', 'Web hooks have fallen silent'), ('actions_failing', 'Many actions fail')], max_length=30),
        ),
    ]
