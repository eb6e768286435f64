"""What stands in the schema beside the endpoints. Only constants: the settings import it."""

from typing import Any

DESCRIPTION = """\
For merchants' tools and for staff.

**Keys.** `Authorization: Bearer slk_…`. A key belongs to one merchant, sees that merchant's
objects and no others (theirs are 404), and needs the scope that stands at each operation. Staff use
basic or session authentication and Django's permissions.

**Refusals** are `application/problem+json` (RFC 9457): `code` is for programs and never translated,
`title` is for people, by `Accept-Language` (`en`, `zh-hans`).

**Repeats.** Every write takes an `Idempotency-Key`: for a day a repeat gets the first answer, with
`Idempotency-Replayed: true`. Without an answer, or after a 5xx, nobody knows whether it was done:
repeat it with the same key.

**Lists** come in pages: follow `next` until it is null.

**Rates** are limited for each key; a 429 says how long to wait.
"""
TAGS = (
    ("campaigns", "Sale events, from draft to settlement, and what they sell."),
    ("orders", "Confirmed reservations and what became of them."),
    ("reservations", "What became of a RESERVED."),
    ("switches", "Operators' switches: thrown, and back again by themselves."),
    ("reports", "Where every unit of an item is, and whether all books agree."),
    ("webhooks", "Where a merchant's server hears of his orders."),
    ("payments", "Having orders paid."),
    ("draws", "Public records of draws."),
    ("risk-rules", "Staff: rules that deny, challenge or slow."),
    ("rate-limits", "Staff: limits of the gateways."),
    ("bans", "Staff: shoppers, devices and networks that may not buy."),
    ("demo", "Only where SLUICE_DEMO is 1."),
)
SETTINGS: dict[str, Any] = {
    "DESCRIPTION": DESCRIPTION,
    "TAGS": [{"name": name, "description": text} for name, text in TAGS],
    "APPEND_COMPONENTS": {
        "securitySchemes": {
            "shopperSession": {
                "type": "http",
                "scheme": "bearer",
                "bearerFormat": "JWT",
                "description": "A session that the merchant's shop has signed.",
            }
        }
    },
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "control_plane.api.schema.with_problems",
    ],
    "ENUM_NAME_OVERRIDES": {
        "CampaignState": "control_plane.campaigns.models.CampaignState",
        "OrderState": "control_plane.orders.models.OrderState",
        "DeliveryState": "control_plane.webhooks.models.DeliveryState",
        "QueueMode": "control_plane.campaigns.models.QueueMode",
        "WebhookType": "control_plane.webhooks.models.WebhookType",
    },
}
