"""What an API key may be allowed: a closed set. A view names the scope of each of its actions."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class Scope(models.TextChoices):
    """`<noun>:<verb>`; a key holds some of them, and writing does not include reading."""

    CAMPAIGNS_READ = "campaigns:read", _("read campaigns and items")
    CAMPAIGNS_WRITE = "campaigns:write", _("create, edit and submit drafts")
    CAMPAIGNS_APPROVE = "campaigns:approve", _("approve or return what somebody else has made")
    CAMPAIGNS_END = "campaigns:end", _("end a sale early, give it new buy addresses")
    CAMPAIGNS_EXTEND = "campaigns:extend", _("move the end of a sale to later")
    CAMPAIGNS_PAUSE = "campaigns:pause", _("pause and resume a sale, or one item of it")
    ORDERS_READ = "orders:read", _("read orders")
    ORDERS_CANCEL = "orders:cancel", _("cancel unpaid orders")
    RESERVATIONS_READ = "reservations:read", _("read reservations")
    SWITCHES_READ = "switches:read", _("read the switches of its campaigns")
    SWITCHES_WRITE = "switches:write", _("throw and revert switches of its campaigns")
    REPORTS_READ = "reports:read", _("read reports")
    WEBHOOKS_READ = "webhooks:read", _("read endpoints and deliveries")
    WEBHOOKS_WRITE = "webhooks:write", _("set up endpoints, send tests, deliver again")
    PAYMENTS_WRITE = "payments:write", _("have orders paid")
