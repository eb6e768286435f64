"""The history of what people configure, for all apps, and the permission to read all of it.

One row for each change that a person can see, with who and why. `history.py` decides what counts
as a change. The tables are append-only by trigger. Orders and everything else that shoppers move
is not here: their own tables are append-only, or are the trail.
"""

from typing import Any

from django.contrib.auth.models import Group, User
from django.db import models
from django.utils.translation import gettext_lazy as _
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask
from simple_history import register

from control_plane.campaigns.models import Campaign, Item, QueueBucket
from control_plane.config.history import REASON_LENGTH_MAX, Records
from control_plane.merchants.models import Merchant, SessionKey
from control_plane.pages.models import CampaignPage, ItemPage
from control_plane.webhooks.models import Endpoint

# What of a row is no configuration, or a secret that no trail may keep.
TRACKED: dict[type[models.Model], dict[str, Any]] = {
    Campaign: {
        # A submission is a step of the campaign, which is kept with its digest.
        "excluded_fields": ["settle_after", "submitted_at", "submitted_by", "submitted_digest"]
    },
    Item: {"excluded_fields": ["path_key", "path_key_before", "path_key_rotated_at"]},
    QueueBucket: {},
    CampaignPage: {},
    ItemPage: {},
    Merchant: {},
    SessionKey: {"excluded_fields": ["secret"]},
    Endpoint: {"excluded_fields": ["failures", "failing_since", "not_before", "last_delivered_at"]},
    PeriodicTask: {"excluded_fields": ["last_run_at", "total_run_count", "date_changed"]},
    IntervalSchedule: {},
    CrontabSchedule: {},
    User: {
        "excluded_fields": ["password", "last_login"],
        "m2m_fields": ["groups", "user_permissions"],
    },
    Group: {"m2m_fields": ["permissions"]},
}

for tracked, how in TRACKED.items():
    register(
        tracked,
        app="control_plane.config",
        records_class=Records,
        history_change_reason_field=models.CharField(
            _("reason"), max_length=REASON_LENGTH_MAX, null=True
        ),
        **how,
    )


class Audit(models.Model):
    """No table: whoever holds its permission reads the trail of everything."""

    class Meta:
        managed = False
        default_permissions = ()
        permissions = [("view_audit", "Can read the whole audit trail")]
