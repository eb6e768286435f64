"""Orders and reservations as the API shows them."""

from typing import Any

from rest_framework import serializers

from control_plane.orders.models import Order, OrderState, RejectionReason
from control_plane.orders.reservations import State


class OrderSerializer(serializers.ModelSerializer[Order]):
    """An order; `number` is what the shopper sees and what names it here."""

    number = serializers.CharField(read_only=True)
    item = serializers.IntegerField(source="item_id", read_only=True)
    sku = serializers.CharField(source="item.sku", read_only=True)
    campaign = serializers.CharField(source="item.campaign.slug", read_only=True)
    replaces = serializers.CharField(
        source="replaces.number", read_only=True, default=None, allow_null=True
    )

    class Meta:
        model = Order
        fields = [
            "number",
            "reservation_id",
            "campaign",
            "item",
            "sku",
            "shopper",
            "qty",
            "amount_minor",
            "currency",
            "state",
            "reserved_at",
            "created_at",
            "pay_by",
            "replaces",
        ]
        read_only_fields = fields


class ReservationSerializer(serializers.Serializer[dict[str, Any]]):
    """A reservation, as PostgreSQL has decided it or as far as it is known here."""

    reservation_id = serializers.CharField()
    item = serializers.IntegerField()
    state = serializers.ChoiceField(State.choices)
    shopper = serializers.CharField(allow_null=True)
    qty = serializers.IntegerField(allow_null=True)
    order_number = serializers.CharField(allow_null=True)
    order_state = serializers.ChoiceField(OrderState.choices, allow_null=True)
    reason = serializers.ChoiceField(RejectionReason.choices, allow_null=True)
    pay_by = serializers.DateTimeField(allow_null=True)
    # What the shopper reads at the gateway; null when the work Redis has nothing, or is away.
    shown_state = serializers.CharField(allow_null=True)
    shown_known = serializers.BooleanField()
