"""Reports as the API shows them."""

from typing import Any

from rest_framework import serializers

from control_plane.campaigns.models import CampaignState, Settlement
from control_plane.reconciliation.models import Reconciliation


class EquationSerializer(serializers.Serializer[None]):
    """I1: total = unallocated + open_leftover + live_orders; `drift` is what is missing."""

    total = serializers.IntegerField()
    unallocated = serializers.IntegerField()
    open_leftover = serializers.IntegerField()
    live_orders = serializers.IntegerField()
    drift = serializers.IntegerField()
    holds = serializers.BooleanField()
    text = serializers.CharField()


class CountSerializer(serializers.Serializer[None]):
    """Orders in one state."""

    orders = serializers.IntegerField()
    units = serializers.IntegerField()
    amount_minor = serializers.IntegerField()


class OrderCountsSerializer(serializers.Serializer[None]):
    """Orders by state."""

    unpaid = CountSerializer()
    paid = CountSerializer()
    expired = CountSerializer()
    cancelled = CountSerializer()


class SettlementSerializer(serializers.ModelSerializer[Settlement]):
    """The totals that were written when nothing moved any more."""

    class Meta:
        model = Settlement
        exclude = ["item"]
        read_only_fields = [field.name for field in Settlement._meta.fields]


class ReconciliationSerializer(serializers.ModelSerializer[Reconciliation]):
    """All books side by side; `differences` names those that do not agree."""

    differences: Any = serializers.DictField(child=serializers.IntegerField(), read_only=True)

    class Meta:
        model = Reconciliation
        exclude = ["id", "item"]
        read_only_fields = [field.name for field in Reconciliation._meta.fields]


class ReportSerializer(serializers.Serializer[None]):
    """An item's sale; `equation` is null for a draft, the last two until they are written."""

    item = serializers.IntegerField()
    sku = serializers.CharField()
    title = serializers.CharField()
    campaign = serializers.CharField()
    state = serializers.ChoiceField(CampaignState.choices)
    equation = EquationSerializer(allow_null=True)
    orders = OrderCountsSerializer()
    rejections = serializers.IntegerField()
    settlement = SettlementSerializer(allow_null=True)
    reconciliation = ReconciliationSerializer(allow_null=True)
