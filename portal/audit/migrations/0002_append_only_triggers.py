"""Triggers that refuse UPDATE and DELETE of audit entries."""

from django.db import migrations

from portal.audit.append_only import install_triggers, remove_triggers


def create_triggers(apps, schema_editor):
    install_triggers(schema_editor.connection)


def drop_triggers(apps, schema_editor):
    remove_triggers(schema_editor.connection)


class Migration(migrations.Migration):
    dependencies = [("audit", "0001_initial")]
    operations = [migrations.RunPython(create_triggers, drop_triggers)]
