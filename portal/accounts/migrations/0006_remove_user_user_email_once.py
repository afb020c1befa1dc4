from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0005_erased_addresses'),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name='user',
            name='user_email_once',
        ),
    ]
