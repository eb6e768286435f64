"""Reconciliations take new rows only."""

from django.db import migrations

from control_plane.config.append_only import append_only


class Migration(migrations.Migration):
    """See `append_only`."""

    dependencies = [("reconciliation", "0001_reconciliations")]
    operations = [append_only("reconciliation_reconciliation")]
