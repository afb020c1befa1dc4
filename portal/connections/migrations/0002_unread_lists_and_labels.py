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
        migrations.AlterField(
            model_name='checkrun',
            name='cause',
            field=models.CharField(blank=True, choices=[('credential', "Greenhouse doesn't accept the credential"), ('unreadable', "The stored credential can't be read"), ('no_answer', "Greenhouse didn't respond"), ('interrupted', 'The worker stopped')], max_length=20),
        ),
        migrations.AlterField(
            model_name='checkrun',
            name='status',
            field=models.CharField(choices=[('queued', 'Waiting to start'), ('running', 'Checking'), ('done', 'Checked'), ('failed', "Couldn't check")], default='queued', max_length=20),
        ),
        migrations.AlterField(
            model_name='connection',
            name='state',
            field=models.CharField(choices=[('draft', 'Not connected yet'), ('checking', 'Checking permissions'), ('action_needed', 'Action needed'), ('syncing', 'First sync'), ('live', 'Connected'), ('degraded', 'Partly working'), ('paused', 'Paused'), ('disconnected', 'Disconnected')], default='draft', max_length=20),
        ),
        migrations.AlterField(
            model_name='consentrequest',
            name='status',
            field=models.CharField(choices=[('asked', 'At Greenhouse'), ('queued', 'Waiting for a worker'), ('running', 'Confirming with Greenhouse'), ('done', 'Saved'), ('failed', 'Not saved')], db_default='asked', default='asked', max_length=10),
        ),
        migrations.AlterField(
            model_name='credential',
            name='state',
            field=models.CharField(choices=[('pending', 'New, not in use yet'), ('in_use', 'In use'), ('previous', 'Previous, kept until you confirm the new one'), ('deleted', 'Deleted')], default='in_use', max_length=10),
        ),
        migrations.AlterField(
            model_name='fixlink',
            name='email_status',
            field=models.CharField(blank=True, choices=[('', 'Not emailed'), ('queued', 'Queued'), ('sending', 'Sending'), ('sent', 'Sent'), ('failed', 'Not sent')], default='', max_length=10),
        ),
    ]
