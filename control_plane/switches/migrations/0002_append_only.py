"""Throws and reverts are kept as they were."""

from django.db import migrations

from control_plane.config.append_only import append_only


class Migration(migrations.Migration):
    """See `append_only`."""

    dependencies = [("switches", "0001_initial")]
    operations = [append_only("switches_switchthrow"), append_only("switches_switchrevert")]
