"""Settlements take new rows only."""

from django.db import migrations

from control_plane.config.append_only import append_only


class Migration(migrations.Migration):
    """See `append_only`."""

    dependencies = [("campaigns", "0006_settlement_and_pay_time")]
    operations = [append_only("campaigns_settlement")]
