"""What changed the stock source stays on record."""

from django.db import migrations

from control_plane.config.append_only import append_only


class Migration(migrations.Migration):
    """See `append_only`."""

    dependencies = [("inventory", "0002_epochs")]
    operations = [append_only("inventory_stocksource")]
