"""The roles of the people who run sales, as Groups: one table, written by `prepare`.

A group of this table has exactly these permissions after every `prepare`; whoever needs another
mix makes a group of another name. What no role has is for administrators alone (superusers):
`ADMINISTRATORS` names it, so that a new permission is somebody's decision and not forgotten.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from django.contrib.auth.models import Group, Permission
from django.db import transaction


@dataclass(frozen=True)
class Role:
    """`sees`: models whose pages may be read. `may`: everything else, as `app.codename`."""

    sees: tuple[str, ...]
    may: tuple[str, ...] = ()

    def permissions(self) -> set[str]:
        """All of them, as `app.codename`."""
        viewed = {"{}.view_{}".format(*model.lower().split(".")) for model in self.sees}
        return viewed | set(self.may)


_SALE = (
    "campaigns.Campaign",
    "campaigns.Item",
    "campaigns.QueueBucket",
    "campaigns.Settlement",
    "merchants.Merchant",
    "pages.CampaignPage",
    "queues.Draw",
    "queues.QueueState",
)
_STOCK = (
    "inventory.Pool",
    "inventory.StockChange",
    "inventory.Allocation",
    "inventory.Rearm",
    "inventory.Grant",
    "inventory.Reclaim",
    "inventory.StockSource",
    "warehouse.Stock",
)
_ORDERS = ("orders.Order", "orders.Rejection", "orders.OrderEvent", "dead_letters.DeadLetter")
_LETTER_PARTS = ("dead_letters.HistoryEntry",)
_MONEY = (
    "payments.Payment",
    "payments.PaymentEvent",
    "payments.Refund",
    "payments.PaymentException",
    "reconciliation.Reconciliation",
    "reconciliation.Run",
)
_WEBHOOKS = ("webhooks.Endpoint", "webhooks.Delivery", "webhooks.Attempt")
_RISK = ("risk.RiskRule", "risk.RateLimit", "risk.Ban", "risk.RiskChange")
_CONFIGURATION = (
    "switches.SwitchThrow",
    "board.Alert",
    "board.WallLink",
    "snapshot.Snapshot",
    "snapshot.EntryKey",
    "snapshot.Heartbeat",
    "django_celery_beat.PeriodicTask",
    "django_celery_beat.IntervalSchedule",
    "django_celery_beat.CrontabSchedule",
)
_PEOPLE = ("auth.User", "auth.Group", "api.ApiKey", "axes.AccessAttempt")

ROLES: dict[str, Role] = {
    "marketer": Role(
        sees=(*_SALE, "inventory.Pool", "inventory.StockChange"),
        may=(
            *(f"campaigns.{verb}_campaign" for verb in ("add", "change", "delete")),
            *(f"campaigns.{verb}_item" for verb in ("add", "change", "delete")),
            *(f"campaigns.{verb}_queuebucket" for verb in ("add", "change", "delete")),
            # Of another's campaign: the approval asks for a second person.
            "campaigns.submit_campaign",
            "campaigns.approve_campaign",
            "campaigns.extend_campaign",
            "campaigns.end_campaign",
            "board.view_board",
            "pages.change_campaignpage",
            "inventory.top_up_pool",
            "inventory.withdraw_pool",
            "inventory.cancel_stockchange",
        ),
    ),
    "operator": Role(
        sees=(
            *_SALE,
            *_STOCK,
            *_ORDERS,
            *_LETTER_PARTS,
            *_MONEY,
            *_WEBHOOKS,
            *_RISK,
            *_CONFIGURATION,
        ),
        may=(
            "campaigns.pause_campaign",
            "campaigns.extend_campaign",
            "campaigns.end_campaign",
            "campaigns.rotate_path_keys",
            "switches.throw_switch",
            "board.view_board",
            "board.share_board",
            "inventory.top_up_pool",
            "inventory.withdraw_pool",
            "inventory.cancel_stockchange",
            "inventory.rearm_allocation",
            "inventory.give_up_rearm",
            "inventory.switch_stocksource",
            "orders.view_story",
            "dead_letters.retry_deadletter",
            "dead_letters.discard_deadletter",
            "orders.retry_orderevent",
            "orders.discard_orderevent",
            "snapshot.rotate_entrykey",
            "snapshot.delete_heartbeat",
            "webhooks.ping_endpoint",
            "webhooks.redeliver_delivery",
            "reconciliation.download_findings",
            "django_celery_beat.change_periodictask",
        ),
    ),
    "risk": Role(
        sees=(
            "campaigns.Campaign",
            "campaigns.Item",
            "campaigns.QueueBucket",
            "queues.QueueState",
            "orders.Order",
            "orders.Rejection",
            "switches.SwitchThrow",
            "snapshot.Heartbeat",
            *_RISK,
        ),
        may=(
            *(f"risk.{verb}_riskrule" for verb in ("add", "change")),
            *(f"risk.{verb}_ratelimit" for verb in ("add", "change", "delete")),
            "risk.add_ban",
            "risk.lift_ban",
            "campaigns.rotate_path_keys",
        ),
    ),
    "support": Role(
        sees=(
            "campaigns.Campaign",
            "campaigns.Item",
            "campaigns.QueueBucket",
            "queues.Draw",
            *_ORDERS,
            *_LETTER_PARTS,
            "payments.Payment",
            "payments.PaymentEvent",
            "payments.Refund",
            "payments.PaymentException",
            *_WEBHOOKS,
        ),
        may=(
            "orders.view_story",
            "orders.cancel_order",
            "payments.retry_refund",
            "payments.resolve_paymentexception",
            "dead_letters.retry_deadletter",
            "orders.retry_orderevent",
            "webhooks.redeliver_delivery",
        ),
    ),
    "auditor": Role(
        sees=(
            *_SALE,
            *_STOCK,
            *_ORDERS,
            *_LETTER_PARTS,
            *_MONEY,
            *_WEBHOOKS,
            *_RISK,
            *_CONFIGURATION,
            *_PEOPLE,
        ),
        may=(
            "config.view_audit",
            "orders.view_story",
            "board.view_board",
            "reconciliation.download_findings",
        ),
    ),
}

# Permissions of our own that no role has.
ADMINISTRATORS = frozenset({"webhooks.rotate_secret", "api.revoke_apikey"})


def sync() -> None:
    """Make the groups and give each what the table says, no more. Idempotent."""
    known = {
        f"{app}.{codename}": pk
        for app, codename, pk in Permission.objects.values_list(
            "content_type__app_label", "codename", "pk"
        )
    }
    with transaction.atomic():
        for name, role in ROLES.items():
            group, _is_new = Group.objects.get_or_create(name=name)
            wanted = {known[one] for one in role.permissions()}
            if wanted != set(group.permissions.values_list("pk", flat=True)):
                group.permissions.set(wanted)


def own_permissions() -> Iterable[str]:
    """What our models name beyond view, add, change and delete."""
    from django.apps import apps

    for model in apps.get_models():
        if model.__module__.startswith("control_plane."):
            for codename, _name in model._meta.permissions:
                yield f"{model._meta.app_label}.{codename}"
