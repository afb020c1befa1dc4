"""Triggers that refuse UPDATE and DELETE of audit entries."""

from django.db import migrations

from portal.audit.protect import protect, unprotect


def create_triggers(apps, schema_editor):
    protect(schema_editor.connection)


def drop_triggers(apps, schema_editor):
    unprotect(schema_editor.connection)


class Migration(migrations.Migration):
    dependencies = [("audit", "0001_initial")]
    operations = [migrations.RunPython(create_triggers, drop_triggers)]
