"""The warehouse's answers take new rows only."""

from django.db import migrations

from control_plane.config.append_only import append_only


class Migration(migrations.Migration):
    """See `append_only`."""

    dependencies = [("orders", "0004_life_and_messages")]
    operations = [append_only("orders_stockanswer")]
