from django.db import migrations


def tune_autovacuum(apps, schema_editor):
    """Rows live for seconds: vacuum by their number, not by the share of a nearly empty table."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(
            "ALTER TABLE core_queuedtask SET "
            "(autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000)"
        )


class Migration(migrations.Migration):
    dependencies = [("core", "0001_initial")]
    operations = [migrations.RunPython(tune_autovacuum, migrations.RunPython.noop)]
