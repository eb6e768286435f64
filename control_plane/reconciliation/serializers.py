"""Reports as the API shows them."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from control_plane.campaigns.models import CampaignState, Settlement
from control_plane.reconciliation.models import Finding, Reconciliation, Repair, Run


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


class RunSerializer(serializers.ModelSerializer[Run]):
    """A comparison of all sides: `counts` findings by kind, `items` the equation of each."""

    campaign = serializers.CharField(source="campaign.slug", read_only=True)
    items: Any = serializers.ListField(child=serializers.DictField(), read_only=True)
    counts: Any = serializers.DictField(child=serializers.IntegerField(), read_only=True)
    sides: Any = serializers.DictField(child=serializers.IntegerField(), read_only=True)
    in_flight: Any = serializers.DictField(child=serializers.IntegerField(), read_only=True)

    class Meta:
        model = Run
        exclude = ["folder"]
        read_only_fields = [field.name for field in Run._meta.fields]


class RepairSerializer(serializers.ModelSerializer[Repair]):
    """What was done about a finding without a person."""

    class Meta:
        model = Repair
        exclude = ["finding"]
        read_only_fields = [field.name for field in Repair._meta.fields]


class FindingSerializer(serializers.ModelSerializer[Finding]):
    """One thing that is wrong; `repair` is null where it waits for a person."""

    repair = serializers.SerializerMethodField()

    class Meta:
        model = Finding
        fields = "__all__"
        read_only_fields = [field.name for field in Finding._meta.fields]

    @extend_schema_field(RepairSerializer(allow_null=True))
    def get_repair(self, finding: Finding) -> Any:
        """The one there is."""
        repair = getattr(finding, "repair", None)
        return None if repair is None else RepairSerializer(repair).data
