"""Callbacks take new rows only."""

from django.db import migrations

from control_plane.config.append_only import append_only


class Migration(migrations.Migration):
    """See `append_only`."""

    dependencies = [("payments", "0001_initial")]
    operations = [append_only("payments_paymentevent")]
