"""What lists of orders are narrowed by."""

from django_filters import rest_framework as filters

from control_plane.api.filters import MomentFilter
from control_plane.orders.models import Order, OrderState


class OrderFilter(filters.FilterSet):
    """By state, what was bought, by whom and when."""

    state = filters.MultipleChoiceFilter(choices=OrderState.choices)
    item = filters.NumberFilter("item_id", min_value=1, max_value=2**63 - 1)
    campaign = filters.CharFilter("item__campaign__slug")
    shopper = filters.CharFilter("shopper")
    created_after = MomentFilter("created_at", "gte")
    created_before = MomentFilter("created_at", "lt")

    class Meta:
        model = Order
        fields: list[str] = []
